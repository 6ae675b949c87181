-- What a cloud billed for a calendar month, as its own export says it: one row for each meter of a deployment. An export
-- is taken whole (import_id is the hash of its lines); of those of a month the one learned last counts.
CREATE TABLE IF NOT EXISTS invoice_lines
(
    month             LowCardinality(String)   COMMENT 'such as 2026-10',
    import_id         FixedString(64)          COMMENT 'SHA-256 of the lines, hex',
    line_kind         LowCardinality(String)   COMMENT 'tokens router_fee claude_units provisioned other',
    deployment        String                   COMMENT 'the tag, in small letters; empty: none',
    resource_name     String,
    meter_id          String,
    meter_name        String,
    model             String                   COMMENT 'as the meter names it, in small letters and digits',
    service_tier      LowCardinality(String),
    token_kind        LowCardinality(String),
    unit              String                   COMMENT 'as the export has it',
    billed_quantity   Decimal(76, 30)          COMMENT 'in that unit',
    billed_tokens     Nullable(Decimal(76, 30)) COMMENT 'NULL where the unit is not one of tokens',
    billed_cost       Decimal(76, 30),
    billing_currency  LowCardinality(String),
    rows              UInt64                   COMMENT 'of the export',
    known_from        DateTime64(3, 'UTC') DEFAULT now64(3),
    author            String,
    reason            String
)
ENGINE = ${R}MergeTree
ORDER BY (month, import_id, deployment, meter_name)
SETTINGS non_replicated_deduplication_window = 10000;
