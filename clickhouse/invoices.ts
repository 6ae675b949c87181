import { table, view } from './view.ts';

/*
 * What a cloud billed, as its export says, and how it compares with the ledger. Quantities and costs of an export have up
 * to 30 decimals.
 */
export const invoiceLines = table('invoice_lines', {
  month: 'LowCardinality(String)',
  import_id: 'FixedString(64)',
  line_kind: 'LowCardinality(String)',
  deployment: 'String',
  resource_name: 'String',
  meter_id: 'String',
  meter_name: 'String',
  model: 'String',
  service_tier: 'LowCardinality(String)',
  token_kind: 'LowCardinality(String)',
  unit: 'String',
  billed_quantity: 'Decimal(76, 30)',
  billed_tokens: 'Nullable(Decimal(76, 30))',
  billed_cost: 'Decimal(76, 30)',
  billing_currency: 'LowCardinality(String)',
  rows: 'UInt64',
  author: 'String',
  reason: 'String',
});

/** The exports of each month. */
export const invoiceImports = view(
  'invoice_imports',
  { as_known_at: "DateTime64(3, 'UTC')" },
  {
    month: 'LowCardinality(String)',
    import_id: 'FixedString(64)',
    known_from: "DateTime64(3, 'UTC')",
    author: 'String',
    reason: 'String',
    rows: 'UInt64',
    currencies: 'Array(String)',
  },
);

const tokens = 'Nullable(Decimal(76, 30))';

/** An export against the ledger, by deployment, model, tier and kind of token. */
export const reconciliation = view(
  'reconciliation',
  {
    month: 'String',
    import_id: 'String',
    from: "DateTime64(3, 'UTC')",
    to: "DateTime64(3, 'UTC')",
    as_known_at: "DateTime64(3, 'UTC')",
    currency: 'String',
    tolerance_percent: 'Decimal(9, 4)',
  },
  {
    deployment: 'String',
    model: 'String',
    line_kind: 'String',
    service_tier: 'String',
    token_kind: 'String',
    meters: 'Array(String)',
    units: 'Array(String)',
    billed_quantity: tokens,
    billed_tokens: tokens,
    ledger_tokens: tokens,
    tokens_variance: tokens,
    billed_cost: tokens,
    ledger_cost: 'Nullable(Decimal(76, 42))',
    cost_variance: 'Nullable(Decimal(76, 42))',
    finding: 'String',
    is_estimated: 'Bool',
  },
);
