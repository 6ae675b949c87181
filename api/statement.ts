import type { bookedTotals, statement, unbookedLines } from '#clickhouse/statements.ts';
import { statementFile } from '#clickhouse/statements.ts';
import type { Row } from '#clickhouse/view.ts';
import { distributed, exactly, halfEven, minorDigits, written } from './rounding.ts';

/* What a statement's lines are made of, how they are rounded, and how they are written. */

type ExactLine = Row<(typeof unbookedLines)['columns']>;
type Booked = Row<(typeof bookedTotals)['columns']>;
type StoredLine = Row<(typeof statement)['columns']>;

/** A line as it is printed: amounts are texts with all decimals of their currency. */
export type Line = Row<(typeof statementFile)['columns']>;

/** A line that is still to be rounded: its amounts are exact. */
type Draft = { -readonly [K in keyof Line]: Line[K] };

export const lineColumns = Object.keys(statementFile.columns) as (keyof Line)[];

export const costs = ['list_cost', 'contracted_cost', 'effective_cost'] as const;

/** The order of lines, which is the order in which equal remainders are given out. */
export const lineOrder = [
  'tenant_id',
  'cost_center',
  'provider_name',
  'model',
  'token_kind',
  'charge_kind',
  'billing_currency',
] as const;

export type MonthPart = {
  readonly chargeMonth: string;
  readonly chargeClass: '' | 'Correction';
  readonly lines: readonly ExactLine[];
  /** What was billed for that month before. */
  readonly booked: readonly Booked[];
};

/** The lines of one month that a statement bills: what is billed for a tenant and currency adds up to its rounded total. */
export function printed({ chargeMonth, chargeClass, lines, booked }: MonthPart): Line[] {
  const sorted = lines.toSorted(byOrder);
  const out = sorted.map((line): Draft => ({
    ...line,
    charge_month: chargeMonth,
    charge_class: chargeClass,
    consumed_unit: 'Tokens',
  }));
  const payers = Map.groupBy(sorted.keys(), (i) => payerOf(sorted[i] as ExactLine));
  for (const [payer, indices] of payers) {
    const before = booked.find((row) => payerOf(row) === payer);
    for (const cost of costs) round(out, indices, cost, before?.[cost] ?? null);
  }
  return out.filter((line) => chargeClass === '' || !isNothing(line));
}

/** Lines of the same payer are rounded together. */
function payerOf(row: { readonly tenant_id: string; readonly billing_currency: string }): string {
  return JSON.stringify([row.tenant_id, row.billing_currency]);
}

function round(lines: Draft[], indices: readonly number[], cost: (typeof costs)[number], booked: string | null): void {
  const known = indices.filter((i) => lines[i]?.[cost] !== null);
  const digits = minorDigits(lines[indices[0] ?? 0]?.billing_currency ?? '');
  const exact = known.map((i) => exactly(lines[i]?.[cost] ?? '0'));
  const before = exactly(booked ?? '0');
  const target = halfEven(before + exact.reduce((sum, value) => sum + value, 0n), digits) - halfEven(before, digits);
  for (const [n, minor] of distributed(exact, digits, target).entries()) {
    const line = lines[known[n] ?? 0];
    if (line !== undefined) line[cost] = written(minor, digits);
  }
}

/** A correction that nobody can see: less than a minor unit, and no tokens. */
function isNothing(line: Line): boolean {
  return (
    line.consumed_quantity === '0' &&
    line.committed_tokens === '0' &&
    costs.every((cost) => line[cost] === null || exactly(line[cost]) === 0n)
  );
}

function byOrder(a: ExactLine, b: ExactLine): number {
  for (const name of lineOrder) if (a[name] !== b[name]) return a[name] < b[name] ? -1 : 1;
  return 0;
}

/** A stored line as it was printed: the database drops trailing zeros. */
export function reprinted({ statement_id: _id, line_number: _number, ...line }: StoredLine): Line {
  const digits = minorDigits(line.billing_currency);
  const amount = (text: string | null): string | null =>
    text === null ? null : written(halfEven(exactly(text), digits), digits);
  return {
    ...line,
    list_cost: amount(line.list_cost),
    contracted_cost: amount(line.contracted_cost),
    effective_cost: amount(line.effective_cost),
  };
}

export type Total = { readonly tenant_id: string; readonly billing_currency: string } & Record<
  (typeof costs)[number],
  string | null
>;

/** What each tenant owes in each currency: the sum of its lines; null where no line has an amount. */
export function totals(lines: readonly Line[]): Total[] {
  const priced = lines.filter((line) => line.billing_currency !== '');
  return [...Map.groupBy(priced, payerOf).values()]
    .map((own) => {
      const { tenant_id, billing_currency } = own[0] as Line;
      const digits = minorDigits(billing_currency);
      const sum = (cost: (typeof costs)[number]): string | null => {
        const known = own.map((line) => line[cost]).filter((text) => text !== null);
        if (known.length === 0) return null;
        return written(
          halfEven(
            known.map(exactly).reduce((a, b) => a + b, 0n),
            digits,
          ),
          digits,
        );
      };
      const [list_cost, contracted_cost, effective_cost] = [
        sum('list_cost'),
        sum('contracted_cost'),
        sum('effective_cost'),
      ];
      return { tenant_id, billing_currency, list_cost, contracted_cost, effective_cost };
    })
    .toSorted((a, b) => (payerOf(a) < payerOf(b) ? -1 : 1));
}

/** Numbers stay bare in CSV; everything else is text, even where it looks like a number. */
const numbers: ReadonlySet<string> = new Set(['consumed_quantity', 'committed_tokens', ...costs]);

/** The statement as CSV: the text whose SHA-256 is kept. */
export function csvOf(lines: readonly Line[]): string {
  const rows = lines.map((line) => csvRow(lineColumns.map((name) => [line[name], numbers.has(name)])));
  return [csvRow(lineColumns.map((name) => [name, false])), ...rows].join('');
}

type Cell = readonly [value: string | readonly string[] | null, isNumber: boolean];

/** One row of CSV: null is empty; a text that a spreadsheet would run (= + - @ tab CR) gets an apostrophe before it. */
export function csvRow(cells: readonly Cell[]): string {
  const written = cells.map(([value, isNumber]) => {
    if (value === null) return '';
    const text = typeof value === 'string' ? value : value.join(' ');
    return isNumber ? text : `"${/^[=+\-@\t\r]/.test(text) ? "'" : ''}${text.replaceAll('"', '""')}"`;
  });
  return `${written.join(',')}\n`;
}
