-- How often calls of one hour were slow or refused after their back end had been idle for at least so long, as
-- `idle_gaps` keeps it; and how often while it was in use.
CREATE OR REPLACE VIEW measured_gaps AS
SELECT
    toDateTime({hour:DateTime64(3, 'UTC')}, 'UTC') AS hour, deployment, backend, toUInt32(gap) AS gap_seconds,
    count() AS calls, countIf(is_slow OR is_refused) AS slow_calls, now64(3, 'UTC') AS computed_at
FROM timed_calls(`from` = {hour:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR, `to` = {hour:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR)
ARRAY JOIN if(idle_seconds < 30, [0], arrayFilter(g -> g <= idle_seconds, [60, 300, 1200, 3600])) AS gap
WHERE started_at >= {hour:DateTime64(3, 'UTC')} AND NOT waits_with_first
GROUP BY deployment, backend, gap;
