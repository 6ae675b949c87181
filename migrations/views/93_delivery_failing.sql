-- A detector: receivers that have not taken a notification for five minutes, or that one was given up for in the last
-- hour. It goes by the database's clock; `at` only says that it belongs to an evaluation.
CREATE OR REPLACE VIEW delivery_failing AS
SELECT
    'delivery_failing' AS rule,
    toUInt32(1) AS version,
    map('receiver', f.receiver) AS labels,
    'firing' AS state,
    'page' AS severity,
    min(f.first_at) AS started_at,
    toFloat64(count()) AS observed,
    toFloat64(0) AS expected,
    'notifications' AS unit,
    toFloat64(count()) AS score,
    CAST(NULL, 'Nullable(Decimal(76, 24))') AS cost_per_hour,
    arraySlice(groupUniqArray(f.alert_id), 1, 20) AS affected,
    concat('{"last_answer":', toJSONString(argMax(f.detail, f.last_at)), ',"attempts":', toString(sum(f.attempts)), '}') AS evidence,
    toFloat64(1) AS confidence
FROM
(
    SELECT
        receiver, notification_key,
        any(alert_id) AS alert_id,
        min(attempted_at) AS first_at,
        max(attempted_at) AS last_at,
        max(attempt) AS attempts,
        argMax(outcome, (attempted_at, attempt)) AS last_outcome,
        argMax(concat(if(isNull(status_code), '', concat('status ', toString(assumeNotNull(status_code)), ' ')), detail), (attempted_at, attempt)) AS detail
    FROM alert_deliveries
    WHERE attempted_at >= now64(3) - INTERVAL 2 DAY AND {at:DateTime64(3, 'UTC')} > toDateTime64(0, 3)
    GROUP BY receiver, notification_key
) AS f
WHERE (f.last_outcome = 'retry' AND f.first_at < now64(3) - INTERVAL 5 MINUTE) OR (f.last_outcome = 'dead' AND f.last_at > now64(3) - INTERVAL 1 HOUR)
GROUP BY f.receiver;
