import type { bookedTotals, statement, statementCharges, storedLines } from '#clickhouse/statements.ts';
import { statementFile } from '#clickhouse/statements.ts';
import type { Row } from '#clickhouse/view.ts';
import { csvRow, neutraliser } from './csv.ts';
import { decimalText, distributed, exactly, halfEven, minorDigits, written } from './rounding.ts';

/* What a statement's lines are made of, how they are rounded, and how they are written. */

/** A line whose amounts are not rounded yet. */
export type ExactLine = Row<(typeof storedLines)['columns']>;
/** What a line is made of: one day of one consumer, or one share of a commitment. */
export type Charge = Row<(typeof statementCharges)['columns']>;
type Booked = Row<(typeof bookedTotals)['columns']>;
type StoredLine = Row<(typeof statement)['columns']>;

/** A line as it is printed: amounts are texts with all decimals of their currency. */
export type Line = Row<(typeof statementFile)['columns']>;

/** A line that is still to be rounded: its amounts are exact. */
type Draft = { -readonly [K in keyof Line]: Line[K] };

export const lineColumns = Object.keys(statementFile.columns) as (keyof Line)[];

const costs = ['list_cost', 'contracted_cost', 'effective_cost'] as const;

/** What tells lines apart, in the order of lines, which is the order in which equal remainders are given out. */
const lineKeys = [
  'tenant_id',
  'cost_center',
  'provider_name',
  'model',
  'token_kind',
  'charge_kind',
  'commitment_id',
  'consumed_unit',
  'billing_currency',
] as const;

type Keyed = { readonly charge_month: string } & Readonly<Record<(typeof lineKeys)[number], string>>;

/** The same for a charge and for the line that it is part of. */
export function lineKey(row: Keyed): string {
  return JSON.stringify([row.charge_month, ...lineKeys.map((name) => row[name])]);
}

/** Charges as they come, added up to lines. */
export type Sum = { readonly add: (charges: readonly Charge[]) => void; readonly lines: () => ExactLine[] };

type Running = {
  readonly first: Charge;
  readonly amounts: Map<(typeof summedColumns)[number], bigint>;
  readonly reasons: Set<string>;
};

const summedColumns = ['consumed_quantity', ...costs] as const;

/** An amount of a line is null where no charge has it. */
export function sumOfCharges(): Sum {
  const running = new Map<string, Running>();
  return {
    add: (charges) => {
      for (const charge of charges) {
        const key = lineKey(charge);
        const own = running.get(key) ?? { first: charge, amounts: new Map(), reasons: new Set() };
        running.set(key, own);
        if (charge.unpriced_reason !== '') own.reasons.add(charge.unpriced_reason);
        for (const name of summedColumns) {
          const text = charge[name];
          if (text !== null) own.amounts.set(name, (own.amounts.get(name) ?? 0n) + exactly(text));
        }
      }
    },
    lines: () => [...running.values()].map(lineOf),
  };
}

function lineOf({ first, amounts, reasons }: Running): ExactLine {
  const amount = (name: (typeof summedColumns)[number]): string | null => {
    const sum = amounts.get(name);
    return sum === undefined ? null : decimalText(sum);
  };
  const sums = {
    consumed_quantity: amount('consumed_quantity') ?? '0',
    list_cost: amount('list_cost'),
    contracted_cost: amount('contracted_cost'),
    effective_cost: amount('effective_cost'),
    unpriced_reasons: [...reasons].sort(),
  };
  const keys = ['charge_month', ...lineKeys] as const;
  return {
    ...(Object.fromEntries(keys.map((name) => [name, first[name]])) as Pick<Charge, (typeof keys)[number]>),
    ...sums,
  };
}

export type MonthPart = {
  readonly chargeClass: '' | 'Correction';
  readonly lines: readonly ExactLine[];
  /** What was billed for that month before. */
  readonly booked: readonly Booked[];
};

/** The lines of one month that a statement bills: what is billed for a tenant and currency adds up to its rounded total. */
export function printed({ chargeClass, lines, booked }: MonthPart): Line[] {
  const sorted = lines.toSorted(byOrder);
  const out = sorted.map((line): Draft => draftOf(line, chargeClass));
  const payers = Map.groupBy(sorted.keys(), (i) => payerOf(sorted[i] as ExactLine));
  for (const [payer, indices] of payers) {
    const before = booked.find((row) => payerOf(row) === payer);
    for (const cost of costs) round(out, indices, cost, before?.[cost] ?? null);
  }
  return out.filter((line) => chargeClass === '' || !isNothing(line));
}

function draftOf(line: ExactLine, charge_class: '' | 'Correction'): Draft {
  const whole = { ...line, charge_class };
  return Object.fromEntries(lineColumns.map((name) => [name, whole[name]])) as Draft;
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
    exactly(line.consumed_quantity) === 0n && costs.every((cost) => line[cost] === null || exactly(line[cost]) === 0n)
  );
}

function byOrder(a: ExactLine, b: ExactLine): number {
  for (const name of lineKeys) if (a[name] !== b[name]) return a[name] < b[name] ? -1 : 1;
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
const numbers: ReadonlySet<string> = new Set(['consumed_quantity', ...costs]);

/** The statement as CSV: the text whose SHA-256 is kept. */
export function csvOf(lines: readonly Line[]): string {
  const head = csvRow(lineColumns.map((name) => [name, false]));
  const rows = lines.map((line) => csvRow(lineColumns.map((name) => [line[name], numbers.has(name)])));
  return new TextDecoder().decode(neutraliser().push(new TextEncoder().encode([head, ...rows].join(''))));
}
