import type { Readable } from 'node:stream';
import {
  booksSince,
  callStates,
  chargeLines,
  charges,
  shares,
  statementCharges,
  tenantZones,
  unbookedCharges,
  unbookedShares,
} from '#clickhouse/statements.ts';
import type { Arguments, Types, View } from '#clickhouse/view.ts';
import { monthOf, type Span } from './calendar.ts';
import type { Header, Wanted } from './chargeback.ts';
import type { Reader } from './reader.ts';
import { type Charge, type ExactLine, sumOfCharges } from './statement.ts';
import { argument, everything } from './window.ts';

/* Which months a statement bills, and the questions that their charges are the answers of. */

/** A month of the tenants of one time zone. */
export type Zone = Span & { readonly tz: string; readonly tenants: readonly string[] };

/** A month that a statement bills: its own, or a closed one of which something came to light. */
export type Billed = {
  readonly chargeMonth: string;
  readonly chargeClass: '' | 'Correction';
  readonly currency: string;
  readonly zones: readonly Zone[];
  /** Whether there are commitments to be shared, in the month of UTC. */
  readonly shared: boolean;
};

/** The month itself, and each closed month before it whose next open month it is, if it may have changed. */
export async function billedBy(db: Reader, wanted: Wanted, closed: readonly Header[]): Promise<Billed[]> {
  const before = correctedBy(wanted.month, closed);
  const { asKnownAt } = wanted;
  const corrected =
    asKnownAt === null
      ? await changed(db, before, closed)
      : before.filter(({ month }) => billedAsKnownAt(month, closed) <= millis(asKnownAt));
  const own = { chargeMonth: wanted.month, chargeClass: '', currency: wanted.currency } as const;
  const later = corrected.map(
    ({ month, currency }) => ({ chargeMonth: month, chargeClass: 'Correction', currency }) as const,
  );
  const [books] = await db.read(booksSince, { since: argument(new Date(0)) });
  const shared = books !== undefined && books.commitments !== '0';
  return Promise.all(
    [own, ...later].map(async (billed) =>
      Object.assign(billed, { zones: await zonesOf(db, billed.chargeMonth, wanted.asKnownAt), shared }),
    ),
  );
}

/** The closed months whose next open month is this one: what came to light of them is billed by it, and by no other. */
export function correctedBy(month: string, closed: readonly Header[]): readonly Header[] {
  const isClosed = new Set(closed.map((header) => header.month));
  return closed.filter((header) => nextOpen(header.month, isClosed) === month);
}

/**
 * The latest instant, ms, of which the knowledge is in what closed statements billed for a closed month. As known before
 * it, nothing of that month can have come to light: the difference would take back what was rightly billed.
 */
export function billedAsKnownAt(month: string, closed: readonly Header[]): number {
  return Math.max(...closed.filter(({ call_states }) => month in call_states).map((h) => millis(h.as_known_at)));
}

/** An instant as the database takes it, or as it answers. */
function millis(instant: string): number {
  return Date.parse(instant.includes('T') ? instant : `${instant.replace(' ', 'T')}Z`);
}

/** The first month after one that is not closed, both YYYY-MM. */
export function nextOpen(month: string, closed: ReadonlySet<string>): string {
  let next = following(month);
  while (closed.has(next)) next = following(next);
  return next;
}

function following(month: string): string {
  const [year = 0, number = 0] = month.split('-').map(Number);
  return number === 12 ? `${year + 1}-01` : `${year}-${String(number + 1).padStart(2, '0')}`;
}

/**
 * The closed months that must be rated again: whose calls are not those that the last closing saw, or about which the
 * books have learned something since. Of the others nothing can have come to light.
 */
async function changed(db: Reader, months: readonly Header[], closed: readonly Header[]): Promise<readonly Header[]> {
  if (months.length === 0) return [];
  const states = await callStatesOf(db, months);
  const since = new Map<string, Promise<string | null>>();
  const learned = async (instant: string): Promise<string | null> => {
    const [row] = await db.read(booksSince, { since: argument(new Date(instant)) });
    return row === undefined || row.rows === '0' ? null : row.applies_from;
  };
  const verdicts = await Promise.all(
    months.map(async (header) => {
      const seen = closed
        .filter(({ call_states }) => header.month in call_states)
        .reduce((a, b) => (a.closed_at > b.closed_at ? a : b));
      if (states[header.month] !== seen.call_states[header.month]) return true;
      const answer = since.get(seen.as_known_at) ?? learned(seen.as_known_at);
      since.set(seen.as_known_at, answer);
      const from = await answer;
      return from !== null && from < header.calls_to;
    }),
  );
  return months.filter((_, i) => verdicts[i]);
}

/** What the calls of each month are, as a hash; '' where it has none. */
export async function callStatesOf(
  db: Reader,
  months: readonly Pick<Header, 'month' | 'calls_from' | 'calls_to'>[],
): Promise<Record<string, string>> {
  const rows = await db.read(callStates, {
    months: months.map(({ month }) => month),
    starts: months.map(({ calls_from }) => Date.parse(calls_from)),
    ends: months.map(({ calls_to }) => Date.parse(calls_to)),
  });
  const known = new Map(rows.map((row) => [row.month, row.state]));
  return Object.fromEntries(months.map(({ month }) => [month, known.get(month) ?? '']));
}

/** The tenants by their time zone, each with the month's borders there. */
async function zonesOf(db: Reader, month: string, asKnownAt: string | null): Promise<Zone[]> {
  const utc = monthOf(month, 'UTC');
  const args = { as_known_at: asKnownAt ?? everything, starts: argument(utc.from), ends: argument(utc.to) };
  const orderBy = (['begins_in', 'ends_in'] as const).map((column) => ({ column, descending: false }));
  const rows = await db.read(tenantZones, args, { orderBy });
  return rows.map(({ begins_in, ends_in, tenants }) => ({
    from: monthOf(month, begins_in).from,
    to: monthOf(month, ends_in).to,
    tz: ends_in,
    tenants,
  }));
}

/** From the begin of a month in its first zone to the end in its last one; UTC, in which shares are, is among them. */
export function wholeSpan({ chargeMonth, zones }: Billed): Span {
  const spans = [monthOf(chargeMonth, 'UTC'), ...zones];
  return {
    from: new Date(Math.min(...spans.map((span) => span.from.getTime()))),
    to: new Date(Math.max(...spans.map((span) => span.to.getTime()))),
  };
}

/** Asks for charges: bytes of JSON, one row per line. */
type Source = (db: Reader) => Promise<Readable>;

function source<P extends Types>(view: View<P, typeof statementCharges.columns>, args: Arguments<P>): Source {
  return async (db) => db.stream(view, args, 'JSONEachRow', { orderBy: chargeOrder });
}

/** No two charges of a statement are equal in all of these. */
export const chargeOrder = (
  [
    'charge_month',
    'tenant_id',
    'cost_center',
    'consumer_id',
    'charge_period_start',
    'charge_kind',
    'provider_name',
    'model',
    'response_model',
    'token_kind',
    'deployment',
    'region',
    'service_tier',
    'commitment_id',
    'billing_currency',
    'list_token_price',
    'contracted_token_price',
    'unpriced_reason',
  ] as const
).map((column) => ({ column, descending: false }));

/** The charges of a month that no closed statement holds, some at a time. */
export async function* chargesOf(db: Reader, billed: Billed, asKnownAt: string, id: string): AsyncGenerator<Charge[]> {
  for (const ask of sourcesOf(billed, asKnownAt, id)) yield* chargesIn(await ask(db));
}

/** Rows of JSON as they come. A server that fails in the middle leaves what is not JSON, which throws. */
export async function* chargesIn(bytes: Readable): AsyncGenerator<Charge[]> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of bytes as AsyncIterable<Uint8Array>) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    const rows = lines.map((line) => JSON.parse(line) as Charge);
    if (rows.length > 0) yield rows;
  }
  if (rest !== '') yield [JSON.parse(rest) as Charge];
}

function sourcesOf(billed: Billed, asKnownAt: string, id: string): Source[] {
  const isNew = billed.chargeClass === '';
  const { chargeMonth, currency } = billed;
  const common = { statement_id: id, charge_month: chargeMonth, as_known_at: asKnownAt, currency };
  const calls = billed.zones.map((zone) =>
    source(isNew ? charges : unbookedCharges, { ...common, ...windowOf(zone), ...whose(zone) }),
  );
  if (!billed.shared) return calls;
  const month = windowOf(monthOf(chargeMonth, 'UTC'));
  return [...calls, source(isNew ? shares : unbookedShares, { ...common, ...month })];
}

function windowOf({ from, to }: Span): { readonly from: string; readonly to: string } {
  return { from: argument(from), to: argument(to) };
}

function whose({ tz, tenants }: Zone): { readonly tz: string; readonly tenant_id: string[] } {
  return { tz, tenant_id: [...tenants] };
}

/** The lines of a month before they are rounded. What changed of a closed month is little, and is added up here. */
export async function exactLines(db: Reader, billed: Billed, asKnownAt: string): Promise<ExactLine[]> {
  const { chargeMonth, chargeClass, currency, zones } = billed;
  const isNew = chargeClass === '';
  const common = { charge_month: chargeMonth, as_known_at: asKnownAt, currency };
  const ofCalls = isNew
    ? zones.map(async (zone) => db.read(chargeLines, { ...common, ...windowOf(zone), ...whose(zone) }))
    : [];
  const rest = sumOfCharges();
  const ofRest = chargesOf(db, isNew ? { ...billed, zones: [] } : billed, asKnownAt, '');
  const lines = Promise.all(ofCalls);
  for await (const rows of ofRest) rest.add(rows);
  return [...(await lines).flat(), ...rest.lines()];
}
