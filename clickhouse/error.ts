import { ClickHouseError } from '@clickhouse/client';

/**
 * Whether the same request can succeed later. `permanent`: the same input always gives the same failure (a bug or a
 * wrong statement), `transient`: the database is away, busy, full, or starting.
 */
export type Failure =
  | { readonly kind: 'permanent'; readonly code: number; readonly message: string }
  | { readonly kind: 'transient'; readonly message: string };

/**
 * Codes that no retry mends, by number because texts change between versions: syntax, types, unknown names, data that
 * does not parse, access, and 395, with which a view refuses to answer (throwIf). Everything else is transient, because
 * nothing that came in may be lost to a wrong guess.
 */
const permanentCodes = new Set([
  6, 16, 26, 27, 36, 38, 41, 42, 43, 46, 47, 50, 51, 53, 60, 62, 69, 72, 81, 115, 117, 164, 179, 184, 207, 215, 386,
  395, 403, 456, 457, 469, 497, 516,
]);

export function classify(error: unknown): Failure {
  if (error instanceof ClickHouseError) {
    const code = Number(error.code);
    if (permanentCodes.has(code)) return { kind: 'permanent', code, message: error.message };
    return { kind: 'transient', message: `code ${code}: ${error.message}` };
  }
  return { kind: 'transient', message: error instanceof Error ? error.message : String(error) };
}
