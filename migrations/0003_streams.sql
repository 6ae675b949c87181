-- Who reads a stream, and how far it has come.
--
-- `claims` decides ownership by compare-and-swap: the insert of (stream, epoch) carries the deduplication token
-- stream/epoch, so of several rivals exactly one row stays, and reading it back tells who won. The epoch is then the
-- Event Hubs owner level, with which the broker disconnects any earlier owner.
CREATE TABLE IF NOT EXISTS claims
(
    stream      LowCardinality(String),
    epoch       UInt64,
    owner       String,
    claimed_at  DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ${R}MergeTree
ORDER BY (stream, epoch)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- The state an owner reports every few seconds. Only a hint: positions that matter are read from `events`. `sealed`
-- may lag behind what has been sealed; then the difference is sealed again, which changes nothing.
CREATE TABLE IF NOT EXISTS stream_states
(
    stream                         LowCardinality(String),
    observed_at                    DateTime64(3, 'UTC') DEFAULT now64(3),
    owner                          String,
    epoch                          UInt64,
    state                          LowCardinality(String) COMMENT 'reading, released, or why it stopped',
    watermark                      Int64 COMMENT 'last message verified in events; -1 none',
    sealed_through                 Int64 COMMENT 'messages up to here have been sealed into calls',
    beginning_sequence_number      Int64 COMMENT 'oldest message the hub still has',
    last_enqueued_sequence_number  Int64 COMMENT 'newest message the hub has; -1 none'
)
ENGINE = ${R}ReplacingMergeTree(observed_at)
ORDER BY stream;

-- Messages that the hub lost before they could be read (retention overrun): counted, never silently skipped.
-- A gap grows until the first message after it has come: the last notice replaces the ones before.
CREATE TABLE IF NOT EXISTS gaps
(
    stream      LowCardinality(String),
    first       Int64,
    last        Int64,
    reason      LowCardinality(String),
    noticed_at  DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ${R}ReplacingMergeTree(noticed_at)
ORDER BY (stream, first);
