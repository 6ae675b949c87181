import { z } from '@hono/zod-openapi';
import { pipeline, recordCounts } from '#clickhouse/pipeline.ts';
import { type rated, spend } from '#clickhouse/money.ts';
import { usage } from '#clickhouse/views.ts';
import type { Arguments, Row, Types, View } from '#clickhouse/view.ts';
import { wireName } from './export.ts';
import type { Reader } from './reader.ts';

/** How far the data reaches: the streams' earliest instant, for each source, since any stream may carry any source. */
export type Completeness = { readonly through: string | null; readonly bySource: Record<string, string> };

/** Read before an answer's rows, so that it never promises more than they hold. */
export async function completeness(db: Reader): Promise<Completeness> {
  const [streams, counts] = await Promise.all([
    db.read(pipeline, {}, { columns: ['way', 'complete_through'] }),
    db.read(recordCounts, {}, { columns: ['source'] }),
  ]);
  // What is pushed or read from archives has no end that could be waited for; without a hub its newest message must do.
  const hub = streams.filter((row) => row.way === 'hub').map((row) => row.complete_through);
  const others = streams.map((row) => row.complete_through);
  const through = hub.length > 0 ? hub.reduce<string | null>(earlier, null) : others.reduce<string | null>(later, null);
  if (through === null) return { through, bySource: {} };
  const sources = [...new Set(counts.map((row) => row.source))].filter((source) => source !== '').sort();
  return { through, bySource: Object.fromEntries(sources.map((source) => [source, through])) };
}

function later(a: string | null, b: string): string {
  return a === null || Date.parse(b) > Date.parse(a) ? b : a;
}

function earlier(a: string | null, b: string): string {
  return a === null || Date.parse(b) < Date.parse(a) ? b : a;
}

/** Shares of what an answer rests on, from 0 to 1; null where there is nothing to share. */
export type Coverage = {
  readonly priced: number | null;
  readonly exact_usage: number | null;
  readonly attributed: number | null;
};

/** The counts that shares are made of; the columns of `usage` and of `spend` that hold them. */
const usageCounts = ['calls', 'usage_calls', 'exact_usage_calls', 'attributed_calls'] as const;
const spendCounts = ['priced_tokens', 'unpriced_tokens'] as const;

type Counts = Readonly<Record<string, bigint>>;

type Grouping = View<(typeof usage)['parameters']>;

/** A question's own answer: its rows if they are all that there are, else null. */
export type Own = { readonly view: Grouping; readonly rows: () => Promise<readonly Row<Types>[] | null> };

/**
 * The coverage of all calls of a question, whatever it groups by. What the question's own answer has counted already is
 * added up instead of being asked for again.
 */
export async function coverage(db: Reader, args: Arguments<typeof rated>, own?: Own): Promise<Coverage> {
  const whole = { ...args, step: '', group_by: [] };
  const counts = async (view: Grouping, columns: readonly string[]): Promise<Counts> => {
    const answered = own?.view.name === view.name ? await own.rows() : null;
    const rows = answered ?? (await db.read(view, whole, { columns }));
    return Object.fromEntries(
      columns.map((name) => [name, rows.reduce((sum, row) => sum + BigInt(String(row[name])), 0n)]),
    );
  };
  const [use, money] = await Promise.all([counts(usage, usageCounts), counts(spend, spendCounts)]);
  return {
    priced: share(money['priced_tokens'], money['priced_tokens'], money['unpriced_tokens']),
    exact_usage: share(use['exact_usage_calls'], use['usage_calls']),
    attributed: share(use['attributed_calls'], use['calls']),
  };
}

/** Rounded down at 10^-6, so that 1 means all and never nearly all. */
export function share(part: bigint = 0n, ...whole: readonly (bigint | undefined)[]): number | null {
  const total = whole.reduce<bigint>((sum, n) => sum + (n ?? 0n), 0n);
  return total === 0n ? null : Number((part * 1_000_000n) / total) / 1e6;
}

const ratio = z.number().min(0).max(1).nullable();

export const nextCursor = z.string().nullable().describe('Send it as `cursor` for the next page; null at the end');

/** What a detector saw: an object in JSON, its text in files. */
export const evidence = z.record(z.string(), z.unknown()).describe('What the detector saw');

export const metaSchema = z
  .object({
    from: z.iso.datetime(),
    to: z.iso.datetime(),
    step: z.string().nullable().describe('The step of the rows; null for one row per group'),
    complete_through: z
      .record(z.string(), z.iso.datetime())
      .describe('Per source: everything that the hub had accepted before this instant is in the answer'),
    coverage: z.object({
      priced: ratio.describe('Share of tokens that have a price'),
      exact_usage: ratio.describe("Share of calls with the provider's own count, of those that should have one"),
      attributed: ratio.describe('Share of calls with a known tenant'),
    }),
    next_cursor: nextCursor,
  })
  .openapi('Meta');

/** The wire schema of a ClickHouse type, as JSON answers carry it. */
function wireSchema(type: string): z.ZodType {
  const inner = /^(Nullable|LowCardinality|Array)\((.*)\)$/.exec(type);
  if (inner?.[1] === 'Nullable') return wireSchema(inner[2] ?? '').nullable();
  if (inner?.[1] === 'LowCardinality') return wireSchema(inner[2] ?? '');
  if (inner?.[1] === 'Array') return z.array(wireSchema(inner[2] ?? ''));
  if (type === 'Map(String, Float64)') return z.record(z.string(), z.number());
  if (type.startsWith('Map(String, String)')) return z.record(z.string(), z.string());
  if (type === 'Bool') return z.boolean();
  if (type.startsWith('DateTime')) return z.iso.datetime();
  if (type.startsWith('Decimal')) return z.string().openapi({ format: 'decimal', example: '0.00125' });
  if (/^U?Int64$/.test(type)) return z.string().openapi({ format: type.toLowerCase(), example: '1250' });
  if (/^(U?Int|Float)\d+$/.test(type)) return z.number();
  return z.string();
}

/** The schema of a row with these columns; those in `optional` are there only when they were asked for. */
export function rowSchema(columns: Types, optional: ReadonlySet<string> = new Set()): z.ZodObject {
  return z.object(
    Object.fromEntries(
      Object.entries(columns).map(([name, type]) => {
        const schema = wireSchema(type);
        return [wireName(name), optional.has(name) ? schema.optional() : schema];
      }),
    ),
  );
}
