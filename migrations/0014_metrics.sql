-- Platform metrics, which are no calls, and how far each value differs from its own past. All of it is derived from `events`
-- and can be made again.
--
-- Values of platform metrics, by five minutes: what a metric that counts came to in them, what any other one was on
-- average. A series is one metric of one place, and known by the hash of its labels.
CREATE TABLE IF NOT EXISTS metric_values
(
    series       UInt64                CODEC(ZSTD(1)),
    at           DateTime('UTC')       COMMENT 'start of the five minutes' CODEC(Delta(4), ZSTD(1)),
    labels       Map(String, String)   CODEC(ZSTD(1)),
    value        Float64               COMMENT 'in the unit of the metric' CODEC(ZSTD(1)),
    computed_at  DateTime64(3, 'UTC')  CODEC(Delta(8), ZSTD(1))
)
ENGINE = ${R}ReplacingMergeTree(computed_at)
PARTITION BY toYYYYMM(at)
ORDER BY (series, at);

-- In which ways each value differs from the 28 days before it. They are kept because they are compared in their turn: a
-- series that differs like this every day does not differ.
CREATE TABLE IF NOT EXISTS metric_features
(
    series       UInt64                CODEC(ZSTD(1)),
    at           DateTime('UTC')       CODEC(Delta(4), ZSTD(1)),
    known        UInt32                COMMENT 'values of the 28 days before' CODEC(T64, LZ4),
    lowest       Float64               COMMENT 'of them' CODEC(ZSTD(1)),
    highest      Float64               COMMENT 'of them' CODEC(ZSTD(1)),
    usual        Float64               COMMENT 'median of the mean of twelve values at this time of day; NaN where unknown' CODEC(ZSTD(1)),
    beyond       Float64               COMMENT 'distance outside lowest to highest, as a share of it' CODEC(ZSTD(1)),
    rare         Float64               COMMENT '-log10 of the share of earlier values that are near it' CODEC(ZSTD(1)),
    rare_mean    Float64               COMMENT 'the same for the mean of twelve values' CODEC(ZSTD(1)),
    unlike       Float64               COMMENT 'that mean against usual, in robust standard deviations' CODEC(ZSTD(1)),
    computed_at  DateTime64(3, 'UTC')  CODEC(Delta(8), ZSTD(1))
)
ENGINE = ${R}ReplacingMergeTree(computed_at)
PARTITION BY toYYYYMM(at)
ORDER BY (series, at);

-- How far in the tail of its own series each value is.
CREATE TABLE IF NOT EXISTS metric_scores
(
    series       UInt64                CODEC(ZSTD(1)),
    at           DateTime('UTC')       CODEC(Delta(4), ZSTD(1)),
    score        Float64               COMMENT 'mean of four -log10 of the share of earlier values that differ as much' CODEC(ZSTD(1)),
    computed_at  DateTime64(3, 'UTC')  CODEC(Delta(8), ZSTD(1))
)
ENGINE = ${R}ReplacingMergeTree(computed_at)
PARTITION BY toYYYYMM(at)
ORDER BY (series, at);
