import { clock } from '#clickhouse/ledger.ts';
import { bookedTotals, closedMonths, statement } from '#clickhouse/statements.ts';
import type { Row } from '#clickhouse/view.ts';
import { unfiltered, usage } from '#clickhouse/views.ts';
import { assert } from '#common/assert.ts';
import { completeness, type Coverage, share } from './answer.ts';
import { type Billed, billedBy, exactLines, type Zone } from './billed.ts';
import type { Reader } from './reader.ts';
import { type ExactLine, type Line, printed, reprinted } from './statement.ts';
import { argument, everything } from './window.ts';

/* What a month is billed, and what of it is known. */

export type Header = Row<(typeof closedMonths)['columns']>;

/** The calls behind a statement, for its shares. */
export type Counts = Pick<Header, 'calls' | 'usage_calls' | 'exact_usage_calls' | 'attributed_calls'>;

/** A month that an open statement bills, and its lines before they were rounded. */
type Part = { readonly billed: Billed; readonly exact: readonly ExactLine[] };

export type Statement = {
  readonly month: string;
  /** Null while the month is open. */
  readonly closed: Header | null;
  readonly currency: string;
  /** Prices and attributions as known then; null is all that is known. */
  readonly asKnownAt: string | null;
  readonly completeThrough: string | null;
  readonly counts: Counts;
  readonly lines: readonly Line[];
  /** What an open statement was computed from; a closed one has stored its own. */
  readonly parts: readonly Part[];
};

export type Wanted = {
  readonly month: string;
  /** The database's form of an instant; null is all that is known. */
  readonly asKnownAt: string | null;
  /** '' is as priced. */
  readonly currency: string;
};

export async function closedMonthsOf(db: Reader): Promise<readonly Header[]> {
  return db.read(closedMonths, {}, { orderBy: [{ column: 'month', descending: false }] });
}

/** The statement of a month: as it was stored, or as it would be now. */
export async function statementOf(db: Reader, wanted: Wanted): Promise<Statement> {
  const closed = await closedMonthsOf(db);
  const own = closed.find((header) => header.month === wanted.month);
  return own === undefined ? openStatement(db, wanted, closed) : closedStatement(db, own);
}

async function closedStatement(db: Reader, header: Header): Promise<Statement> {
  return {
    month: header.month,
    closed: header,
    currency: header.currency,
    asKnownAt: header.as_known_at,
    completeThrough: header.complete_through,
    counts: header,
    lines: await storedStatement(db, header.statement_id),
    parts: [],
  };
}

/** The lines of a statement as they are stored. */
export async function storedStatement(db: Reader, id: string): Promise<Line[]> {
  const orderBy = [{ column: 'line_number', descending: false }] as const;
  const rows = await db.read(statement, { statement_id: id }, { orderBy });
  return rows.map(reprinted);
}

async function openStatement(db: Reader, wanted: Wanted, closed: readonly Header[]): Promise<Statement> {
  const complete = await completeness(db);
  const known = wanted.asKnownAt ?? everything;
  const { counts, months } = await inhabited(db, await billedBy(db, wanted, closed), known);
  const parts = await Promise.all(
    months.map(async (billed) => ({ billed, exact: await exactLines(db, billed, known) })),
  );
  const lines: Line[] = [];
  for (const { billed, exact } of parts) lines.push(...(await printedOf(db, billed, exact)));
  return { ...wanted, closed: null, completeThrough: complete.through, counts, lines, parts };
}

/** Rounds the lines of a month, with regard to what was billed for it before. */
export async function printedOf(db: Reader, billed: Billed, lines: readonly ExactLine[]): Promise<Line[]> {
  const { chargeMonth, chargeClass } = billed;
  const booked = chargeClass === '' ? [] : await db.read(bookedTotals, { charge_month: chargeMonth });
  return printed({ chargeClass, lines, booked });
}

/**
 * The calls of the first month by what is known of them, and the months without the zones in which it has none: counting
 * is cheap, and rating is not. What was billed of a corrected month may have lost its calls, so it keeps its zones.
 */
export async function inhabited(
  db: Reader,
  months: readonly Billed[],
  known: string,
): Promise<{ readonly counts: Counts; readonly months: readonly Billed[] }> {
  const [own, ...later] = months;
  assert(own !== undefined, 'a statement bills its own month');
  const rows = await Promise.all(own.zones.map(async (zone) => countsOf(db, zone, known)));
  const sum = (name: keyof Counts): string => String(rows.reduce((total, row) => total + BigInt(row?.[name] ?? 0), 0n));
  const zones = own.zones.filter((_, i) => (rows[i]?.calls ?? '0') !== '0');
  return {
    counts: {
      calls: sum('calls'),
      usage_calls: sum('usage_calls'),
      exact_usage_calls: sum('exact_usage_calls'),
      attributed_calls: sum('attributed_calls'),
    },
    months: [{ ...own, zones }, ...later],
  };
}

async function countsOf(db: Reader, { from, to, tenants }: Zone, known: string): Promise<Counts | undefined> {
  const window = { from: argument(from), to: argument(to), step: '', tz: 'UTC' };
  const who = { tenant_id: [...tenants], visible_tenants: ['*'], as_known_at: known };
  const columns = ['calls', 'usage_calls', 'exact_usage_calls', 'attributed_calls'] as const;
  const [row] = await db.read(usage, { ...unfiltered, ...window, ...who, group_by: [] }, { columns });
  return row;
}

/** How much of the month's tokens has a price, and of its calls an exact count and a known tenant. */
export function coverageOf({ lines, counts }: Statement): Coverage {
  const tokens = (...kinds: string[]): bigint =>
    lines
      .filter((line) => line.charge_class === '' && kinds.includes(line.charge_kind))
      .reduce((sum, line) => sum + BigInt(line.consumed_quantity), 0n);
  const priced = tokens('tokens', 'committed_tokens');
  return {
    priced: share(priced, priced, tokens('unpriced_tokens')),
    exact_usage: share(BigInt(counts.exact_usage_calls), BigInt(counts.usage_calls)),
    attributed: share(BigInt(counts.attributed_calls), BigInt(counts.calls)),
  };
}

/** The database's clock, which stamps what becomes known. */
export async function knowledgeNow(db: Reader): Promise<Date> {
  const [row] = await db.read(clock, {});
  return new Date(row?.now ?? '');
}
