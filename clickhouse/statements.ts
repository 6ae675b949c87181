import { table, type Types, view } from './view.ts';

/*
 * Statements: what a month is billed, exact by day and consumer (charges) and rounded by line. A closed statement is
 * stored; what comes to light later is billed as the difference to what was booked.
 */

const exact = 'Nullable(Decimal(76, 42))';
const rounded = 'Nullable(Decimal(38, 4))';
const instant = "DateTime64(3, 'UTC')";

/** What a statement's lines tell apart; the rest of a charge's keys are for auditors and FOCUS. */
const lineKeys = {
  tenant_id: 'String',
  cost_center: 'String',
  charge_kind: 'LowCardinality(String)',
  provider_name: 'String',
  model: 'String',
  token_kind: 'LowCardinality(String)',
  commitment_id: 'String',
} as const satisfies Types;

const quantity = { consumed_quantity: 'Decimal(76, 12)', consumed_unit: 'LowCardinality(String)' } as const;

const exactLine = {
  charge_month: 'String',
  ...lineKeys,
  ...quantity,
  list_cost: exact,
  contracted_cost: exact,
  effective_cost: exact,
  billing_currency: 'LowCardinality(String)',
  unpriced_reasons: 'Array(String)',
} as const satisfies Types;

/** One printed line; amounts have the decimals of their currency. */
const printedLine = {
  charge_month: 'String',
  charge_class: 'LowCardinality(String)',
  ...lineKeys,
  ...quantity,
  list_cost: rounded,
  contracted_cost: rounded,
  effective_cost: rounded,
  billing_currency: 'LowCardinality(String)',
  unpriced_reasons: 'Array(String)',
} as const satisfies Types;

const header = {
  month: 'String',
  statement_id: 'String',
  as_known_at: instant,
  currency: 'LowCardinality(String)',
  issuer: 'String',
  complete_through: instant,
  calls: 'UInt64',
  usage_calls: 'UInt64',
  exact_usage_calls: 'UInt64',
  attributed_calls: 'UInt64',
  calls_from: instant,
  calls_to: instant,
  call_states: 'Map(String, String)',
  lines: 'UInt32',
  sha256: 'String',
  closed_by: 'String',
  reason: 'String',
} as const satisfies Types;

/** A month is closed when it has a row. */
export const statements = table('statements', header);

export const statementLines = table('statement_lines', {
  statement_id: 'String',
  line_number: 'UInt32',
  ...printedLine,
});

export const statementCharges = table('statement_charges', {
  statement_id: 'String',
  charge_month: 'String',
  charge_period_start: "DateTime('UTC')",
  charge_period_end: "DateTime('UTC')",
  tenant_id: 'String',
  tenant_name: 'String',
  cost_center: 'String',
  consumer_id: 'String',
  charge_kind: 'LowCardinality(String)',
  provider_name: 'String',
  region: 'String',
  service_tier: 'String',
  deployment: 'String',
  response_model: 'String',
  model: 'String',
  token_kind: 'LowCardinality(String)',
  commitment_id: 'String',
  commitment_name: 'String',
  ...quantity,
  list_token_price: exact,
  contracted_token_price: exact,
  list_cost: exact,
  contracted_cost: exact,
  effective_cost: exact,
  billing_currency: 'LowCardinality(String)',
  unpriced_reason: 'String',
  committed_amount: 'Nullable(Decimal(76, 18))',
  allocated_method_id: 'LowCardinality(String)',
  allocated_ratio: 'Nullable(Decimal(38, 18))',
  allocated_method_details: 'String',
});

export const tenantZones = view(
  'tenant_zones',
  { as_known_at: instant, starts: instant, ends: instant },
  { begins_in: 'String', ends_in: 'String', tenants: 'Array(String)' },
);

/** A half-open window, what of the books applies, and what the rows are to be stored under. */
const ofMonth = {
  statement_id: 'String',
  charge_month: 'String',
  from: instant,
  to: instant,
  as_known_at: instant,
  currency: 'String',
} as const satisfies Types;

/** The tenants of one zone. */
const ofTenants = { tz: 'String', tenant_id: 'Array(String)' } as const satisfies Types;

/** Of a month that was never closed; `insertFrom(statementCharges, …)` stores them under the statement. */
export const charges = view('charges', { ...ofMonth, ...ofTenants }, statementCharges.columns);

export const shares = view('shares', ofMonth, statementCharges.columns);

/** The same of a closed month: what no closed statement holds of it. */
export const unbookedCharges = view('unbooked_charges', { ...ofMonth, ...ofTenants }, statementCharges.columns);

export const unbookedShares = view('unbooked_shares', ofMonth, statementCharges.columns);

const { statement_id: _id, ...unstored } = ofMonth;

export const chargeLines = view('charge_lines', { ...unstored, ...ofTenants }, exactLine);

export const storedLines = view('stored_lines', { statement_id: 'String' }, exactLine);

export const storedCharges = view('stored_charges', { statement_id: 'String' }, statementCharges.columns);

export const statement = view('statement', { statement_id: 'String' }, statementLines.columns);

export const closedMonths = view('closed_months', {}, { ...header, closed_at: instant });

export const bookedLines = view(
  'booked_lines',
  { charge_month: 'String' },
  { statement_month: 'String', ...statementLines.columns },
);

export const bookedTotals = view(
  'booked_totals',
  { charge_month: 'String' },
  {
    tenant_id: 'String',
    billing_currency: 'String',
    list_cost: exact,
    contracted_cost: exact,
    effective_cost: exact,
  },
);

export const statementFile = view('statement_file', { lines: 'String' }, printedLine);

export const callStates = view(
  'call_states',
  { months: 'Array(String)', starts: 'Array(Int64)', ends: 'Array(Int64)' },
  { month: 'String', state: 'String' },
);

export const booksSince = view(
  'books_since',
  { since: instant },
  { applies_from: instant, rows: 'UInt64', commitments: 'UInt64' },
);

/** The tables of statements; `contract.ts` compares them with the database. */
export const statementTables = [statements, statementLines, statementCharges] as const;

/** The views of statements; `contract.ts` compares them with the database. */
export const statementViews = [
  tenantZones,
  charges,
  shares,
  unbookedCharges,
  unbookedShares,
  chargeLines,
  storedLines,
  storedCharges,
  statement,
  closedMonths,
  bookedLines,
  bookedTotals,
  statementFile,
  callStates,
  booksSince,
] as const;
