-- One row per call, whatever logs mention it. Derived: every row can be written again from `events` (view `sealed`).
--
-- Why Replacing with a version: sealing the same records gives the same row, so it may happen any number of times and
-- from any worker. The version is what was known of links when it was sealed, before the number of records: both only
-- grow, and a call that falls apart has fewer records than the row that it was part of.
-- Why this key: a tenant is a set of consumers, so its questions prune; the version does not move a row, and where a
-- late record changes consumer or time, the old key is withdrawn in the same insert (is_deleted).
-- Why synced: what a stream reports as sealed must not be lost with the power, because nobody seals it again.
-- Why daily partitions: finished days merge to one part, where FINAL costs nothing; retention drops whole parts.
CREATE TABLE IF NOT EXISTS calls
(
    call_id                               String                             COMMENT 'of the record that names the caller' CODEC(ZSTD(1)),
    call_ids                              Array(String)                      COMMENT 'every id that its records have' CODEC(ZSTD(1)),
    version                               UInt64                             COMMENT 'links and records known when sealed' CODEC(T64, LZ4),
    is_deleted                            UInt8                              COMMENT 'withdrawn: the call has moved to another key' CODEC(ZSTD(1)),
    completeness                          LowCardinality(String)             COMMENT 'complete, no_usage, or orphan (usage without its gateway record)' CODEC(ZSTD(1)),
    records                               UInt32                             COMMENT 'records it was sealed from' CODEC(T64, LZ4),
    duplicates                            UInt32                             COMMENT 'of these, repeated deliveries of the same record' CODEC(T64, LZ4),
    sources                               Array(LowCardinality(String))      CODEC(ZSTD(1)),
    last_enqueued_at                      DateTime64(3, 'UTC')               CODEC(Delta(8), ZSTD(1)),
    gateway                               LowCardinality(String)             CODEC(ZSTD(1)),
    source                                LowCardinality(String)             COMMENT 'of the record that names the caller' CODEC(ZSTD(1)),
    started_at                            DateTime64(3, 'UTC')               CODEC(Delta(8), ZSTD(1)),
    consumer_id                           LowCardinality(String)             CODEC(ZSTD(1)),
    product_id                            LowCardinality(String)             CODEC(ZSTD(1)),
    api_id                                LowCardinality(String)             CODEC(ZSTD(1)),
    operation_id                          LowCardinality(String)             CODEC(ZSTD(1)),
    operation_name                        LowCardinality(String)             CODEC(ZSTD(1)),
    provider_name                         LowCardinality(String)             CODEC(ZSTD(1)),
    request_model                         LowCardinality(String)             CODEC(ZSTD(1)),
    response_model                        LowCardinality(String)             CODEC(ZSTD(1)),
    response_id                           String                             CODEC(ZSTD(1)),
    deployment                            LowCardinality(String)             CODEC(ZSTD(1)),
    backend                               LowCardinality(String)             CODEC(ZSTD(1)),
    region                                LowCardinality(String)             CODEC(ZSTD(1)),
    service_tier                          LowCardinality(String)             CODEC(ZSTD(1)),
    user_id                               String                             CODEC(ZSTD(1)),
    error_type                            LowCardinality(String)             CODEC(ZSTD(1)),
    cache_status                          LowCardinality(String)             CODEC(ZSTD(1)),
    model_version                         LowCardinality(String)             CODEC(ZSTD(1)),
    routing_label                         LowCardinality(String)             COMMENT 'A/B arm, route or pool member that the gateway chose' CODEC(ZSTD(1)),
    moderation_outcome                    LowCardinality(String)             COMMENT 'passed annotated blocked, or empty' CODEC(ZSTD(1)),
    moderation_category                   LowCardinality(String)             COMMENT 'the worst category, as the filter names it' CODEC(ZSTD(1)),
    moderation_severity                   LowCardinality(String)             COMMENT 'safe low medium high, or empty' CODEC(ZSTD(1)),
    throttled_by                          LowCardinality(String)             COMMENT 'rate_limit quota token_limit backend bandwidth, or empty' CODEC(ZSTD(1)),
    client_network                        LowCardinality(String)             COMMENT '/24 or /48, never an address' CODEC(ZSTD(1)),
    instance_id                           LowCardinality(String)             CODEC(ZSTD(1)),
    http_response_status_code             Nullable(UInt16)                   CODEC(ZSTD(1)),
    backend_response_status_code          Nullable(UInt16)                   CODEC(ZSTD(1)),
    request_stream                        Nullable(Bool)                     CODEC(ZSTD(1)),
    duration_ms                           Nullable(UInt32)                   CODEC(T64, LZ4),
    backend_ms                            Nullable(UInt32)                   CODEC(T64, LZ4),
    client_ms                             Nullable(UInt32)                   CODEC(T64, LZ4),
    time_to_first_token_ms                Nullable(UInt32)                   CODEC(T64, LZ4),
    request_bytes                         Nullable(UInt64)                   CODEC(T64, LZ4),
    response_bytes                        Nullable(UInt64)                   CODEC(T64, LZ4),
    attempts                              Nullable(UInt16)                   COMMENT 'times a back end was asked; 1 is no retry' CODEC(ZSTD(1)),
    throttled_ms                          Nullable(UInt32)                   CODEC(T64, LZ4),
    quota_remaining_tokens                Nullable(UInt64)                   CODEC(T64, LZ4),
    truncated                             Nullable(Bool)                     COMMENT 'the gateway cut its own record' CODEC(ZSTD(1)),
    sample_fraction                       Nullable(Float64)                  COMMENT 'share of calls that the log mentions' CODEC(ZSTD(1)),
    usage_input_tokens                    Nullable(UInt64)                   CODEC(T64, LZ4),
    usage_cache_read_input_tokens         Nullable(UInt64)                   CODEC(T64, LZ4),
    usage_cache_creation_5m_input_tokens  Nullable(UInt64)                   CODEC(T64, LZ4),
    usage_cache_creation_1h_input_tokens  Nullable(UInt64)                   CODEC(T64, LZ4),
    usage_audio_input_tokens              Nullable(UInt64)                   CODEC(T64, LZ4),
    usage_output_tokens                   Nullable(UInt64)                   CODEC(T64, LZ4),
    usage_reasoning_output_tokens         Nullable(UInt64)                   CODEC(T64, LZ4),
    usage_audio_output_tokens             Nullable(UInt64)                   CODEC(T64, LZ4),
    usage_total_tokens                    Nullable(UInt64)                   CODEC(T64, LZ4),
    usage_quality                         LowCardinality(String)             CODEC(ZSTD(1)),
    usage_disagrees                       Bool                               COMMENT 'the kinds do not add up to the stated total: flagged, not mended' CODEC(ZSTD(1)),

    INDEX by_call_id call_ids TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = ${R}ReplacingMergeTree(version, is_deleted)
PARTITION BY toDate(started_at)
ORDER BY (consumer_id, started_at, call_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1,
         min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1;
-- Ids that mean the same call: a gateway in front of a gateway, a back end behind one. Each pair stands in both
-- directions, with who says so: a system that has two ids of its own around one call has seen two calls. Derived from
-- `events.linked_ids` before the calls of a range are sealed, so that of two workers that store the two halves at once the
-- later one sees both.
CREATE TABLE IF NOT EXISTS links
(
    id         String                  CODEC(ZSTD(1)),
    linked_id  String                  CODEC(ZSTD(1)),
    stated_by  String                  COMMENT 'own id of the record that states the pair' CODEC(ZSTD(1)),
    system     LowCardinality(String)  COMMENT 'that logged this record: the kind of its source, and its gateway' CODEC(ZSTD(1)),
    since      Date                    COMMENT 'day on which the call of this record can have begun' CODEC(ZSTD(1))
)
ENGINE = ${R}ReplacingMergeTree
ORDER BY (id, linked_id, stated_by, system, since)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
