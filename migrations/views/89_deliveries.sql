-- Where each delivery stands: one row per notification and receiver, of attempts since an instant. A request to deliver
-- again what was given up makes a new beginning.
CREATE OR REPLACE VIEW deliveries AS
SELECT
    d.notification_key AS notification_key,
    d.receiver AS receiver,
    any(d.alert_id) AS alert_id,
    any(d.action) AS action,
    max(d.attempt) AS attempts,
    if(
        argMax(d.outcome, (d.attempted_at, d.attempt)) IN ('dead', 'skipped') AND any(r.replayed_at) > max(d.attempted_at),
        'replay', toString(argMax(d.outcome, (d.attempted_at, d.attempt)))
    ) AS outcome,
    argMax(tuple(d.status_code), (d.attempted_at, d.attempt)).1 AS status_code,
    argMax(d.detail, (d.attempted_at, d.attempt)) AS detail,
    minIf(d.attempted_at, d.attempted_at > r.replayed_at) AS first_at,
    max(d.attempted_at) AS last_at,
    argMax(tuple(d.retry_at), (d.attempted_at, d.attempt)).1 AS retry_at
FROM alert_deliveries AS d
LEFT JOIN
(
    SELECT notification_key, receiver, max(written_at) AS replayed_at FROM delivery_replays GROUP BY notification_key, receiver
) AS r ON r.notification_key = d.notification_key AND r.receiver = d.receiver
WHERE d.attempted_at >= {since:DateTime64(3, 'UTC')}
GROUP BY d.notification_key, d.receiver
SETTINGS join_use_nulls = 0;
