import type { budgetBook, tenantBook } from '#clickhouse/books.ts';
import type { Row } from '#clickhouse/view.ts';
import { monthOf, monthAt, type Span } from './calendar.ts';

export type Budget = Row<(typeof budgetBook)['columns']>;
type Tenant = Row<(typeof tenantBook)['columns']>;

/** Budgets that one question answers: of one zone and currency, with filters on the same dimensions. */
export type Together = {
  readonly tz: string;
  readonly currency: string;
  readonly dimensions: readonly string[];
  readonly month: Span;
  /** Every value that a filter of one of them allows, by dimension. */
  readonly allowed: Readonly<Record<string, string[]>>;
  /** As the view `budget_status` takes them. */
  readonly keys: readonly string[];
};

/** Zones that tenants have at an instant; the row that began last counts. */
export function zonesOf(tenants: readonly Tenant[], at: Date): ReadonlyMap<string, string> {
  const applying = tenants
    .filter(
      (row) =>
        Date.parse(row.valid_from) <= at.getTime() &&
        (row.valid_to === null || Date.parse(row.valid_to) > at.getTime()),
    )
    .sort((a, b) => Date.parse(a.valid_from) - Date.parse(b.valid_from));
  return new Map(applying.map((row) => [row.tenant_id, row.time_zone]));
}

/** The zone of a budget's months: its own, or that of the tenants in its filters where they have one, else UTC. */
function zoneOf(budget: Budget, zones: ReadonlyMap<string, string>): string {
  if (budget.time_zone !== '') return budget.time_zone;
  const found = new Set((budget.filters['tenant_id'] ?? []).map((tenant) => zones.get(tenant) ?? 'UTC'));
  const [only = 'UTC'] = found;
  return found.size === 1 ? only : 'UTC';
}

/**
 * The budgets of a month (2026-10, or null for the month of each zone in which `now` is), put together by question. A
 * budget is of whole months: of its rows the one that began last before the month ended counts, for all of it.
 */
export function together(
  rows: readonly Budget[],
  zones: ReadonlyMap<string, string>,
  month: string | null,
  now: Date,
): Together[] {
  const groups = new Map<string, Together & { keys: string[] }>();
  const newest = rows.toSorted((a, b) => Date.parse(b.valid_from) - Date.parse(a.valid_from));
  for (const of of Map.groupBy(newest, (row) => row.budget_id).values()) {
    const chosen = of
      .map((row) => ({ row, tz: zoneOf(row, zones) }))
      .map(({ row, tz }) => ({ row, tz, span: monthOf(month ?? monthAt(now, tz), tz) }))
      .find(
        ({ row, span }) =>
          Date.parse(row.valid_from) < span.to.getTime() &&
          (row.valid_to === null || Date.parse(row.valid_to) > span.from.getTime()),
      );
    if (chosen === undefined) continue;
    const { row, tz, span } = chosen;
    const dimensions = Object.keys(row.filters).sort();
    const id = JSON.stringify([tz, row.billing_currency, dimensions]);
    const group = groups.get(id) ?? {
      tz,
      currency: row.billing_currency,
      dimensions,
      month: span,
      allowed: {},
      keys: [],
    };
    const allowed = dimensions.map((name): [string, string[]] => [
      name,
      [...new Set([...(group.allowed[name] ?? []), ...(row.filters[name] ?? [])])],
    ]);
    const key = `${row.budget_id}@${Date.parse(row.valid_from)}`;
    groups.set(id, { ...group, allowed: Object.fromEntries(allowed), keys: [...group.keys, key] });
  }
  return [...groups.values()];
}

const hour = 3_600_000;
const day = 24 * hour;
/** Four weeks to learn from, seven trials three days apart, and some days more. */
const learnedMs = 55 * day;

/** From when the forecast needs the past: trials reach back as far as the month goes on. Whole hours before its start. */
export function historyFrom({ from, to }: Span, at: Date): Date {
  const left = Math.max(0, to.getTime() - at.getTime());
  const first = left === 0 ? from.getTime() : Math.min(from.getTime(), at.getTime() - left - learnedMs);
  return new Date(from.getTime() - Math.ceil((from.getTime() - first) / hour) * hour);
}
