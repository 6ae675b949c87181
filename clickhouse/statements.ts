import { table, type Types, view } from './view.ts';

/*
 * Statements: what a month is billed, exact by day and consumer (charges) and rounded by line. A closed statement is
 * stored; what comes to light later is billed as the difference to what was booked.
 */

/** What a statement's lines tell apart; the rest of a charge's keys are for auditors and FOCUS. */
const lineKeys = {
  tenant_id: 'String',
  cost_center: 'String',
  charge_kind: 'LowCardinality(String)',
  provider_name: 'String',
  model: 'String',
  token_kind: 'LowCardinality(String)',
} as const satisfies Types;

const exact = 'Nullable(Decimal(76, 42))';
const rounded = 'Nullable(Decimal(38, 4))';

const exactColumns = {
  consumed_quantity: 'Int64',
  committed_tokens: 'Int64',
  list_cost: exact,
  contracted_cost: exact,
  effective_cost: exact,
  billing_currency: 'LowCardinality(String)',
} as const satisfies Types;

const exactLine = { ...lineKeys, ...exactColumns, unpriced_reasons: 'Array(String)' } as const satisfies Types;

/** One printed line; amounts have the decimals of their currency. */
const printedLine = {
  charge_month: 'String',
  charge_class: 'LowCardinality(String)',
  ...lineKeys,
  consumed_quantity: 'Int64',
  consumed_unit: 'LowCardinality(String)',
  committed_tokens: 'Int64',
  list_cost: rounded,
  contracted_cost: rounded,
  effective_cost: rounded,
  billing_currency: 'LowCardinality(String)',
  unpriced_reasons: 'Array(String)',
} as const satisfies Types;

const header = {
  month: 'String',
  statement_id: 'String',
  as_known_at: "DateTime64(3, 'UTC')",
  currency: 'LowCardinality(String)',
  complete_through: "DateTime64(3, 'UTC')",
  calls: 'UInt64',
  usage_calls: 'UInt64',
  exact_usage_calls: 'UInt64',
  attributed_calls: 'UInt64',
  lines: 'UInt32',
  sha256: 'String',
  closed_by: 'String',
  reason: 'String',
} as const satisfies Types;

const chargeColumns = {
  charge_period_start: "DateTime('UTC')",
  charge_period_end: "DateTime('UTC')",
  ...lineKeys,
  consumer_id: 'String',
  region: 'String',
  service_tier: 'String',
  deployment: 'String',
  ...exactColumns,
  unpriced_reason: 'String',
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
  ...chargeColumns,
});

/** Half-open window of a month in one zone, and whose month it is. */
const ofMonth = {
  from: "DateTime64(3, 'UTC')",
  to: "DateTime64(3, 'UTC')",
  tz: 'String',
  as_known_at: "DateTime64(3, 'UTC')",
  currency: 'String',
  tenant_id: 'Array(String)',
} as const satisfies Types;

export const tenantZones = view(
  'tenant_zones',
  { as_known_at: "DateTime64(3, 'UTC')", before: "DateTime64(3, 'UTC')" },
  { time_zone: 'String', tenants: 'Array(String)' },
);

/** What no closed statement holds of a month; `insertFrom(statementCharges, …)` books it under the statement. */
export const unbookedCharges = view(
  'unbooked_charges',
  { ...ofMonth, statement_id: 'String', charge_month: 'String' },
  statementCharges.columns,
);

export const unbookedLines = view('unbooked_lines', { ...ofMonth, charge_month: 'String' }, exactLine);

export const storedLines = view('stored_lines', { statement_id: 'String' }, { charge_month: 'String', ...exactLine });

export const statement = view('statement', { statement_id: 'String' }, statementLines.columns);

export const closedMonths = view('closed_months', {}, { ...header, closed_at: "DateTime64(3, 'UTC')" });

export const bookedLines = view(
  'booked_lines',
  { charge_month: 'String' },
  { statement_month: 'String', closed_at: "DateTime64(3, 'UTC')", ...statementLines.columns },
);

export const bookedTotals = view(
  'booked_totals',
  { charge_month: 'String' },
  {
    tenant_id: 'String',
    billing_currency: 'LowCardinality(String)',
    list_cost: exact,
    contracted_cost: exact,
    effective_cost: exact,
  },
);

export const statementFile = view('statement_file', { lines: 'String' }, printedLine);

/** The tables of statements; `contract.ts` compares them with the database. */
export const statementTables = [statements, statementLines, statementCharges] as const;

/** The views of statements; `contract.ts` compares them with the database. */
export const statementViews = [
  tenantZones,
  unbookedCharges,
  unbookedLines,
  storedLines,
  statement,
  closedMonths,
  bookedLines,
  bookedTotals,
  statementFile,
] as const;
