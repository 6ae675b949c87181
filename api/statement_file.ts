import { statementFile } from '#clickhouse/statements.ts';
import { unreachable } from '#common/assert.ts';
import type { Coverage } from './answer.ts';
import { coverageOf, type Statement } from './chargeback.ts';
import { wholeParquet } from './csv.ts';
import { focusFile } from './focus.ts';
import type { Reader } from './reader.ts';
import { csvOf, lineColumns, type Total, totals } from './statement.ts';

/* A statement as a file, for the API and for the command line. */

export const statementFormats = ['json', 'csv', 'parquet', 'focus-1.2', 'focus-1.3', 'focus-1.4'] as const;
export type StatementFormat = (typeof statementFormats)[number];

type StatementFile = {
  readonly name: string;
  readonly contentType: string;
  /** Computed as it is read; what fails before the first chunk was not begun. */
  readonly body: AsyncGenerator<Uint8Array>;
};

const csv = 'text/csv; charset=utf-8; header=present';

/** `issuer` names who bills while the month is open. */
export function fileOf(db: Reader, found: Statement, format: StatementFormat, issuer: string): StatementFile {
  const name = `chargeback-${found.month}`;
  switch (format) {
    case 'json':
      return { name: `${name}.json`, contentType: 'application/json', body: whole(jsonOf(found)) };
    case 'csv':
      return { name: `${name}.csv`, contentType: csv, body: whole(csvOf(found.lines)) };
    case 'parquet':
      return { name: `${name}.parquet`, contentType: 'application/vnd.apache.parquet', body: parquet(db, found) };
    case 'focus-1.2':
    case 'focus-1.3':
    case 'focus-1.4': {
      const body = focusFile(db, found, versions[format], issuer);
      return { name: `${name}-${format}.csv`, contentType: csv, body };
    }
    default:
      return unreachable(format);
  }
}

const versions = { 'focus-1.2': '1.2', 'focus-1.3': '1.3', 'focus-1.4': '1.4' } as const;

async function* whole(text: string): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(text);
}

async function* parquet(db: Reader, { lines }: Statement): AsyncGenerator<Uint8Array> {
  const rows = lines.map((line) => lineColumns.map((column) => line[column]));
  const args = { lines: JSON.stringify(rows) };
  const bytes = await db.stream(statementFile, args, 'Parquet', { columns: lineColumns });
  const filter = wholeParquet();
  for await (const chunk of bytes as AsyncIterable<Uint8Array>) yield filter.push(chunk);
  filter.end();
}

/** The answer of the API, as text. */
function jsonOf(found: Statement): string {
  return JSON.stringify({ data: found.lines, meta: metaOf(found) });
}

export type StatementMeta = {
  readonly month: string;
  readonly status: 'open' | 'closed';
  readonly statement_id: string | null;
  readonly sha256: string | null;
  readonly closed_at: string | null;
  readonly closed_by: string | null;
  readonly reason: string | null;
  readonly as_known_at: string | null;
  readonly currency: string | null;
  readonly complete_through: string | null;
  readonly coverage: Coverage;
  readonly totals: readonly Total[];
};

export function metaOf(found: Statement): StatementMeta {
  const { closed } = found;
  return {
    month: found.month,
    status: closed === null ? 'open' : 'closed',
    statement_id: closed?.statement_id ?? null,
    sha256: closed?.sha256 ?? null,
    closed_at: closed?.closed_at ?? null,
    closed_by: closed?.closed_by ?? null,
    reason: closed?.reason ?? null,
    as_known_at: found.asKnownAt === null ? null : instantOf(found.asKnownAt),
    currency: found.currency === '' ? null : found.currency,
    complete_through: found.completeThrough,
    coverage: coverageOf(found),
    totals: totals(found.lines),
  };
}

/** An instant in the database's form or in its answers' form, as ISO 8601. */
function instantOf(text: string): string {
  return text.includes('T') ? text : `${text.replace(' ', 'T')}Z`;
}
