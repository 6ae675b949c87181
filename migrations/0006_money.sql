-- The books beside tenants, attributions and prices, in the same form: append-only, valid_from and valid_to say when a
-- row applies, known_from when we learned it. A row replaces an earlier known row with the same key and valid_from; it
-- is withdrawn by one whose valid_to is its valid_from. Of rows that apply to an instant, the one that began last counts.
--
-- A rule may name a product or an API beside the consumer, or instead of it; '' is any. What names the consumer goes
-- before what does not, then what names the API, then what names the product.
ALTER TABLE attributions
    ADD COLUMN IF NOT EXISTS product_id String DEFAULT '' AFTER consumer_id,
    ADD COLUMN IF NOT EXISTS api_id String DEFAULT '' AFTER product_id;

-- A model may be a pattern with *. A price for a region goes before one for any ('').
ALTER TABLE prices
    ADD COLUMN IF NOT EXISTS region LowCardinality(String) DEFAULT '' AFTER model,
    ADD COLUMN IF NOT EXISTS service_tier LowCardinality(String) DEFAULT 'standard' COMMENT 'standard batch priority flex provisioned' AFTER region;

-- Names of models that are not those of the price list: deployments, ARNs, a gateway's own. `alias` is exact, or a
-- pattern with *; provider_name '' is any.
CREATE TABLE IF NOT EXISTS model_aliases
(
    provider_name  LowCardinality(String),
    alias          String,
    model          String                   COMMENT 'as the price list names it',
    valid_from     DateTime64(3, 'UTC'),
    valid_to       Nullable(DateTime64(3, 'UTC')),
    known_from     DateTime64(3, 'UTC') DEFAULT now64(3),
    author         String,
    reason         String
)
ENGINE = ${R}MergeTree
ORDER BY (provider_name, alias, valid_from, known_from)
SETTINGS non_replicated_deduplication_window = 10000;

-- What was agreed instead of the list: a discount on what the row names ('' is all), or a unit price of its own.
-- A discount has 4 decimals of a percent, so that list price times factor stays within 30 decimals.
CREATE TABLE IF NOT EXISTS agreements
(
    agreement_id           String,
    tenant_id              String                     COMMENT 'empty: for all',
    provider_name          LowCardinality(String),
    model                  String                     COMMENT 'exact, a pattern with *, or empty: all',
    region                 LowCardinality(String),
    service_tier           LowCardinality(String),
    token_kind             LowCardinality(String),
    context_over_tokens    UInt64,
    discount_percent       Nullable(Decimal(9, 4)),
    contracted_unit_price  Nullable(Decimal(38, 18)),
    pricing_quantity       UInt64,
    pricing_unit           LowCardinality(String),
    pricing_currency       LowCardinality(String),
    valid_from             DateTime64(3, 'UTC'),
    valid_to               Nullable(DateTime64(3, 'UTC')),
    known_from             DateTime64(3, 'UTC') DEFAULT now64(3),
    author                 String,
    reason                 String,
    contracted_token_price Decimal(76, 24) MATERIALIZED toDecimal256(ifNull(contracted_unit_price, 0), 24) / pricing_quantity,
    CONSTRAINT one_of_two CHECK isNull(discount_percent) != isNull(contracted_unit_price),
    CONSTRAINT no_more_than_all CHECK ifNull(discount_percent BETWEEN 0 AND 100, true),
    CONSTRAINT exact_per_token CHECK contracted_token_price * pricing_quantity = ifNull(contracted_unit_price, 0),
    CONSTRAINT not_negative CHECK contracted_token_price >= 0
)
ENGINE = ${R}MergeTree
ORDER BY (agreement_id, tenant_id, provider_name, model, token_kind, valid_from, known_from)
SETTINGS non_replicated_deduplication_window = 10000;

-- Fixed cost that buys the use of deployments, such as provisioned throughput, and how it is shared among tenants.
-- Six decimals of amount and 18 of a ratio make 24, so that shares add up to the amount without rounding.
CREATE TABLE IF NOT EXISTS commitments
(
    commitment_id               String,
    name                        String,
    provider_name               LowCardinality(String),
    deployments                 Array(String)         COMMENT 'calls to these are paid by it',
    quantity                    Decimal(18, 4)        COMMENT 'units bought',
    unit                        LowCardinality(String) COMMENT 'such as PTU',
    amount                      Decimal(38, 6)        COMMENT 'cost of all units for one month or hour',
    amount_per                  LowCardinality(String) COMMENT 'month or hour',
    billing_currency            LowCardinality(String),
    allocation_method           LowCardinality(String) COMMENT 'weighted_tokens peak fixed_shares',
    weights                     Map(String, Decimal(18, 6)) COMMENT 'of a token by its kind; a kind that is not named weighs 1',
    capacity_tokens_per_minute  Nullable(UInt64)      COMMENT 'weighted tokens that it can serve; NULL: nothing is called idle',
    shares                      Map(String, Decimal(18, 9)) COMMENT 'by tenant, for fixed_shares',
    valid_from                  DateTime64(3, 'UTC'),
    valid_to                    Nullable(DateTime64(3, 'UTC')),
    known_from                  DateTime64(3, 'UTC') DEFAULT now64(3),
    author                      String,
    reason                      String,
    CONSTRAINT not_negative CHECK amount >= 0 AND quantity >= 0,
    CONSTRAINT no_more_than_all CHECK arraySum(mapValues(shares)) <= 1,
    CONSTRAINT known_method CHECK allocation_method IN ('weighted_tokens', 'peak', 'fixed_shares') AND amount_per IN ('month', 'hour')
)
ENGINE = ${R}MergeTree
ORDER BY (commitment_id, valid_from, known_from)
SETTINGS non_replicated_deduplication_window = 10000;

-- One unit of from_currency is exchange_rate units of to_currency. Only stated pairs are used: an inverse is not exact.
CREATE TABLE IF NOT EXISTS exchange_rates
(
    from_currency  LowCardinality(String),
    to_currency    LowCardinality(String),
    exchange_rate  Decimal(38, 12),
    valid_from     DateTime64(3, 'UTC'),
    valid_to       Nullable(DateTime64(3, 'UTC')),
    known_from     DateTime64(3, 'UTC') DEFAULT now64(3),
    author         String,
    reason         String,
    CONSTRAINT positive CHECK exchange_rate > 0
)
ENGINE = ${R}MergeTree
ORDER BY (from_currency, to_currency, valid_from, known_from)
SETTINGS non_replicated_deduplication_window = 10000;

-- What may be spent in a calendar month, by whom or on what: filters are the dimensions of a question.
CREATE TABLE IF NOT EXISTS budgets
(
    budget_id          String,
    name               String,
    filters            Map(String, Array(String)),
    cost               LowCardinality(String)   COMMENT 'list_cost contracted_cost effective_cost',
    amount             Decimal(38, 6)           COMMENT 'for one calendar month',
    billing_currency   LowCardinality(String),
    time_zone          LowCardinality(String)   COMMENT 'of the month; empty: of the tenant in filters, else UTC',
    actual_percents    Array(Decimal(9, 4))     COMMENT 'thresholds on what was spent',
    forecast_percents  Array(Decimal(9, 4))     COMMENT 'thresholds on what the month will come to',
    valid_from         DateTime64(3, 'UTC'),
    valid_to           Nullable(DateTime64(3, 'UTC')),
    known_from         DateTime64(3, 'UTC') DEFAULT now64(3),
    author             String,
    reason             String,
    CONSTRAINT positive CHECK amount > 0
)
ENGINE = ${R}MergeTree
ORDER BY (budget_id, valid_from, known_from)
SETTINGS non_replicated_deduplication_window = 10000;
