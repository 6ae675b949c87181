-- What the platform metrics show at the minutes from `from` through `to`: a value so far in the tail of its own series, by
-- all four ways in which it may differ, that it happens rarely while nothing changes.
-- A value is looked at from five minutes after its own five minutes have ended, because it is polled, until the next one
-- is. The rule's `keep_firing_for_seconds` makes one alert of values that differ within hours of each other: without it a
-- change that lasts would be told again and again.
-- No tenant is named, because a metric belongs to a resource that tenants share.
CREATE OR REPLACE VIEW metric_findings AS
WITH
    (SELECT (values, versions) FROM detector_values(at = {to:DateTime64(3, 'UTC')})) AS v,
    v.1 AS p,
    found AS
    (
        SELECT series, at, score
        FROM metric_scores FINAL
        WHERE at > {from:DateTime64(3, 'UTC')} - INTERVAL 15 MINUTE AND at <= {to:DateTime64(3, 'UTC')} - INTERVAL 10 MINUTE AND score >= p['metric_anomaly.score']
    )
SELECT
    arrayJoin(arrayFilter(t -> t >= {from:DateTime64(3, 'UTC')} AND t <= {to:DateTime64(3, 'UTC')},
        arrayMap(i -> toDateTime64(d.at, 3, 'UTC') + INTERVAL 10 + i MINUTE, range(5)))) AS evaluated_at,
    'metric_anomaly' AS rule, toUInt32(v.2['metric_anomaly']) AS version, m.labels AS labels, 'firing' AS state,
    if(d.score >= p['metric_anomaly.ticket_score'], 'ticket', 'info') AS severity, toDateTime64(d.at, 3, 'UTC') AS started_at,
    m.value AS observed, if(isNaN(f.usual), (f.lowest + f.highest) / 2, f.usual) AS expected, m.labels['metric'] AS unit, floor(d.score, 3) AS score,
    CAST(NULL, 'Nullable(Decimal(76, 24))') AS cost_per_hour,
    [arrayStringConcat(arrayFilter(x -> x != '', [m.labels['gateway'], m.labels['backend'], m.labels['deployment'], m.labels['instance']]), '/')] AS affected,
    toJSONString(map('lowest_28_days', toString(f.lowest), 'highest_28_days', toString(f.highest), 'usual_at_this_hour', if(isNaN(f.usual), '', toString(f.usual)),
        'near_values_share', if(isNaN(f.rare), '', toString(round(pow(10, -f.rare), 6))), 'values_known', toString(f.known))) AS evidence,
    round(1 - pow(10, -d.score), 3) AS confidence
FROM found AS d
INNER JOIN
(
    SELECT * FROM metric_features FINAL WHERE (series, at) IN (SELECT series, at FROM found)
) AS f ON f.series = d.series AND f.at = d.at
INNER JOIN
(
    SELECT * FROM metric_values FINAL WHERE (series, at) IN (SELECT series, at FROM found)
) AS m ON m.series = d.series AND m.at = d.at
WHERE f.known >= p['metric_anomaly.values_min'];
