import type { Database } from '#clickhouse/client.ts';
import type { Table } from '#clickhouse/view.ts';
import type { App } from '../../api/route.ts';
import { type AnswerRow, ask } from '../api/ledger.ts';

/** A row of a book by its columns; what is left out is empty, null, or as every row of a test: from 2020 on. */
export type BookRow = Record<string, unknown>;

export type AppendOptions = {
  /** As if the rows had been learned then. */
  readonly knownFrom?: string;
  /** What every row has that does not say otherwise. */
  readonly each?: BookRow;
};

/** Appends rows to a book. */
export async function append(
  db: Database,
  book: Table,
  rows: readonly BookRow[],
  { knownFrom, each }: AppendOptions = {},
): Promise<void> {
  const target =
    knownFrom === undefined ? book : { ...book, columns: { ...book.columns, known_from: "DateTime64(3, 'UTC')" } };
  const lines = rows.map((row) => {
    const given: BookRow = {
      valid_from: '2020-01-01 00:00:00.000',
      author: 'test',
      reason: 'test',
      known_from: knownFrom,
      pricing_quantity: 1_000_000,
      pricing_unit: 'Tokens',
      pricing_currency: 'USD',
      ...(book.name === 'prices' ? { service_tier: 'standard', price_list: 'test' } : {}),
      ...each,
      ...row,
    };
    return JSON.stringify(Object.entries(target.columns).map(([name, type]) => given[name] ?? empty(type)));
  });
  await db.insert(target, lines.join('\n'));
}

function empty(type: string): unknown {
  if (type.startsWith('Nullable')) return null;
  if (type.startsWith('Map')) return {};
  if (type.startsWith('Array')) return [];
  return /Int|Decimal/.test(type) ? 0 : '';
}

/** The rows of an answer about money without what is the same everywhere. */
export async function spent(app: App, key: string, query: string): Promise<AnswerRow[]> {
  return (await ask(app, key, `/v1/spend?${query}`)).data;
}
