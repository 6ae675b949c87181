-- How fast each series uses up the failures that its objective allows: a rate of 1 uses them up exactly in the period of
-- 30 days. Told where it holds over a long window and still in a short one, so that it ends soon after its cause
-- (Google, The Site Reliability Workbook, chapter 5): 14.4 over 1 h and 5 min or 6 over 6 h and 30 min is a page, 1 over
-- 3 days and 6 h a ticket. Long windows are read by the hour; the hour that runs, by the minute.
CREATE OR REPLACE VIEW slo_burn AS
WITH
    (SELECT (values, versions) FROM detector_values(at = {at:DateTime64(3, 'UTC')})) AS v,
    v.1 AS p,
    toStartOfMinute({at:DateTime64(3, 'UTC')}) AS instant,
    toStartOfHour(instant) AS this_hour,
    1 - p['slo_burn.target'] AS allowed,
    counted AS
    (
        SELECT tenant_id, deployment, minute AS starts, calls AS n, server_failed + throttled AS bad
        FROM traffic_minutes FINAL
        WHERE minute >= least(this_hour, instant - INTERVAL 1 HOUR) AND minute < instant
        UNION ALL
        SELECT tenant_id, deployment, hour, total, server_failed + throttled
        FROM traffic_hours FINAL
        WHERE hour >= this_hour - INTERVAL 3 DAY AND hour < least(this_hour, toDateTime(toStartOfHour(instant - INTERVAL 1 HOUR)))
    ),
    summed AS
    (
        SELECT
            tenant_id, deployment,
            arrayMap(w -> (w.1, w.2), [
                (sumIf(bad, starts >= instant - INTERVAL 5 MINUTE), sumIf(n, starts >= instant - INTERVAL 5 MINUTE)),
                (sumIf(bad, starts >= instant - INTERVAL 30 MINUTE), sumIf(n, starts >= instant - INTERVAL 30 MINUTE)),
                (sumIf(bad, starts >= instant - INTERVAL 1 HOUR), sumIf(n, starts >= instant - INTERVAL 1 HOUR)),
                (sumIf(bad, starts >= instant - INTERVAL 6 HOUR), sumIf(n, starts >= instant - INTERVAL 6 HOUR)),
                (sum(bad), sum(n))]) AS windows,
            arrayMap(w -> if(w.2 = 0, 0, w.1 / w.2 / allowed), windows) AS burn
        FROM counted
        GROUP BY tenant_id, deployment
    ),
    judged AS
    (
        SELECT *,
            multiIf(burn[3] >= p['slo_burn.fast'] AND burn[1] >= p['slo_burn.fast'] AND windows[3].2 >= p['slo_burn.calls_min'], 3,
                    burn[4] >= p['slo_burn.medium'] AND burn[2] >= p['slo_burn.medium'] AND windows[4].2 >= p['slo_burn.calls_min'], 4,
                    burn[5] >= p['slo_burn.slow'] AND burn[4] >= p['slo_burn.slow'] AND windows[5].2 >= p['slo_burn.calls_min'], 5, 0) AS long
        FROM summed
    )
SELECT
    'slo_burn' AS rule, toUInt32(v.2['slo_burn']) AS version, map('tenant_id', toString(tenant_id), 'deployment', toString(deployment)) AS labels, 'firing' AS state,
    if(long = 5, 'ticket', 'page') AS severity, toDateTime64(instant - [3600, 21600, 259200][long - 2], 3, 'UTC') AS started_at,
    toFloat64(windows[long].1) AS observed, windows[long].2 * allowed AS expected, 'failed calls' AS unit, round(burn[long], 3) AS score,
    CAST(NULL, 'Nullable(Decimal(76, 24))') AS cost_per_hour, [toString(tenant_id)] AS affected,
    toJSONString(map('objective', toString(p['slo_burn.target']), 'long_window', ['1 h', '6 h', '3 d'][long - 2], 'burn_5m', toString(round(burn[1], 2)),
        'burn_30m', toString(round(burn[2], 2)), 'burn_1h', toString(round(burn[3], 2)), 'burn_6h', toString(round(burn[4], 2)), 'burn_3d', toString(round(burn[5], 2)),
        'calls', toString(windows[long].2))) AS evidence,
    0.95 AS confidence
FROM judged
WHERE long > 0;
