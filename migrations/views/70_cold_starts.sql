-- Deployments whose callers waited for back ends to start, in the hour before an instant: often, or long. Never a page
-- by itself: a cold start is over when it is known; an objective that burns is another rule.
CREATE OR REPLACE VIEW cold_starts AS
WITH
    (SELECT (values, versions) FROM detector_values(at = {at:DateTime64(3, 'UTC')})) AS v,
    v.1 AS p
SELECT
    'cold_start' AS rule, toUInt32(v.2['cold_start']) AS version, map('deployment', toString(e.deployment), 'backend', toString(e.backend)) AS labels, 'firing' AS state,
    if(count() > p['cold_start.per_hour'], 'ticket', 'info') AS severity, min(e.started_at) AS started_at,
    -- Against the limit that it is beyond: how often, else how long.
    if(count() > p['cold_start.per_hour'], toFloat64(count()), round(sum(e.added_seconds), 1)) AS observed,
    toFloat64(p[if(count() > p['cold_start.per_hour'], 'cold_start.per_hour', 'cold_start.lost_seconds')]) AS expected,
    if(count() > p['cold_start.per_hour'], 'cold starts per hour', 'seconds per hour that callers waited') AS unit,
    round(sum(e.added_seconds), 3) AS score, CAST(NULL, 'Nullable(Decimal(76, 24))') AS cost_per_hour,
    arraySort(arrayDistinct(arrayFlatten(groupArray(e.consumers)))) AS affected,
    toJSONString(map('cold_starts', toString(count()), 'added_seconds', toString(round(sum(e.added_seconds), 1)), 'longest_seconds', toString(max(e.longest_seconds)),
        'from_zero', toString(countIf(e.class = 'cold_from_zero')), 'scale_out', toString(countIf(e.class = 'cold_scaleout')),
        'calls', toString(sum(e.slow_calls + e.refused_calls)), 'confirmed', toString(countIf(e.confirmed)), 'example', any(e.evidence))) AS evidence,
    round(avg(e.confidence), 3) AS confidence
FROM wait_episodes AS e FINAL
WHERE e.started_at >= {at:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR AND e.started_at < {at:DateTime64(3, 'UTC')} AND e.class IN ('cold_from_zero', 'cold_scaleout') AND e.ended_at <= {at:DateTime64(3, 'UTC')}
GROUP BY e.deployment, e.backend
HAVING count() > p['cold_start.per_hour'] OR sum(e.added_seconds) > p['cold_start.lost_seconds'];
