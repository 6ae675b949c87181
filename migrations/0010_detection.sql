-- What the detectors measure once and share, and what they found. All but the parameters and the calendar is derived
-- from `calls` and can be made again.
--
-- Numbers that a detector compares with: what is called a spike, how long is long, what is worth a page. They are dated
-- and versioned like every other reference data, so that a past evaluation can be repeated with what held then.
CREATE TABLE IF NOT EXISTS detector_parameters
(
    name        LowCardinality(String) COMMENT 'rule.parameter',
    version     UInt32,
    value       Float64,
    valid_from  DateTime64(3, 'UTC'),
    valid_to    Nullable(DateTime64(3, 'UTC')),
    known_from  DateTime64(3, 'UTC') DEFAULT now64(3),
    author      String,
    reason      String COMMENT 'why this value; the unit is in it'
)
ENGINE = ${R}MergeTree
ORDER BY (name, valid_from, version);

-- When a tenant's traffic is expected to differ: holidays and maintenance. Nothing is detected in them, and nothing is
-- learned from them. An empty tenant means all tenants, an empty deployment all deployments of the tenant. A period that is
-- withdrawn is written again.
CREATE TABLE IF NOT EXISTS detection_calendar
(
    period_id    String,
    tenant_id    String,
    deployment   String,
    kind         LowCardinality(String) COMMENT 'holiday or maintenance',
    starts_at    DateTime64(3, 'UTC'),
    ends_at      DateTime64(3, 'UTC'),
    withdrawn    Bool,
    author       String,
    reason       String,
    written_at   DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ${R}MergeTree
ORDER BY (period_id, written_at);

-- A series is a tenant's traffic to a deployment, by the minute in which its calls started.
--
-- Why minutes first in the key: a tick reads the last hour of all series, which is one range; and a minute that is
-- measured once stands in one part that overlaps no other, so FINAL has nothing to merge.
-- Why logarithms are summed: a mean of logarithms adds up over windows and a median does not. Each call's part is
-- cut off at both ends when it is measured, so that one very slow call cannot carry a window.
CREATE TABLE IF NOT EXISTS traffic_minutes
(
    minute             DateTime('UTC')                    CODEC(Delta(4), ZSTD(1)),
    tenant_id          LowCardinality(String)             CODEC(ZSTD(1)),
    deployment         LowCardinality(String)             COMMENT 'where the gateway names none: model, back end or API' CODEC(ZSTD(1)),
    provider_name      LowCardinality(String)             CODEC(ZSTD(1)),
    region             LowCardinality(String)             CODEC(ZSTD(1)),
    calls              UInt32                             CODEC(T64, LZ4),
    failed             UInt32                             COMMENT 'status 400 and above, without 429' CODEC(T64, LZ4),
    server_failed      UInt32                             COMMENT 'status 500 and above, and 408: not the caller' CODEC(T64, LZ4),
    throttled          UInt32                             COMMENT 'status 429' CODEC(T64, LZ4),
    tokens             UInt64                             CODEC(T64, LZ4),
    list_cost          Nullable(Decimal(76, 24))          COMMENT 'NULL where nothing of it has a price' CODEC(ZSTD(1)),
    unpriced_tokens    UInt64                             CODEC(T64, LZ4),
    unpriced_models    Array(LowCardinality(String))      CODEC(ZSTD(1)),
    first_token_calls  UInt32                             COMMENT 'calls in first_token_log' CODEC(T64, LZ4),
    first_token_log    Float64                            COMMENT 'sum of ln(time to first token / expected for its input)' CODEC(ZSTD(1)),
    generation_calls   UInt32                             CODEC(T64, LZ4),
    generation_log     Float64                            COMMENT 'sum of ln(time after it / expected for its output)' CODEC(ZSTD(1)),
    computed_at        DateTime64(3, 'UTC')               CODEC(Delta(8), ZSTD(1))
)
ENGINE = ${R}ReplacingMergeTree(computed_at)
PARTITION BY toDate(minute)
ORDER BY (minute, tenant_id, deployment);

-- The same by the hour, with its twelve five-minute sums: what is usual is learned from these. `residuals` say how far
-- the hour was from what was expected of it, so that a series' own unrest is known without reading weeks of minutes.
CREATE TABLE IF NOT EXISTS traffic_hours
(
    hour            DateTime('UTC')         CODEC(Delta(4), ZSTD(1)),
    tenant_id       LowCardinality(String)  CODEC(ZSTD(1)),
    deployment      LowCardinality(String)  CODEC(ZSTD(1)),
    calls           Array(UInt32)           CODEC(ZSTD(1)),
    tokens          Array(Float64)          CODEC(ZSTD(1)),
    costs           Array(Float64)          COMMENT 'for statistics only; money is in traffic_minutes' CODEC(ZSTD(1)),
    cost            Float64                 MATERIALIZED arraySum(costs) CODEC(ZSTD(1)),
    total           UInt32                  COMMENT 'sum of calls' CODEC(T64, LZ4),
    failed          UInt32                  CODEC(T64, LZ4),
    server_failed   UInt32                  CODEC(T64, LZ4),
    throttled       UInt32                  CODEC(T64, LZ4),
    first_token     Array(Float32)          COMMENT 'mean logarithm per five minutes; NaN with fewer than three calls' CODEC(ZSTD(1)),
    generation      Array(Float32)          CODEC(ZSTD(1)),
    ratio           Float32                 COMMENT 'calls / expected before the level is applied; NaN where nothing was expected' CODEC(ZSTD(1)),
    residuals       Array(Float32)          COMMENT 'mean of (x - expected)^2 / expected for calls, tokens and cost over 5, 15 and 60 minutes' CODEC(ZSTD(1)),
    quiet           Float32                 COMMENT 'most calls expected in a run of five minutes without any' CODEC(ZSTD(1)),
    excluded        Bool                    COMMENT 'an incident or a holiday: not learned from' CODEC(ZSTD(1)),
    computed_at     DateTime64(3, 'UTC')    CODEC(Delta(8), ZSTD(1))
)
ENGINE = ${R}ReplacingMergeTree(computed_at)
PARTITION BY toDate(hour)
ORDER BY (hour, tenant_id, deployment);

-- What is expected of a series in one hour: from the same hour of the week and the hours beside it, four weeks back.
-- Arrays are calls, tokens, cost; each for windows of 5, 15 and 60 minutes where they have nine values.
CREATE TABLE IF NOT EXISTS baselines
(
    hour              DateTime('UTC')         CODEC(Delta(4), ZSTD(1)),
    tenant_id         LowCardinality(String)  CODEC(ZSTD(1)),
    deployment        LowCardinality(String)  CODEC(ZSTD(1)),
    provider_name     LowCardinality(String)  CODEC(ZSTD(1)),
    region            LowCardinality(String)  CODEC(ZSTD(1)),
    active_days       UInt16                  COMMENT 'days with traffic in the last four weeks' CODEC(ZSTD(1)),
    level             Float64                 COMMENT 'the last day against what was expected of it' CODEC(ZSTD(1)),
    week_level        Float64                 COMMENT 'the last week, likewise' CODEC(ZSTD(1)),
    expected          Array(Float64)          COMMENT 'per five minutes, in calls, or in calls of mean size' CODEC(ZSTD(1)),
    largest           Array(Float64)          CODEC(ZSTD(1)),
    dispersion        Array(Float64)          COMMENT 'variance / mean' CODEC(ZSTD(1)),
    units             Array(Float64)          COMMENT '1, tokens per call, cost per call' CODEC(ZSTD(1)),
    failed_rate       Float64                 CODEC(ZSTD(1)),
    throttled_rate    Float64                 CODEC(ZSTD(1)),
    quiet             Float64                 CODEC(ZSTD(1)),
    latency_median    Array(Float64)          COMMENT 'first token, generation: of window means; NaN where unknown' CODEC(ZSTD(1)),
    latency_spread    Array(Float64)          COMMENT 'interquartile range / 1.349' CODEC(ZSTD(1)),
    computed_at       DateTime64(3, 'UTC')    CODEC(Delta(8), ZSTD(1))
)
ENGINE = ${R}ReplacingMergeTree(computed_at)
PARTITION BY toDate(hour)
ORDER BY (hour, tenant_id, deployment);

-- What an hour begins with: what the objectives and the budgets need of the hours before it, so that a tick adds the
-- minutes since and reads no week.
CREATE TABLE IF NOT EXISTS running_totals
(
    hour           DateTime('UTC')         CODEC(Delta(4), ZSTD(1)),
    tenant_id      LowCardinality(String)  CODEC(ZSTD(1)),
    deployment     LowCardinality(String)  CODEC(ZSTD(1)),
    calls_5h       UInt64                  COMMENT 'in the five hours before' CODEC(T64, LZ4),
    unserved_5h    UInt64                  COMMENT 'failed at the server, or refused' CODEC(T64, LZ4),
    calls_72h      UInt64                  CODEC(T64, LZ4),
    unserved_72h   UInt64                  CODEC(T64, LZ4),
    cost_5h        Float64                 COMMENT 'list cost, for rates only' CODEC(ZSTD(1)),
    cost_month     Float64                 COMMENT 'of this month of UTC; 0 while no budget is watched' CODEC(ZSTD(1)),
    computed_at    DateTime64(3, 'UTC')    CODEC(Delta(8), ZSTD(1))
)
ENGINE = ${R}ReplacingMergeTree(computed_at)
PARTITION BY toDate(hour)
ORDER BY (hour, tenant_id, deployment);

-- How long a back end takes for a call of given size when it is warm: intercept + slope * tokens, milliseconds.
CREATE TABLE IF NOT EXISTS latency_fits
(
    hour         DateTime('UTC'),
    deployment   LowCardinality(String),
    backend      LowCardinality(String),
    metric       LowCardinality(String) COMMENT 'first_token by input tokens, generation and total by output tokens',
    intercept    Float64,
    slope        Float64,
    bias         Float64 COMMENT 'median of ln(measured / fitted)',
    spread       Float64 COMMENT 'its interquartile range / 1.349, at least 0.1',
    calls        UInt64,
    computed_at  DateTime64(3, 'UTC')
)
ENGINE = ${R}ReplacingMergeTree(computed_at)
PARTITION BY toDate(hour)
ORDER BY (hour, deployment, backend, metric);

-- How often a call was slow after its back end had been idle for so long, by the hour: from these it is learned how long
-- an instance is kept alive.
CREATE TABLE IF NOT EXISTS idle_gaps
(
    hour         DateTime('UTC'),
    deployment   LowCardinality(String),
    backend      LowCardinality(String),
    gap_seconds  UInt32 COMMENT 'at least so long; 0 is less than 30 s',
    calls        UInt64,
    slow_calls   UInt64,
    computed_at  DateTime64(3, 'UTC')
)
ENGINE = ${R}ReplacingMergeTree(computed_at)
PARTITION BY toDate(hour)
ORDER BY (hour, deployment, backend, gap_seconds);

-- Times at which a deployment made its callers wait, as the view `cold_start_episodes` last saw them: it reads calls, and
-- whoever asks for a day of episodes should not. An episode is known by its first call; while it lasts it is written again.
CREATE TABLE IF NOT EXISTS wait_episodes
(
    started_at       DateTime64(3, 'UTC')    CODEC(Delta(8), ZSTD(1)),
    deployment       LowCardinality(String),
    backend          LowCardinality(String),
    provider_name    LowCardinality(String),
    region           LowCardinality(String),
    class            LowCardinality(String)  COMMENT 'cold_from_zero cold_scaleout overload upstream_slow throttled isolated_tail slow',
    ended_at         DateTime64(3, 'UTC')    CODEC(Delta(8), ZSTD(1)),
    slow_calls       UInt64,
    refused_calls    UInt64,
    added_seconds    Float64,
    longest_seconds  Float64,
    confirmed        Bool                    COMMENT 'a lifecycle event of the deployment was logged around it',
    evidence         String,
    confidence       Float64,
    consumers        Array(String),
    computed_at      DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ${R}ReplacingMergeTree(computed_at)
PARTITION BY toYYYYMM(started_at)
ORDER BY (started_at, deployment, backend);

-- What each consumer did in an hour: the most in five minutes, from where, and which models; so that what is new is known.
CREATE TABLE IF NOT EXISTS consumer_hours
(
    hour            DateTime('UTC'),
    consumer_id     LowCardinality(String),
    calls           UInt64,
    largest_calls   UInt64 COMMENT 'in five minutes',
    largest_tokens  UInt64 COMMENT 'in five minutes',
    networks        Array(String) COMMENT 'at most 200, of those with a network',
    models          Array(String) COMMENT 'at most 200',
    computed_at     DateTime64(3, 'UTC')
)
ENGINE = ${R}ReplacingMergeTree(computed_at)
PARTITION BY toYYYYMM(hour)
ORDER BY (hour, consumer_id);

-- What is known of each consumer when an hour begins, from four weeks of its hours but the last.
CREATE TABLE IF NOT EXISTS consumer_habits
(
    hour          DateTime('UTC'),
    consumer_id   LowCardinality(String),
    first_hour    DateTime('UTC'),
    hours         UInt64 COMMENT 'with a call',
    usual_calls   UInt64 COMMENT 'in its busiest five minutes, nine in ten hours of the last week',
    usual_tokens  UInt64 COMMENT 'the same',
    networks      Array(String),
    models        Array(String),
    computed_at   DateTime64(3, 'UTC')
)
ENGINE = ${R}ReplacingMergeTree(computed_at)
PARTITION BY toDate(hour)
ORDER BY (hour, consumer_id);

-- How far the tables above have been measured: a detector that is asked about a later instant has no data.
CREATE TABLE IF NOT EXISTS measurements
(
    what         LowCardinality(String) COMMENT 'minutes, hours, findings, or late: up to which insert calls that came late were looked for',
    through      DateTime64(3, 'UTC') COMMENT 'everything that started before',
    measured_at  DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ${R}ReplacingMergeTree(measured_at)
PARTITION BY toYYYYMM(through)
ORDER BY (what, through);

-- What each evaluation found, as it found it: the rows of every detector at its instant.
CREATE TABLE IF NOT EXISTS detections
(
    evaluated_at   DateTime64(3, 'UTC')        CODEC(Delta(8), ZSTD(1)),
    rule           LowCardinality(String)      CODEC(ZSTD(1)),
    version        UInt32                      CODEC(ZSTD(1)),
    labels         Map(String, String)         CODEC(ZSTD(1)),
    state          LowCardinality(String)      CODEC(ZSTD(1)),
    severity       LowCardinality(String)      CODEC(ZSTD(1)),
    started_at     DateTime64(3, 'UTC')        CODEC(Delta(8), ZSTD(1)),
    observed       Float64                     CODEC(ZSTD(1)),
    expected       Float64                     CODEC(ZSTD(1)),
    unit           LowCardinality(String)      CODEC(ZSTD(1)),
    score          Float64                     CODEC(ZSTD(1)),
    cost_per_hour  Nullable(Decimal(76, 24))   CODEC(ZSTD(1)),
    affected       Array(String)               CODEC(ZSTD(1)),
    evidence       String                      CODEC(ZSTD(3)),
    confidence     Float64                     CODEC(ZSTD(1))
)
ENGINE = ${R}ReplacingMergeTree
PARTITION BY toDate(evaluated_at)
ORDER BY (evaluated_at, rule, labels);

-- Whether a finding deserved to be looked at: the labels by which detectors are judged. The last verdict counts. A finding
-- has no row of its own while it lasts, so it is named by what it is of and by an instant within it.
CREATE TABLE IF NOT EXISTS detection_feedback
(
    kind         LowCardinality(String) COMMENT 'anomaly or cold_start',
    fingerprint  String                 COMMENT 'hash of rule and labels, or of deployment and backend',
    about_at     DateTime64(3, 'UTC'),
    verdict      LowCardinality(String) COMMENT 'useful or noise',
    author       String,
    comment      String,
    written_at   DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ${R}MergeTree
ORDER BY (kind, fingerprint, about_at, written_at);
