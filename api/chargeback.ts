import { clock } from '#clickhouse/ledger.ts';
import {
  bookedTotals,
  closedMonths,
  statement,
  tenantZones,
  type unbookedCharges,
  unbookedLines,
} from '#clickhouse/statements.ts';
import type { Arguments, Row } from '#clickhouse/view.ts';
import { unfiltered, usage } from '#clickhouse/views.ts';
import { completeness, type Coverage, share } from './answer.ts';
import { monthOf, type Span } from './calendar.ts';
import type { Reader } from './reader.ts';
import { type Line, lineOrder, printed, reprinted } from './statement.ts';
import { argument, everything } from './window.ts';

/* What a month is billed, and what of it is known. */

export type Header = Row<(typeof closedMonths)['columns']>;

/** The calls behind a statement, for its shares. */
export type Counts = Pick<Header, 'calls' | 'usage_calls' | 'exact_usage_calls' | 'attributed_calls'>;

/** A month of some tenants: all those of one time zone. */
export type Zoned = Span & { readonly tz: string; readonly tenants: readonly string[] };

/** A month that a statement bills: its own, or a closed one of which something came to light. */
export type Billed = {
  readonly chargeMonth: string;
  readonly chargeClass: '' | 'Correction';
  readonly currency: string;
  readonly zones: readonly Zoned[];
};

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
  };
}

/** The lines of a statement as they are stored. */
export async function storedStatement(db: Reader, id: string): Promise<Line[]> {
  const rows = await db.read(
    statement,
    { statement_id: id },
    { orderBy: [{ column: 'line_number', descending: false }] },
  );
  return rows.map(reprinted);
}

async function openStatement(db: Reader, wanted: Wanted, closed: readonly Header[]): Promise<Statement> {
  const complete = await completeness(db);
  const months = await billedBy(db, wanted, closed);
  const lines: Line[] = [];
  for (const billed of months) lines.push(...(await unbooked(db, billed, wanted.asKnownAt)));
  return {
    ...wanted,
    closed: null,
    completeThrough: complete.through,
    counts: await countsOf(db, months[0]?.zones ?? [], wanted.asKnownAt),
    lines,
  };
}

/** The month itself, and each closed month before it whose next open month it is. */
export async function billedBy(db: Reader, wanted: Wanted, closed: readonly Header[]): Promise<Billed[]> {
  const isClosed = new Set(closed.map((header) => header.month));
  const corrected = closed.filter(({ month }) => {
    let next = following(month);
    while (isClosed.has(next)) next = following(next);
    return next === wanted.month;
  });
  const own = { chargeMonth: wanted.month, chargeClass: '', currency: wanted.currency } as const;
  const later = corrected.map(
    ({ month, currency }) => ({ chargeMonth: month, chargeClass: 'Correction', currency }) as const,
  );
  return Promise.all(
    [own, ...later].map(async (billed) => ({
      ...billed,
      zones: await zonesOf(db, billed.chargeMonth, wanted.asKnownAt),
    })),
  );
}

/** The month after one, both YYYY-MM. */
export function following(month: string): string {
  const [year = 0, number = 0] = month.split('-').map(Number);
  return number === 12 ? `${year + 1}-01` : `${year}-${String(number + 1).padStart(2, '0')}`;
}

/** The tenants by their time zone, each with the month's borders there. */
export async function zonesOf(db: Reader, month: string, asKnownAt: string | null): Promise<Zoned[]> {
  const before = argument(monthOf(month, 'UTC').to);
  const order = [{ column: 'time_zone', descending: false }] as const;
  const rows = await db.read(tenantZones, { as_known_at: asKnownAt ?? everything, before }, { orderBy: order });
  return rows.map((row) => ({ ...monthOf(month, row.time_zone), tz: row.time_zone, tenants: row.tenants }));
}

/** The arguments of the views of charges, for the tenants of one zone. */
export function chargeArguments(
  { chargeMonth, currency }: Billed,
  { from, to, tz, tenants }: Zoned,
  asKnownAt: string | null,
  id: string,
): Arguments<(typeof unbookedCharges)['parameters']> {
  return {
    statement_id: id,
    charge_month: chargeMonth,
    from: argument(from),
    to: argument(to),
    tz,
    as_known_at: asKnownAt ?? everything,
    currency,
    tenant_id: [...tenants],
  };
}

/** The exact lines of a month that no statement has booked. */
export async function unbookedExact(
  db: Reader,
  billed: Billed,
  asKnownAt: string | null,
): Promise<Row<(typeof unbookedLines)['columns']>[]> {
  const lines: Row<(typeof unbookedLines)['columns']>[] = [];
  for (const zone of billed.zones) {
    const { statement_id: _id, ...args } = chargeArguments(billed, zone, asKnownAt, '');
    const orderBy = lineOrder.map((column) => ({ column, descending: false }));
    lines.push(...(await db.read(unbookedLines, args, { orderBy })));
  }
  return lines;
}

/** The printed lines of a month that no statement has booked. */
export async function unbooked(db: Reader, billed: Billed, asKnownAt: string | null): Promise<Line[]> {
  const { chargeMonth, chargeClass } = billed;
  const lines = await unbookedExact(db, billed, asKnownAt);
  const booked = await db.read(bookedTotals, { charge_month: chargeMonth });
  return printed({ chargeMonth, chargeClass, lines, booked });
}

/** The calls of a month by what is known of them. */
export async function countsOf(db: Reader, zones: readonly Zoned[], asKnownAt: string | null): Promise<Counts> {
  const columns = ['calls', 'usage_calls', 'exact_usage_calls', 'attributed_calls'] as const;
  const sums = { calls: 0n, usage_calls: 0n, exact_usage_calls: 0n, attributed_calls: 0n };
  for (const { from, to, tenants } of zones) {
    const rows = await db.read(
      usage,
      {
        ...unfiltered,
        tenant_id: [...tenants],
        from: argument(from),
        to: argument(to),
        step: '',
        tz: 'UTC',
        as_known_at: asKnownAt ?? everything,
        visible_tenants: ['*'],
        group_by: [],
      },
      { columns },
    );
    for (const row of rows) for (const name of columns) sums[name] += BigInt(row[name]);
  }
  return {
    calls: String(sums.calls),
    usage_calls: String(sums.usage_calls),
    exact_usage_calls: String(sums.exact_usage_calls),
    attributed_calls: String(sums.attributed_calls),
  };
}

/** How much of the month's tokens has a price, and of its calls an exact count and a known tenant. */
export function coverageOf({ lines, counts }: Statement): Coverage {
  const own = lines.filter((line) => line.charge_class === '');
  const tokens = (kind: string): bigint =>
    own.filter((line) => line.charge_kind === kind).reduce((sum, line) => sum + BigInt(line.consumed_quantity), 0n);
  const [priced, unpriced] = [tokens('tokens'), tokens('unpriced_tokens')];
  return {
    priced: share(priced, priced, unpriced),
    exact_usage: share(BigInt(counts.exact_usage_calls), BigInt(counts.usage_calls)),
    attributed: share(BigInt(counts.attributed_calls), BigInt(counts.calls)),
  };
}

/** The database's clock, which stamps what becomes known. */
export async function knowledgeNow(db: Reader): Promise<Date> {
  const [row] = await db.read(clock, {});
  return new Date(row?.now ?? '');
}
