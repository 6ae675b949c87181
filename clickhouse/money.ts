import { dimensions, grouped } from './question.ts';
import { table, type Types, view } from './view.ts';

/*
 * The books and what is asked of them. Every book is append-only: valid_from and valid_to say when a row applies,
 * known_from (the database's clock) when we learned it, author and reason who wrote it and why.
 */

const dated = {
  valid_from: "DateTime64(3, 'UTC')",
  valid_to: "Nullable(DateTime64(3, 'UTC'))",
  author: 'String',
  reason: 'String',
} as const satisfies Types;

export const tenants = table('tenants', {
  tenant_id: 'String',
  name: 'String',
  time_zone: 'LowCardinality(String)',
  ...dated,
});

/** '' is any consumer, product or API. */
export const attributions = table('attributions', {
  consumer_id: 'String',
  product_id: 'String',
  api_id: 'String',
  tenant_id: 'String',
  cost_center: 'String',
  owner: 'String',
  ...dated,
});

export const prices = table('prices', {
  price_list: 'LowCardinality(String)',
  provider_name: 'LowCardinality(String)',
  model: 'String',
  region: 'LowCardinality(String)',
  service_tier: 'LowCardinality(String)',
  token_kind: 'LowCardinality(String)',
  context_over_tokens: 'UInt64',
  list_unit_price: 'Decimal(38, 18)',
  pricing_quantity: 'UInt64',
  pricing_unit: 'LowCardinality(String)',
  pricing_currency: 'LowCardinality(String)',
  ...dated,
});

export const modelAliases = table('model_aliases', {
  provider_name: 'LowCardinality(String)',
  alias: 'String',
  model: 'String',
  ...dated,
});

export const agreements = table('agreements', {
  agreement_id: 'String',
  tenant_id: 'String',
  provider_name: 'LowCardinality(String)',
  model: 'String',
  region: 'LowCardinality(String)',
  service_tier: 'LowCardinality(String)',
  token_kind: 'LowCardinality(String)',
  context_over_tokens: 'UInt64',
  discount_percent: 'Nullable(Decimal(9, 4))',
  contracted_unit_price: 'Nullable(Decimal(38, 18))',
  pricing_quantity: 'UInt64',
  pricing_unit: 'LowCardinality(String)',
  pricing_currency: 'LowCardinality(String)',
  ...dated,
});

export const commitments = table('commitments', {
  commitment_id: 'String',
  name: 'String',
  provider_name: 'LowCardinality(String)',
  deployments: 'Array(String)',
  quantity: 'Decimal(18, 4)',
  unit: 'LowCardinality(String)',
  amount: 'Decimal(38, 6)',
  amount_per: 'LowCardinality(String)',
  billing_currency: 'LowCardinality(String)',
  allocation_method: 'LowCardinality(String)',
  weights: 'Map(String, Decimal(18, 6))',
  capacity_tokens_per_minute: 'Nullable(UInt64)',
  shares: 'Map(String, Decimal(18, 9))',
  ...dated,
});

export const exchangeRates = table('exchange_rates', {
  from_currency: 'LowCardinality(String)',
  to_currency: 'LowCardinality(String)',
  exchange_rate: 'Decimal(38, 12)',
  ...dated,
});

export const budgets = table('budgets', {
  budget_id: 'String',
  name: 'String',
  filters: 'Map(String, Array(String))',
  cost: 'LowCardinality(String)',
  amount: 'Decimal(38, 6)',
  billing_currency: 'LowCardinality(String)',
  time_zone: 'LowCardinality(String)',
  actual_percents: 'Array(Decimal(9, 4))',
  forecast_percents: 'Array(Decimal(9, 4))',
  ...dated,
});

/** The books; `contract.ts` compares them with the database. */
export const bookTables = [
  tenants,
  attributions,
  prices,
  modelAliases,
  agreements,
  commitments,
  exchangeRates,
  budgets,
] as const;

/** An amount: exact products of a price (24 decimals), a discount (6) and an exchange rate (12). */
const amount = 'Nullable(Decimal(76, 42))';

/** A question about money: amounts are in `currency`, or as they are priced where it is ''. */
export const rated = { ...grouped, currency: 'String' } as const satisfies Types;

/** What calls cost; beside the dimensions it groups by cost_center, token_kind and price_model. */
export const spend = view('spend', rated, {
  bucket: "DateTime('UTC')",
  ...dimensions,
  cost_center: 'String',
  token_kind: 'String',
  price_model: 'String',
  list_token_price: amount,
  contracted_token_price: amount,
  calls: 'UInt64',
  priced_tokens: 'UInt64',
  unpriced_tokens: 'UInt64',
  committed_tokens: 'UInt64',
  unpriced_models: 'Array(String)',
  unpriced_reasons: 'Array(String)',
  price_match: 'Array(String)',
  list_cost: amount,
  contracted_cost: amount,
  effective_cost: amount,
  pricing_currency: 'String',
});

const { as_known_at: _now, ...undated } = rated;

/** The groups of `spend`, as its answers about two instants or windows have them. */
const groups = { ...dimensions, cost_center: 'String', token_kind: 'String', price_model: 'String' } as const;

/** The same calls rated by what was known at two instants: the rows that differ. */
export const rerated = view(
  'rerated',
  { ...undated, known_from: "DateTime64(3, 'UTC')", known_to: "DateTime64(3, 'UTC')" },
  {
    bucket: "DateTime('UTC')",
    ...groups,
    calls_before: 'UInt64',
    calls_after: 'UInt64',
    unpriced_tokens_before: 'UInt64',
    unpriced_tokens_after: 'UInt64',
    list_cost_before: amount,
    list_cost_after: amount,
    list_cost_difference: amount,
    contracted_cost_before: amount,
    contracted_cost_after: amount,
    contracted_cost_difference: amount,
    pricing_currency: 'String',
  },
);

const { step: _step, ...unstepped } = rated;

/** Why contracted cost changed against an earlier window: volume + mix + price = change. */
export const spendChange = view(
  'spend_change',
  { ...unstepped, previous_from: "DateTime64(3, 'UTC')", previous_to: "DateTime64(3, 'UTC')" },
  {
    ...groups,
    previous_priced_tokens: 'UInt64',
    priced_tokens: 'UInt64',
    previous_contracted_cost: 'Decimal(76, 42)',
    contracted_cost: 'Decimal(76, 42)',
    change: 'Decimal(76, 42)',
    volume_change: 'Decimal(76, 42)',
    mix_change: 'Decimal(76, 42)',
    price_change: 'Decimal(76, 42)',
    pricing_currency: 'String',
  },
);

/** The lines of each commitment for one calendar month: ratios add up to 1, costs to its amount. */
export const allocated = view(
  'allocated',
  {
    from: "DateTime64(3, 'UTC')",
    to: "DateTime64(3, 'UTC')",
    as_known_at: "DateTime64(3, 'UTC')",
    visible_tenants: 'Array(String)',
  },
  {
    commitment_id: 'String',
    name: 'String',
    charge_period_start: "DateTime('UTC')",
    charge_period_end: "DateTime('UTC')",
    tenant_id: 'String',
    cost_center: 'String',
    is_idle: 'Bool',
    allocated_method_id: 'String',
    allocated_ratio: 'Decimal(38, 18)',
    usage_quantity: 'Decimal(76, 12)',
    usage_unit: 'String',
    committed_amount: 'Decimal(76, 6)',
    allocated_cost: 'Decimal(76, 24)',
    billing_currency: 'String',
    provider_name: 'String',
    deployments: 'Array(String)',
    allocated_method_details: 'String',
  },
);

/** What was spent of budgets in a calendar month, and what the month will come to. */
export const budgetStatus = view(
  'budget_status',
  {
    ...unstepped,
    history_from: "DateTime64(3, 'UTC')",
    at: "DateTime64(3, 'UTC')",
    budget_keys: 'Array(String)',
  },
  {
    budget_id: 'String',
    name: 'String',
    filters: 'Map(String, Array(String))',
    cost: 'LowCardinality(String)',
    amount: 'Decimal(38, 6)',
    billing_currency: 'LowCardinality(String)',
    time_zone: 'String',
    month_start: "DateTime64(3, 'UTC')",
    month_end: "DateTime64(3, 'UTC')",
    spent_until: "DateTime64(3, 'UTC')",
    remaining_days: 'UInt16',
    actual_cost: amount,
    remaining_amount: amount,
    actual_percent: 'Nullable(Decimal(38, 4))',
    forecast_cost: amount,
    forecast_percent: 'Nullable(Decimal(38, 4))',
    forecast_low: amount,
    forecast_high: amount,
    forecast_error_percent: 'Nullable(Decimal(38, 4))',
    forecast_weeks: 'UInt8',
    forecast_trials: 'UInt8',
    actual_percents_reached: 'Array(Decimal(9, 4))',
    forecast_percents_reached: 'Array(Decimal(9, 4))',
    state: 'String',
    unpriced_tokens: 'UInt64',
    committed_tokens: 'UInt64',
  },
);

/** Which price lists the book was written from: each import states its content in `reason`. */
export const priceSources = view(
  'price_sources',
  {},
  { author: 'String', reason: 'String', rows: 'UInt64', known_from: "DateTime64(3, 'UTC')" },
);

/** The views of money; `contract.ts` compares them with the database. */
export const moneyViews = [spend, rerated, spendChange, allocated, budgetStatus, priceSources] as const;
