-- What an alert rule means beside its condition, which is a detector's: what it is called, how serious it is at most, and
-- what is to be done. How long it must hold and how long it is kept stand with the detectors' parameters. Append-only: a
-- new version replaces the one before from valid_from on, and both can be looked up.
--
-- `clock`: rules about traffic are evaluated at the ingest watermark and stand still with it. Rules about Gatemeter itself
-- go by the database's clock, because a watermark that stands still is what they must tell.
CREATE TABLE IF NOT EXISTS alert_rules
(
    rule        LowCardinality(String),
    version     UInt32,
    title       String,
    severity    LowCardinality(String) COMMENT 'page, ticket or info; at most this, whatever a detector says',
    clock       LowCardinality(String) COMMENT 'ledger or wall',
    runbook     String COMMENT 'heading in docs/runbook.md',
    valid_from  DateTime64(3, 'UTC'),
    known_from  DateTime64(3, 'UTC') DEFAULT now64(3),
    author      String,
    reason      String
)
ENGINE = ${R}MergeTree
ORDER BY (rule, version);

-- The journal of the evaluator: what it found, what became of each alert, and what is to be told to whom.
--
-- One evaluation is one insert of one block into one partition, so that an alert's new state and its notifications are
-- there together or not at all: this is the transaction of the outbox. The insert carries the token tick/generation, a
-- compare-and-swap: of rivals that both believe to be elected, one writes a tick. A state stands here with everything
-- that is needed to go on from it, and again at least once in half a day, so that a restart reads two days.
CREATE TABLE IF NOT EXISTS alert_events
(
    tick               UInt64,
    position           UInt32,
    evaluator          String,
    recorded_at        DateTime64(3, 'UTC') COMMENT 'the same for all rows of a tick',
    evaluated_at       DateTime64(3, 'UTC') COMMENT 'the ingest watermark, whole minutes, up to which calls were looked at',
    kind               LowCardinality(String) COMMENT 'tick, state or notification',
    fingerprint        String COMMENT 'hash of rule and labels',
    alert_id           String COMMENT 'fingerprint and beginning of the episode',
    rule               LowCardinality(String),
    version            UInt32,
    labels             Map(String, String),
    severity           LowCardinality(String),
    status             LowCardinality(String) COMMENT 'inactive, pending, firing',
    turns              Array(LowCardinality(String)) COMMENT 'what happened in this tick',
    active_at          Nullable(DateTime64(3, 'UTC')),
    pending_since      Nullable(DateTime64(3, 'UTC')),
    fired_at           Nullable(DateTime64(3, 'UTC')),
    keep_firing_since  Nullable(DateTime64(3, 'UTC')),
    resolved_at        Nullable(DateTime64(3, 'UTC')),
    unknown_since      Nullable(DateTime64(3, 'UTC')),
    held_until         Nullable(DateTime64(3, 'UTC')),
    recent_turns       Array(DateTime64(3, 'UTC')),
    acknowledged_at    Nullable(DateTime64(3, 'UTC')),
    acknowledged_by    String,
    silenced_by        Array(String),
    notified           Array(String) COMMENT 'receivers that were told of this episode',
    demoted            Bool COMMENT 'beyond the pages of a day that its tenant may cause: told as a ticket',
    contributors       Map(String, Float64) COMMENT 'looked up when it fired: who explains the difference, and the share of it',
    recent_changes     Array(String) COMMENT 'looked up when it fired: what was changed in the day before',
    started_at         Nullable(DateTime64(3, 'UTC')) COMMENT 'since when, as the detector says',
    observed           Float64,
    expected           Float64,
    unit               LowCardinality(String),
    score              Float64,
    cost_per_hour      Nullable(Decimal(76, 24)),
    affected           Array(String),
    evidence           String,
    confidence         Float64,
    action             LowCardinality(String) COMMENT 'of a notification: trigger, acknowledge, resolve',
    receiver           String,
    notification_key   String COMMENT 'the same for every attempt to deliver it',
    message            String COMMENT 'JSON: what is told'
)
ENGINE = ${R}MergeTree
PARTITION BY toDate(recorded_at)
ORDER BY (kind, fingerprint, tick, position)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Heartbeats of those that would evaluate. Who does is decided in `claims`, under the stream `alerts`.
CREATE TABLE IF NOT EXISTS evaluators
(
    owner     String,
    epoch     UInt64,
    state     LowCardinality(String) COMMENT 'evaluating or released',
    heard_at  DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ${R}ReplacingMergeTree(heard_at)
ORDER BY owner;

-- Every attempt to deliver a notification, after it was made. A crash in between makes the attempt again, with its key.
CREATE TABLE IF NOT EXISTS alert_deliveries
(
    notification_key  String,
    receiver          String COMMENT 'the one it was addressed to, or its fallback',
    alert_id          String,
    action            LowCardinality(String),
    attempt           UInt32,
    outcome           LowCardinality(String) COMMENT 'delivered, retry, dead, skipped',
    status_code       Nullable(UInt16),
    detail            String,
    retry_at          Nullable(DateTime64(3, 'UTC')),
    evaluator         String,
    attempted_at      DateTime64(3, 'UTC')
)
ENGINE = ${R}MergeTree
PARTITION BY toDate(attempted_at)
ORDER BY (alert_id, notification_key, receiver, attempt)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
