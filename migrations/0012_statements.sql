-- Closed months. A month that has a row here is closed, and its statement never changes: what it consists of was copied
-- when it was closed. The insert carries the token `close/<month>/<attempt>`, so of two people who close at once one
-- succeeds. A statement without a row here was begun and not finished; nothing reads it.
CREATE TABLE IF NOT EXISTS statements
(
    month             String                   COMMENT 'YYYY-MM',
    statement_id      String,
    as_known_at       DateTime64(3, 'UTC')     COMMENT 'prices and attributions as known then',
    currency          LowCardinality(String)   COMMENT 'amounts were asked for in it; empty: as they are priced',
    issuer            String                   COMMENT 'who bills, as exports name it',
    complete_through  DateTime64(3, 'UTC')     COMMENT 'how far the hub had been read',
    calls             UInt64,
    usage_calls       UInt64,
    exact_usage_calls UInt64,
    attributed_calls  UInt64,
    calls_from        DateTime64(3, 'UTC')     COMMENT 'the month in the easternmost zone of a tenant begins',
    calls_to          DateTime64(3, 'UTC')     COMMENT 'the month in the westernmost one ends',
    call_states       Map(String, String)      COMMENT 'what the calls of each month that it bills were, as a hash: what has not changed need not be rated again',
    lines             UInt32,
    sha256            String                   COMMENT 'of the statement as CSV, hex',
    closed_at         DateTime64(3, 'UTC') DEFAULT now64(3),
    closed_by         String,
    reason            String
)
ENGINE = ${R}MergeTree
ORDER BY (month, closed_at)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- The lines of closed statements as they were printed: rounded, in order.
CREATE TABLE IF NOT EXISTS statement_lines
(
    statement_id      String,
    line_number       UInt32,
    charge_month      String                 COMMENT 'when it was used; a correction is billed later than that',
    charge_class      LowCardinality(String) COMMENT 'empty, or Correction',
    tenant_id         String                 COMMENT 'empty: nobody bears it',
    cost_center       String,
    charge_kind       LowCardinality(String) COMMENT 'tokens committed_tokens unpriced_tokens commitment idle_commitment',
    provider_name     String,
    model             String,
    token_kind        LowCardinality(String),
    commitment_id     String,
    consumed_quantity Decimal(76, 12),
    consumed_unit     LowCardinality(String),
    list_cost         Nullable(Decimal(38, 4)),
    contracted_cost   Nullable(Decimal(38, 4)),
    effective_cost    Nullable(Decimal(38, 4)),
    billing_currency  LowCardinality(String),
    unpriced_reasons  Array(String)
)
ENGINE = ${R}MergeTree
ORDER BY (statement_id, line_number)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- What those lines were rounded from: exact, by day and consumer, with names as they were. What is billed later is the
-- difference to this.
CREATE TABLE IF NOT EXISTS statement_charges
(
    statement_id             String,
    charge_month             String,
    charge_period_start      DateTime('UTC'),
    charge_period_end        DateTime('UTC'),
    tenant_id                String,
    tenant_name              String,
    cost_center              String,
    consumer_id              String,
    charge_kind              LowCardinality(String),
    provider_name            String,
    region                   String,
    service_tier             String,
    deployment               String,
    response_model           String,
    model                    String,
    token_kind               LowCardinality(String),
    commitment_id            String,
    commitment_name          String,
    consumed_quantity        Decimal(76, 12),
    consumed_unit            LowCardinality(String),
    list_token_price         Nullable(Decimal(76, 42)),
    contracted_token_price   Nullable(Decimal(76, 42)),
    list_cost                Nullable(Decimal(76, 42)),
    contracted_cost          Nullable(Decimal(76, 42)),
    effective_cost           Nullable(Decimal(76, 42)),
    billing_currency         LowCardinality(String),
    unpriced_reason          String,
    committed_amount         Nullable(Decimal(76, 18)) COMMENT 'what the whole commitment costs in this period',
    allocated_method_id      LowCardinality(String),
    allocated_ratio          Nullable(Decimal(38, 18)),
    allocated_method_details String                    COMMENT 'as FOCUS has it'
)
ENGINE = ${R}MergeTree
ORDER BY (charge_month, statement_id, tenant_id, consumer_id, charge_period_start)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
