-- What it meant: dated twice and append-only. valid_from/valid_to say when a fact applies, known_from when we learned
-- it, author and reason who wrote it and why. The audit trail is the table.
CREATE TABLE IF NOT EXISTS tenants
(
    tenant_id    String,
    name         String,
    time_zone    LowCardinality(String) DEFAULT 'UTC',
    valid_from   DateTime64(3, 'UTC'),
    valid_to     Nullable(DateTime64(3, 'UTC')),
    known_from   DateTime64(3, 'UTC') DEFAULT now64(3),
    author       String,
    reason       String
)
ENGINE = ${R}MergeTree
ORDER BY (tenant_id, valid_from, known_from)
SETTINGS non_replicated_deduplication_window = 10000;

-- Rules: a consumer belongs to a tenant. The latest rule that applies wins; no rule is the tenant `unattributed`.
CREATE TABLE IF NOT EXISTS attributions
(
    consumer_id  String,
    tenant_id    String,
    cost_center  String,
    owner        String,
    valid_from   DateTime64(3, 'UTC'),
    valid_to     Nullable(DateTime64(3, 'UTC')),
    known_from   DateTime64(3, 'UTC') DEFAULT now64(3),
    author       String,
    reason       String
)
ENGINE = ${R}MergeTree
ORDER BY (consumer_id, valid_from, known_from)
SETTINGS non_replicated_deduplication_window = 10000;

-- Unit prices as their source states them: list_unit_price for pricing_quantity units of pricing_unit.
-- Prices have up to 18 decimals (published lists hold 0.049999999999999996), so a price per million tokens needs 24 to
-- stay exact per token: hence Decimal(76, 24). A row that is not exact per token is refused by the constraint.
CREATE TABLE IF NOT EXISTS prices
(
    price_list           LowCardinality(String),
    provider_name        LowCardinality(String),
    model                String,
    token_kind           LowCardinality(String) COMMENT 'input cache_read cache_write output input_audio ...',
    context_over_tokens  UInt64 COMMENT 'applies to calls with more input tokens than this',
    list_unit_price      Decimal(38, 18),
    pricing_quantity     UInt64,
    pricing_unit         LowCardinality(String),
    pricing_currency     LowCardinality(String),
    valid_from           DateTime64(3, 'UTC'),
    valid_to             Nullable(DateTime64(3, 'UTC')),
    known_from           DateTime64(3, 'UTC') DEFAULT now64(3),
    author               String,
    reason               String,
    list_token_price     Decimal(76, 24) MATERIALIZED toDecimal256(list_unit_price, 24) / pricing_quantity,
    CONSTRAINT exact_per_token CHECK list_token_price * pricing_quantity = list_unit_price,
    CONSTRAINT not_negative CHECK list_unit_price >= 0
)
ENGINE = ${R}MergeTree
ORDER BY (provider_name, model, token_kind, context_over_tokens, valid_from, known_from)
SETTINGS non_replicated_deduplication_window = 10000;

-- Keys of the API, as SHA-256 of the key: a leaked table opens nothing.
CREATE TABLE IF NOT EXISTS api_keys
(
    key_hash    FixedString(64) COMMENT 'hex of SHA-256',
    name        String,
    role        LowCardinality(String) COMMENT 'viewer finance on_call admin intake',
    tenants     Array(String) COMMENT 'a viewer sees these',
    expires_at  Nullable(DateTime64(3, 'UTC')),
    known_from  DateTime64(3, 'UTC') DEFAULT now64(3),
    revoked     Bool DEFAULT false
)
ENGINE = ${R}ReplacingMergeTree(known_from)
ORDER BY key_hash;
