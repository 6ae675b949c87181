-- What the hub delivered: at least one row per message, one row per log record in it. Nothing here is ever updated.
--
-- Why sorted by call: sealing asks "every record of these calls" after each batch, and only a key on call_id answers
-- that without reading the day. The questions of delivery (watermark, contiguity) read the projection `streams`, which
-- is part of the same insert and therefore never disagrees with its rows.
-- Why daily partitions by enqueued_at: a batch never crosses a day, so a batch is one part and its rename is the commit.
-- Why the window: insert_deduplication_token = stream/watermark/generation lets exactly one writer append after a
-- watermark (docs/adr/0002-exactly-once.md). 10,000 tokens outlive any batch in flight.
CREATE TABLE IF NOT EXISTS events
(
    stream                                LowCardinality(String)             COMMENT 'namespace/hub/partition' CODEC(ZSTD(1)),
    sequence_number                       Int64                              COMMENT 'position in the stream, +1 per message' CODEC(Delta, ZSTD(1)),
    record_index                          UInt32                             COMMENT 'position of the record in its message; 0 is always there' CODEC(T64, LZ4),
    prev                                  Int64                              COMMENT 'the watermark before this batch; -1 at the start' CODEC(Delta, ZSTD(1)),
    enqueued_at                           DateTime64(3, 'UTC')               COMMENT 'when the hub accepted the message' CODEC(Delta(8), ZSTD(1)),
    inserted_at                           DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(Delta(8), ZSTD(1)),
    body_hash                             UInt64                             COMMENT 'of the message: first 8 bytes of SHA-256' CODEC(NONE),
    record_hash                           UInt64                             COMMENT 'of the record, so that a repeated delivery is seen' CODEC(NONE),
    kind                                  LowCardinality(String)             COMMENT 'call gateway usage backend lifecycle metric dropped rejected' CODEC(ZSTD(1)),
    source                                LowCardinality(String)             COMMENT 'the decoder that understood it, or empty' CODEC(ZSTD(1)),
    reason                                LowCardinality(String)             COMMENT 'why dropped or rejected' CODEC(ZSTD(1)),
    detail                                String                             COMMENT 'rejected only: which field, and what is wrong with it' CODEC(ZSTD(1)),
    body                                  String                             COMMENT 'rejected only: its bytes, at most 64 KiB' CODEC(ZSTD(3)),
    body_bytes                            UInt32                             COMMENT 'rejected only: the full length, bytes' CODEC(T64, LZ4),
    call_id                               String                             COMMENT 'the correlation id; gateway/id where it is not unique in the world; or empty' CODEC(ZSTD(1)),
    linked_ids                            Array(String)                      COMMENT 'ids under which other systems log the same call' CODEC(ZSTD(1)),
    gateway                               LowCardinality(String)             CODEC(ZSTD(1)),
    started_at                            Nullable(DateTime64(3, 'UTC'))     CODEC(Delta(8), ZSTD(1)),
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
    event_name                            LowCardinality(String)             COMMENT 'lifecycle and metric only' CODEC(ZSTD(1)),
    event_reason                          LowCardinality(String)             COMMENT 'lifecycle only' CODEC(ZSTD(1)),
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
    measurements                          Map(LowCardinality(String), Float64) COMMENT 'metric: its values; dropped message text: chunk' CODEC(ZSTD(1)),
    usage_input_tokens                    Nullable(UInt64)                   COMMENT 'uncached text; the kinds are disjoint' CODEC(T64, LZ4),
    usage_cache_read_input_tokens         Nullable(UInt64)                   CODEC(T64, LZ4),
    usage_cache_creation_5m_input_tokens  Nullable(UInt64)                   CODEC(T64, LZ4),
    usage_cache_creation_1h_input_tokens  Nullable(UInt64)                   CODEC(T64, LZ4),
    usage_audio_input_tokens              Nullable(UInt64)                   CODEC(T64, LZ4),
    usage_output_tokens                   Nullable(UInt64)                   COMMENT 'without reasoning and audio' CODEC(T64, LZ4),
    usage_reasoning_output_tokens         Nullable(UInt64)                   CODEC(T64, LZ4),
    usage_audio_output_tokens             Nullable(UInt64)                   CODEC(T64, LZ4),
    usage_total_tokens                    Nullable(UInt64)                   COMMENT 'as the source states it' CODEC(T64, LZ4),
    usage_quality                         LowCardinality(String)             COMMENT 'exact estimated partial missing, or empty' CODEC(ZSTD(1)),
    unknown_fields                        Array(LowCardinality(String))      COMMENT 'names in the record that its decoder does not know' CODEC(ZSTD(1)),

    INDEX by_sequence_number sequence_number TYPE minmax GRANULARITY 1,
    INDEX by_inserted_at inserted_at TYPE minmax GRANULARITY 1,
    PROJECTION streams
    (
        SELECT stream, min(sequence_number), max(sequence_number), countIf(record_index = 0), count()
        GROUP BY stream
    ),
    PROJECTION kinds
    (
        SELECT stream, source, kind, reason, count(), max(enqueued_at)
        GROUP BY stream, source, kind, reason
    )
)
ENGINE = ${R}MergeTree
PARTITION BY toDate(enqueued_at)
ORDER BY (call_id, kind, stream, sequence_number, record_index)
SETTINGS non_replicated_deduplication_window = 10000,
         fsync_after_insert = 1, fsync_part_directory = 1,
         min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1;
