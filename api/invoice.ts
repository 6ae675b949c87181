import { CsvError, parse } from 'csv-parse';
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { messageOf } from '#common/error.ts';
import { shifted } from './imported.ts';
import { meterOf } from './meter.ts';
import { unitOf } from './unit.ts';

/** One meter of one deployment, summed over an export; decimals are text. */
type InvoiceLine = {
  readonly line_kind: 'tokens' | 'router_fee' | 'claude_units' | 'provisioned' | 'other';
  readonly deployment: string;
  readonly resource_name: string;
  readonly meter_id: string;
  readonly meter_name: string;
  readonly model: string;
  readonly service_tier: string;
  readonly token_kind: string;
  readonly unit: string;
  readonly billed_quantity: string;
  readonly billed_tokens: string | null;
  readonly billed_cost: string;
  readonly billing_currency: string;
  readonly rows: string;
};

export type Invoice = {
  readonly importId: string;
  readonly lines: InvoiceLine[];
  /** Rows that are no part of it, by reason. */
  readonly leftOut: Map<string, number>;
  readonly faults: string[];
};

/** What is read of a row, by any of its names in the formats of Azure's exports, in small letters. */
const names = {
  meter: ['metername', 'x_skumetername', 'skumeter'],
  meterId: ['meterid', 'x_skumeterid'],
  category: ['metercategory', 'x_skumetercategory', 'servicename'],
  product: ['product', 'productname', 'x_skudescription', 'chargedescription'],
  publisher: ['publishername'],
  unit: ['unitofmeasure', 'x_pricingunitdescription', 'pricingunit'],
  quantity: ['quantity', 'pricingquantity'],
  cost: ['costinbillingcurrency', 'billedcost', 'cost', 'pretaxcost'],
  currency: ['billingcurrency', 'billingcurrencycode', 'currency'],
  date: ['date', 'chargeperiodstart', 'usagedatetime'],
  tags: ['tags'],
  resource: ['resourceid', 'instanceid', 'instancename'],
} as const;
type Field = keyof typeof names;
type Cells = Readonly<Record<Field, string>>;

const needed: readonly Field[] = ['meter', 'unit', 'quantity', 'cost', 'currency', 'date'];
const faultsMax = 20;

/** The export ended before it was whole: its sender has gone, or its file is damaged. */
class BrokenOff extends Error {
  override name = 'BrokenOff';

  constructor(why: string) {
    super(`it broke off: ${why}`);
  }
}

/** An export of Cost Management as CSV (FOCUS, or classic actual or amortized cost), of one calendar month. */
export async function invoiceOf(csv: Readable, month: string): Promise<Invoice> {
  const sums = new Map<string, Sum>();
  const leftOut = new Map<string, number>();
  const faults: string[] = [];
  let columns: ReadonlyMap<Field, string> | null = null;
  const options = { columns: true, bom: true, info: true, skip_empty_lines: true, relax_column_count: true } as const;
  const rows = parse(options);
  // A pipe does not carry an error on, and one that nobody hears ends the program.
  csv.once('error', (error) => rows.destroy(new BrokenOff(messageOf(error))));
  try {
    for await (const found of csv.pipe(rows)) {
      const { record, info } = found as { record: Record<string, string>; info: { lines: number } };
      columns ??= columnsOf(Object.keys(record));
      const missing = needed.filter((field) => columns?.has(field) !== true);
      if (missing.length > 0) {
        faults.push(...missing.map((field) => `no column of ${names[field].join(', ')}: this is no export of usage`));
        break;
      }
      // Parts of an export that are sent as one repeat their header.
      if (record[columns.get('meter') ?? ''] === columns.get('meter')) continue;
      const cells = Object.fromEntries(
        Object.keys(names).map((field) => [field, record[columns?.get(field as Field) ?? ''] ?? '']),
      ) as Cells;
      const outcome = taken(cells, month, sums);
      if (outcome === null) continue;
      if (outcome.kind === 'left_out') leftOut.set(outcome.why, (leftOut.get(outcome.why) ?? 0) + 1);
      else if (faults.length < faultsMax) faults.push(`line ${info.lines} (${cells.meter}): ${outcome.why}`);
    }
  } catch (error) {
    if (!(error instanceof CsvError) && !(error instanceof BrokenOff)) throw error;
    faults.push(error.message);
  }
  const lines = [...sums.values()].map(lineOf).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  const importId = createHash('sha256')
    .update(JSON.stringify([month, lines]))
    .digest('hex');
  return { importId, lines, leftOut, faults };
}

function columnsOf(header: readonly string[]): ReadonlyMap<Field, string> {
  const known = new Map(header.map((name) => [name.trim().toLowerCase(), name]));
  const found = (Object.keys(names) as Field[]).flatMap((field): [Field, string][] => {
    const name = names[field].map((each) => known.get(each)).find((each) => each !== undefined);
    return name === undefined ? [] : [[field, name]];
  });
  return new Map(found);
}

type Sum = { readonly first: Cells; readonly deployment: string; quantity: bigint; cost: bigint; rows: number };
type Refused = { readonly kind: 'left_out' | 'fault'; readonly why: string };

/** Adds a row to the sum of its meter, or says why not. */
function taken(cells: Cells, month: string, sums: Map<string, Sum>): Refused | null {
  const deployment = deploymentOf(cells.tags);
  const about = `${cells.category} ${cells.product} ${cells.publisher} ${cells.meter}`;
  if (
    deployment === '' &&
    !/openai|foundry|claude|anthropic|model[ -]?router|\bai services\b|cognitive services/i.test(about)
  ) {
    return { kind: 'left_out', why: 'not of a model' };
  }
  const date = monthOf(cells.date);
  if (date === null) return { kind: 'fault', why: `${JSON.stringify(cells.date)} is no date` };
  if (date !== month) return { kind: 'left_out', why: `of ${date}` };
  const quantity = units(cells.quantity);
  const cost = units(cells.cost);
  if (quantity === null || cost === null) {
    return {
      kind: 'fault',
      why: `quantity ${JSON.stringify(cells.quantity)} or cost ${JSON.stringify(cells.cost)} is no number`,
    };
  }
  const key = JSON.stringify([
    deployment,
    cells.resource.toLowerCase(),
    cells.meterId,
    cells.meter,
    cells.unit,
    cells.currency,
  ]);
  const sum = sums.get(key) ?? { first: cells, deployment, quantity: 0n, cost: 0n, rows: 0 };
  sums.set(key, { ...sum, quantity: sum.quantity + quantity, cost: sum.cost + cost, rows: sum.rows + 1 });
  return null;
}

function lineOf({ first, deployment, quantity, cost, rows }: Sum): InvoiceLine {
  const meter = meterOf(first.meter);
  const unit = unitOf(first.unit, 'tokens');
  const line_kind = kindOf(first, meter.isRouterFee, meter.kind, unit.kind === 'tokens');
  const tokens = line_kind === 'tokens' && unit.kind === 'tokens' ? quantity * BigInt(unit.quantity) : null;
  return {
    line_kind,
    deployment,
    resource_name: first.resource.split('/').at(-1) ?? '',
    meter_id: first.meterId,
    meter_name: first.meter,
    model: meter.model.replaceAll(/[^a-z0-9.]/g, ''),
    service_tier: meter.tier,
    token_kind: meter.kind,
    unit: first.unit,
    billed_quantity: text(quantity),
    billed_tokens: tokens === null ? null : text(tokens),
    billed_cost: text(cost),
    billing_currency: first.currency,
    rows: String(rows),
  };
}

function kindOf(cells: Cells, isFee: boolean, tokenKind: string, ofTokens: boolean): InvoiceLine['line_kind'] {
  if (isFee) return 'router_fee';
  if (/provisioned|\bptu\b/i.test(cells.meter)) return 'provisioned';
  if (tokenKind !== '') return 'tokens';
  const claude = /claude|anthropic/i.test(`${cells.meter} ${cells.product} ${cells.publisher}`);
  return claude && !ofTokens ? 'claude_units' : 'other';
}

/** The tag `deployment`, in small letters. Enterprise exports leave the braces of the tags out. */
function deploymentOf(tags: string): string {
  const text = tags.trim();
  if (text === '') return '';
  try {
    const read: unknown = JSON.parse(text.startsWith('{') ? text : `{${text}}`);
    const found = Object.entries(read ?? {}).find(([name]) => name.toLowerCase() === 'deployment');
    return typeof found?.[1] === 'string' ? found[1].toLowerCase() : '';
  } catch {
    return '';
  }
}

/** `10/31/2026` and `2026-10-31T00:00:00Z` are of 2026-10. */
function monthOf(date: string): string | null {
  const american = /^(\d{2})\/\d{2}\/(\d{4})/.exec(date);
  if (american !== null) return `${american[2]}-${american[1]}`;
  return /^\d{4}-\d{2}(?=-\d{2})/.exec(date)?.[0] ?? null;
}

const places = 30;

/** A decimal of the export, exact or scientific, below zero where it is a refund, in units of 10^-30. */
function units(number: string): bigint | null {
  const plain = number.trim().replace(/^-/, '');
  const decimal = shifted(plain, 0);
  if (decimal === null) return null;
  const [whole = '0', fraction = ''] = decimal.split('.');
  if (fraction.length > places) return null;
  const value = BigInt(whole + fraction.padEnd(places, '0'));
  return number.trim().startsWith('-') ? -value : value;
}

function text(value: bigint): string {
  const digits = String(value < 0n ? -value : value).padStart(places + 1, '0');
  return `${value < 0n ? '-' : ''}${digits.slice(0, -places)}.${digits.slice(-places)}`;
}
