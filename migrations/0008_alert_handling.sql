-- What people say about alerts, written by the API and read by the evaluator. All of it is append-only; the last row of
-- an id is what holds.
CREATE TABLE IF NOT EXISTS silences
(
    silence_id  String,
    matchers    Array(String) COMMENT 'label="value", !=, =~, !~; all must match',
    starts_at   DateTime64(3, 'UTC'),
    ends_at     DateTime64(3, 'UTC'),
    author      String,
    comment     String,
    withdrawn   Bool,
    written_at  DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ${R}MergeTree
ORDER BY (silence_id, written_at)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- An acknowledgement is of one episode; the next one is a new alert.
CREATE TABLE IF NOT EXISTS acknowledgements
(
    alert_id    String,
    author      String,
    comment     String,
    written_at  DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ${R}MergeTree
ORDER BY (alert_id, written_at)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Whether an alert deserved its notification: the labels by which detectors are judged.
CREATE TABLE IF NOT EXISTS alert_feedback
(
    alert_id    String,
    verdict     LowCardinality(String) COMMENT 'useful or noise',
    author      String,
    comment     String,
    written_at  DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ${R}MergeTree
ORDER BY (alert_id, written_at);

-- Who is told of which alert, beside the routes of the file. Receivers have secrets and stand in the file alone.
CREATE TABLE IF NOT EXISTS alert_routes
(
    route_id    String,
    matchers    Array(String),
    receivers   Array(String),
    goes_on     Bool COMMENT 'whether later routes are looked at too',
    position    UInt32 COMMENT 'smaller ones are looked at first; all before those of the file',
    author      String,
    withdrawn   Bool,
    written_at  DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ${R}MergeTree
ORDER BY (route_id, written_at)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- The receivers of the file that the evaluator last read, without their secrets, so that the API can refuse a route to
-- one that does not exist.
CREATE TABLE IF NOT EXISTS alert_receivers
(
    receiver    String,
    channel     LowCardinality(String),
    fallback    String,
    evaluator   String,
    read_at     DateTime64(3, 'UTC')
)
ENGINE = ${R}MergeTree
ORDER BY (read_at, receiver);

-- Requests to deliver again what was given up.
CREATE TABLE IF NOT EXISTS delivery_replays
(
    notification_key  String,
    receiver          String,
    author            String,
    written_at        DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ${R}MergeTree
ORDER BY (written_at, notification_key)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
