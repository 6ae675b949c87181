-- How fast each series uses up the failures that its objective allows: a rate of 1 uses them up exactly in the period of
-- 30 days. Told where it holds over a long window and still in a short one, so that it ends soon after its cause
-- (Google, The Site Reliability Workbook, chapter 5): 14.4 over 1 h and 5 min or 6 over 6 h and 30 min is a page, 1 over
-- 3 days and 6 h a ticket. The long windows end with the hour that runs, and begin with a full one.
CREATE OR REPLACE VIEW slo_burn AS
WITH
    (SELECT (values, versions) FROM detector_values(at = {at:DateTime64(3, 'UTC')})) AS v,
    v.1 AS p,
    toStartOfMinute({at:DateTime64(3, 'UTC')}) AS instant,
    toStartOfHour(instant) AS this_hour,
    1 - p['slo_burn.target'] AS allowed,
    counted AS
    (
        SELECT tenant_id, deployment, minute AS starts, calls AS n, server_failed + throttled AS bad, 0 AS n_5h, 0 AS bad_5h, 0 AS n_72h, 0 AS bad_72h
        FROM traffic_minutes FINAL
        WHERE minute >= instant - INTERVAL 1 HOUR AND minute < instant
        UNION ALL
        SELECT tenant_id, deployment, toDateTime(0, 'UTC'), 0, 0, calls_5h, unserved_5h, calls_72h, unserved_72h
        FROM running_totals FINAL
        WHERE hour = this_hour
    ),
    summed AS
    (
        SELECT
            tenant_id, deployment,
            [sumIf(bad, starts >= instant - INTERVAL 5 MINUTE), sumIf(bad, starts >= instant - INTERVAL 30 MINUTE), sum(bad),
             sumIf(bad, starts >= this_hour) + sum(bad_5h), sumIf(bad, starts >= this_hour) + sum(bad_72h)] AS failed,
            [sumIf(n, starts >= instant - INTERVAL 5 MINUTE), sumIf(n, starts >= instant - INTERVAL 30 MINUTE), sum(n),
             sumIf(n, starts >= this_hour) + sum(n_5h), sumIf(n, starts >= this_hour) + sum(n_72h)] AS all_calls,
            arrayMap((b, a) -> if(a = 0, 0, b / a / allowed), failed, all_calls) AS burn,
            multiIf(burn[3] >= p['slo_burn.fast'] AND burn[1] >= p['slo_burn.fast'] AND all_calls[3] >= p['slo_burn.calls_min'], 3,
                    burn[4] >= p['slo_burn.medium'] AND burn[2] >= p['slo_burn.medium'] AND all_calls[4] >= p['slo_burn.calls_min'], 4,
                    burn[5] >= p['slo_burn.slow'] AND burn[4] >= p['slo_burn.slow'] AND all_calls[5] >= p['slo_burn.calls_min'], 5, 0) AS long
        FROM counted
        GROUP BY tenant_id, deployment
        HAVING long > 0
    )
SELECT
    'slo_burn' AS rule, toUInt32(v.2['slo_burn']) AS version, map('tenant_id', toString(tenant_id), 'deployment', toString(deployment)) AS labels, 'firing' AS state,
    if(long = 5, 'ticket', 'page') AS severity, toDateTime64(instant - [3600, 21600, 259200][long - 2], 3, 'UTC') AS started_at,
    toFloat64(failed[long]) AS observed, round(all_calls[long] * allowed, 3) AS expected, 'failed calls' AS unit, round(burn[long], 3) AS score,
    CAST(NULL, 'Nullable(Decimal(76, 24))') AS cost_per_hour, [toString(tenant_id)] AS affected,
    toJSONString(map('objective', toString(p['slo_burn.target']), 'long_window', ['1 h', '6 h', '3 d'][long - 2], 'burn_5m', toString(round(burn[1], 2)),
        'burn_30m', toString(round(burn[2], 2)), 'burn_1h', toString(round(burn[3], 2)), 'burn_6h', toString(round(burn[4], 2)), 'burn_3d', toString(round(burn[5], 2)),
        'calls', toString(all_calls[long]))) AS evidence,
    0.95 AS confidence
FROM summed;
