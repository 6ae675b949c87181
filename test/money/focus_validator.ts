import { parse } from 'csv-parse/sync';

/*
 * A validator of FOCUS Cost and Usage files, written from the specification and not from the exporter:
 * https://focus.finops.org/focus-specification/, text at https://github.com/FinOps-Open-Cost-and-Usage-Spec/FOCUS_Spec
 * (1.2, 1.3 and 1.4: `specification/columns/*.md`, `specification/datasets/cost_and_usage/**`). Each column has its
 * feature level, nullability, type and allowed values; rules of rows follow below. Conditional columns are required
 * where the condition holds for a statement: usage is measured, units have list and agreed prices, there are sub accounts,
 * regions, resources, tags and invoices, and (from 1.3) costs are split.
 */

export type Version = '1.2' | '1.3' | '1.4';
type Type = 'String' | 'Decimal' | 'Date/Time' | 'JSON' | 'Unit' | 'Currency';
type Spec = { level: 'required' | 'optional'; nulls: boolean; type: Type; values?: readonly string[] };
type Row = Record<string, string | null>;

const required = (type: Type, nulls: boolean, values?: readonly string[]): Spec =>
  values === undefined ? { level: 'required', nulls, type } : { level: 'required', nulls, type, values };
const optional = (type: Type): Spec => ({ level: 'optional', nulls: true, type });

const common: Record<string, Spec> = {
  AvailabilityZone: optional('String'),
  BilledCost: required('Decimal', false),
  BillingAccountId: required('String', false),
  BillingAccountName: required('String', true),
  BillingAccountType: optional('String'),
  BillingCurrency: required('Currency', false),
  BillingPeriodEnd: required('Date/Time', false),
  BillingPeriodStart: required('Date/Time', false),
  CapacityReservationId: optional('String'),
  CapacityReservationStatus: optional('String'),
  ChargeCategory: required('String', false, ['Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment']),
  ChargeClass: required('String', true, ['Correction']),
  ChargeDescription: required('String', true),
  ChargeFrequency: required('String', false, ['One-Time', 'Recurring', 'Usage-Based']),
  ChargePeriodEnd: required('Date/Time', false),
  ChargePeriodStart: required('Date/Time', false),
  CommitmentDiscountCategory: optional('String'),
  CommitmentDiscountId: optional('String'),
  CommitmentDiscountName: optional('String'),
  CommitmentDiscountQuantity: optional('Decimal'),
  CommitmentDiscountStatus: optional('String'),
  CommitmentDiscountType: optional('String'),
  CommitmentDiscountUnit: optional('Unit'),
  ConsumedQuantity: required('Decimal', true),
  ConsumedUnit: required('Unit', true),
  ContractedCost: required('Decimal', false),
  ContractedUnitPrice: required('Decimal', true),
  EffectiveCost: required('Decimal', false),
  InvoiceId: required('String', true),
  InvoiceIssuerName: required('String', false),
  ListCost: required('Decimal', false),
  ListUnitPrice: required('Decimal', true),
  PricingCategory: required('String', true, ['Standard', 'Dynamic', 'Committed', 'Other']),
  PricingCurrency: optional('Currency'),
  PricingCurrencyContractedUnitPrice: optional('Decimal'),
  PricingCurrencyEffectiveCost: optional('Decimal'),
  PricingCurrencyListUnitPrice: optional('Decimal'),
  PricingQuantity: required('Decimal', true),
  PricingUnit: required('Unit', true),
  RegionId: required('String', true),
  RegionName: required('String', true),
  ResourceId: required('String', true),
  ResourceName: required('String', true),
  ResourceType: required('String', true),
  ServiceCategory: required('String', false, [
    'AI and Machine Learning',
    'Analytics',
    'Business Applications',
    'Compute',
    'Databases',
    'Developer Tools',
    'Identity',
    'Integration',
    'Internet of Things',
    'Management and Governance',
    'Media',
    'Migration',
    'Mobile',
    'Multicloud',
    'Networking',
    'Security',
    'Storage',
    'Web',
    'Other',
  ]),
  ServiceName: required('String', false),
  ServiceSubcategory: required('String', false, [
    'AI Platforms',
    'Bots',
    'Generative AI',
    'Machine Learning',
    'Natural Language Processing',
    'Other (AI and Machine Learning)',
  ]),
  SkuId: required('String', true),
  SkuMeter: required('String', true),
  SkuPriceDetails: required('JSON', true),
  SkuPriceId: required('String', true),
  SubAccountId: required('String', true),
  SubAccountName: required('String', true),
  SubAccountType: optional('String'),
  Tags: required('JSON', true),
};

const sellers = { ProviderName: required('String', false), PublisherName: required('String', false) };
const allocation = {
  AllocatedMethodDetails: required('JSON', true),
  AllocatedMethodId: required('String', true),
  AllocatedResourceId: required('String', true),
  AllocatedResourceName: required('String', true),
  AllocatedTags: required('JSON', true),
  ContractApplied: optional('JSON'),
  HostProviderName: required('String', false),
  ServiceProviderName: required('String', false),
};

const specs: Record<Version, Record<string, Spec>> = {
  '1.2': { ...common, ...sellers },
  '1.3': { ...common, ...sellers, ...allocation },
  '1.4': {
    ...common,
    ...allocation,
    InvoiceDetailId: required('String', true),
    CommitmentProgramEligibilityDetails: optional('JSON'),
  },
};

/** Every breach of the specification, one sentence each; a file without any is valid. */
export function breaches(text: string, version: Version): string[] {
  const lines: string[][] = parse(text, { to_line: 1 });
  const names = lines[0] ?? [];
  const spec = specs[version];
  const found = columnBreaches(names, spec);
  for (const [i, row] of rowsOf(text).entries()) {
    // The rules of rows are about values that are values.
    const cells = cellBreaches(row, spec);
    const of = cells.length > 0 ? cells : rowBreaches(row, version);
    found.push(...of.map((what) => `row ${i + 1}: ${what}`));
  }
  if (version !== '1.2') found.push(...allocationBreaches(rowsOf(text)));
  return found;
}

/** Cells by their column; null is a cell without anything, also without quotes. */
export function rowsOf(text: string): Row[] {
  const rows: Row[] = parse(text, {
    columns: true,
    cast: (value, { quoting, header }) => (value === '' && !quoting && !header ? null : value),
  });
  return rows;
}

function columnBreaches(names: readonly string[], spec: Record<string, Spec>): string[] {
  const custom = names.findIndex((name) => name.startsWith('x_'));
  return [
    ...Object.entries(spec).flatMap(([name, { level }]) =>
      level === 'required' && !names.includes(name) ? [`column ${name} is missing`] : [],
    ),
    ...names.flatMap((name, i) => {
      if (name.startsWith('x_')) return [];
      if (!(name in spec)) return [`column ${name} is not of this version`];
      return custom >= 0 && i > custom ? [`column ${name} comes after custom columns`] : [];
    }),
    ...(new Set(names).size === names.length ? [] : ['a column is there twice']),
  ];
}

function cellBreaches(row: Row, spec: Record<string, Spec>): string[] {
  return Object.entries(spec).flatMap(([name, { nulls, type, values }]) => {
    const value = row[name];
    if (value === undefined) return [];
    if (value === null) return nulls ? [] : [`${name} is null`];
    if (value.trim() === '') return [`${name} is an empty text`];
    if (!formats[type](value)) return [`${name} is no ${type}: ${value}`];
    return values === undefined || values.includes(value) ? [] : [`${name} has no value ${value}`];
  });
}

const count = String.raw`(\d+ )?`;
const unit = new RegExp(`^${count}[A-Z][A-Za-z]*([ -][A-Za-z]+)*(/${count}[A-Z][A-Za-z]*)?$`);

const formats: Record<Type, (value: string) => boolean> = {
  String: () => true,
  Decimal: (value) => /^-?\d+(\.\d+)?$/.test(value),
  'Date/Time': (value) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(value) && !Number.isNaN(Date.parse(value)),
  JSON: isObject,
  Unit: (value) => unit.test(value),
  Currency: (value) => /^[A-Z]{3}$/.test(value),
};

function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

function rowBreaches(row: Row, version: Version): string[] {
  const priced = ['Usage', 'Purchase'].includes(row['ChargeCategory'] ?? '') && row['ChargeClass'] !== 'Correction';
  const usage = row['ChargeCategory'] === 'Usage';
  const rules: [broken: boolean, what: string][] = [
    ...[
      'SkuId',
      'SkuPriceId',
      'PricingQuantity',
      'PricingUnit',
      'PricingCategory',
      'ListUnitPrice',
      'ContractedUnitPrice',
    ].map((name): [boolean, string] => [priced && row[name] === null, `${name} is null in ${row['ChargeCategory']}`]),
    ...[
      'PricingQuantity',
      'PricingCategory',
      'ListUnitPrice',
      'ContractedUnitPrice',
      'SkuPriceDetails',
      'ConsumedQuantity',
    ].map((name): [boolean, string] => [
      row['SkuPriceId'] === null && row[name] !== null,
      `${name} without SkuPriceId`,
    ]),
    [usage && priced && row['ConsumedQuantity'] === null, 'ConsumedQuantity is null in Usage'],
    [!usage && row['ConsumedQuantity'] !== null, 'ConsumedQuantity is there without Usage'],
    ...[
      ['ConsumedQuantity', 'ConsumedUnit'],
      ['PricingQuantity', 'PricingUnit'],
      ['SkuId', 'SkuMeter'],
      ['ResourceId', 'ResourceType'],
      ['InvoiceId', 'InvoiceDetailId'],
    ].map(([a = '', b = '']): [boolean, string] => [
      row[b] !== undefined && (row[a] === null) !== (row[b] === null),
      `only one of ${a} and ${b} is null`,
    ]),
    ...[
      ['ResourceId', 'ResourceName'],
      ['RegionId', 'RegionName'],
      ['SubAccountId', 'SubAccountName'],
      ['AllocatedResourceId', 'AllocatedResourceName'],
      ['AllocatedMethodId', 'AllocatedResourceId'],
      ['AllocatedMethodId', 'AllocatedMethodDetails'],
    ].map(([a = '', b = '']): [boolean, string] => [
      row[a] === null && typeof row[b] === 'string',
      `${b} without ${a}`,
    ]),
    [(row['ListUnitPrice'] ?? '').startsWith('-'), 'ListUnitPrice is negative'],
    [(row['ContractedUnitPrice'] ?? '').startsWith('-'), 'ContractedUnitPrice is negative'],
    [!isProduct(row, 'ListCost', 'ListUnitPrice'), 'ListCost is not ListUnitPrice times PricingQuantity'],
    [
      !isProduct(row, 'ContractedCost', 'ContractedUnitPrice'),
      'ContractedCost is not ContractedUnitPrice times PricingQuantity',
    ],
    [row['EffectiveCost'] !== row['BilledCost'], 'EffectiveCost differs from BilledCost, and nothing is prepaid'],
    [(row['ChargePeriodStart'] ?? '') >= (row['ChargePeriodEnd'] ?? ''), 'the charge period has no length'],
    [(row['BillingPeriodStart'] ?? '') >= (row['BillingPeriodEnd'] ?? ''), 'the billing period has no length'],
    [
      version !== '1.2' && row['AllocatedMethodDetails'] !== null && ratioOf(row) === null,
      'no AllocatedRatio in the details',
    ],
  ];
  return rules.flatMap(([broken, what]) => (broken ? [what] : []));
}

/** A cost is the product of price and quantity; without a price it is the billed cost. */
function isProduct(row: Row, cost: string, price: string): boolean {
  const [amount, unitPrice, quantity] = [row[cost] ?? '0', row[price], row['PricingQuantity']];
  if (typeof unitPrice !== 'string' || typeof quantity !== 'string')
    return scaled(amount) === scaled(row['BilledCost'] ?? '0');
  return scaled(amount) * unitScale === scaled(unitPrice) * scaled(quantity);
}

const places = 60;
const unitScale = 10n ** BigInt(places);

/** A decimal as a whole number of 10^-60. */
export function scaled(decimal: string): bigint {
  const [whole = '0', fraction = ''] = decimal.replace('-', '').split('.');
  const value = BigInt(whole + fraction.padEnd(places, '0'));
  return decimal.startsWith('-') ? -value : value;
}

function ratioOf(row: Row): string | null {
  const details = row['AllocatedMethodDetails'] ?? '{}';
  // The text of the number, because a float has fewer digits.
  return isObject(details) ? (/^\{"Elements":\[\{"AllocatedRatio":(\d+(?:\.\d+)?),/.exec(details)?.[1] ?? null) : null;
}

/** The parts of one origin charge add up to it. */
function allocationBreaches(rows: readonly Row[]): string[] {
  const parts = rows.filter((row) => typeof row['AllocatedMethodId'] === 'string' && row['ChargeClass'] === null);
  const origins = Map.groupBy(parts, (row) => `${row['ResourceId']} from ${row['ChargePeriodStart']}`);
  return [...origins].flatMap(([origin, own]) => {
    const sum = own.reduce((total, row) => total + scaled(ratioOf(row) ?? '0'), 0n);
    return sum === unitScale ? [] : [`the ratios of ${origin} do not add up to 1`];
  });
}
