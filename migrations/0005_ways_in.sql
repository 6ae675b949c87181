-- Rejected records that were understood later, by their first place; the calls they became are in `events` once more,
-- under a stream of the replay. Written after those, so a crash in between replays again, which counts nothing twice.
CREATE TABLE IF NOT EXISTS replays
(
    stream           LowCardinality(String),
    sequence_number  Int64,
    record_index     UInt32,
    replayed_at      DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ${R}ReplacingMergeTree(replayed_at)
ORDER BY (stream, sequence_number, record_index);

-- Windows that a backfill or the poller has stored whole, so that the next run goes on where this one ended.
CREATE TABLE IF NOT EXISTS backfills
(
    workspace    String COMMENT 'or the id of the resource whose metrics were polled',
    log          LowCardinality(String) COMMENT 'table of the workspace, or metrics',
    window_from  DateTime64(3, 'UTC'),
    window_to    DateTime64(3, 'UTC'),
    records      UInt64,
    finished_at  DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ${R}ReplacingMergeTree(finished_at)
ORDER BY (workspace, log, window_from, window_to)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
