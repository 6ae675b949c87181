-- How far the values of platform metrics have been compared by an instant, and when the first of the last 28 days is of;
-- NULL where there are none.
CREATE OR REPLACE VIEW metrics_through AS
SELECT
    maxOrNull(m.through) AS through,
    -- Only asked while nothing has been compared: it reads weeks of records.
    (SELECT minOrNull(assumeNotNull(e.started_at)) FROM events AS e
     WHERE call_id = '' AND kind = 'metric' AND enqueued_at >= {at:DateTime64(3, 'UTC')} - INTERVAL 28 DAY AND e.started_at >= {at:DateTime64(3, 'UTC')} - INTERVAL 28 DAY
       AND e.started_at < {at:DateTime64(3, 'UTC')} AND (SELECT count() FROM measurements WHERE what = 'metrics') = 0) AS first_value
FROM measurements AS m
WHERE what = 'metrics' AND m.through <= {at:DateTime64(3, 'UTC')};
