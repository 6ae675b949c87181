-- The hour that begins at `hour` as `traffic_hours` keeps it: every series that had traffic in it or was expected to.
-- An hour in which something was found, or that the calendar names, or whose traffic was beyond anything usual, is
-- excluded from what is learned.
CREATE OR REPLACE VIEW measured_hours AS
WITH
    (SELECT values FROM detector_values(at = {hour:DateTime64(3, 'UTC')})) AS p,
    {hour:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR AS ends,
    fives AS
    (
        SELECT
            tenant_id, deployment, toUInt8(intDiv(dateDiff('minute', toDateTime({hour:DateTime64(3, 'UTC')}, 'UTC'), minute), 5)) AS part,
            sum(calls) AS calls, sum(tokens) AS tokens, toFloat64(ifNull(sum(list_cost), 0)) AS cost, sum(failed) AS failed, sum(server_failed) AS server_failed, sum(throttled) AS throttled,
            if(sum(first_token_calls) < 3, nan, sum(first_token_log) / sum(first_token_calls)) AS first_token,
            if(sum(generation_calls) < 3, nan, sum(generation_log) / sum(generation_calls)) AS generation
        FROM traffic_minutes FINAL
        WHERE minute >= {hour:DateTime64(3, 'UTC')} AND minute < ends
        GROUP BY tenant_id, deployment, part
    ),
    found AS
    (
        SELECT DISTINCT labels['tenant_id'] AS tenant_id, labels['deployment'] AS deployment
        FROM detections
        WHERE evaluated_at > {hour:DateTime64(3, 'UTC')} AND evaluated_at <= ends AND state = 'firing' AND labels['tenant_id'] != ''
          AND rule IN ('request_spike', 'token_spike', 'cost_spike', 'error_burst', 'throttle_burst', 'latency', 'silence')
    ),
    dated AS
    (
        SELECT tenant_id, deployment FROM calendar_known
        WHERE NOT withdrawn AND starts_at < ends AND ends_at > {hour:DateTime64(3, 'UTC')}
    ),
    expectations AS
    (
        SELECT tenant_id, deployment, level, expected, units FROM baselines FINAL WHERE hour = {hour:DateTime64(3, 'UTC')}
    ),
    hours AS
    (
        SELECT
            tenant_id, deployment,
            groupArrayInsertAt(0, 12)(toUInt32(calls), part) AS calls,
            groupArrayInsertAt(0., 12)(toFloat64(tokens), part) AS tokens,
            groupArrayInsertAt(0., 12)(cost, part) AS costs,
            sum(failed) AS failed, sum(server_failed) AS server_failed, sum(throttled) AS throttled,
            groupArrayInsertAt(nan, 12)(first_token, part) AS first_token,
            groupArrayInsertAt(nan, 12)(generation, part) AS generation
        FROM
        (
            SELECT * FROM fives
            UNION ALL
            SELECT tenant_id, deployment, 0, 0, 0, 0, 0, 0, 0, nan, nan FROM expectations
            WHERE (tenant_id, deployment) NOT IN (SELECT tenant_id, deployment FROM fives)
        )
        GROUP BY tenant_id, deployment
    )
SELECT
    toDateTime({hour:DateTime64(3, 'UTC')}, 'UTC') AS hour,
    h.tenant_id AS tenant_id, h.deployment AS deployment, h.calls AS calls, h.tokens AS tokens, h.costs AS costs,
    toUInt32(arraySum(h.calls)) AS total, toUInt32(h.failed) AS failed, toUInt32(h.server_failed) AS server_failed, toUInt32(h.throttled) AS throttled,
    arrayMap(x -> toFloat32(x), h.first_token) AS first_token, arrayMap(x -> toFloat32(x), h.generation) AS generation,
    toFloat32(if(length(e.expected) = 3 AND e.expected[1] > 0, arraySum(h.calls) / (12 * e.expected[1]), nan)) AS ratio,
    if(length(e.expected) != 3, [], arrayFlatten(arrayMap((xs, mean, unit) -> arrayMap(k ->
            if(mean <= 0 OR unit <= 0, toFloat32(0),
               toFloat32(arrayAvg(arrayMap(j -> pow(arraySum(arraySlice(xs, j * k + 1, k)) / unit - mean * e.level * k, 2) / (mean * e.level * k), range(toUInt64(intDiv(12, k))))))),
        [1, 3, 12]), [h.calls, h.tokens, h.costs], e.expected, e.units))) AS residuals,
    toFloat32(if(length(e.expected) != 3, 0, e.expected[1] * e.level * arrayMax(arrayMap(run -> length(run), splitByChar('1', arrayStringConcat(arrayMap(n -> if(n = 0, '0', '1'), h.calls))))))) AS quiet,
    (h.tenant_id, h.deployment) IN (SELECT tenant_id, deployment FROM found)
        OR (h.tenant_id, '') IN (SELECT tenant_id, deployment FROM found)
        OR (h.tenant_id, h.deployment) IN dated OR (h.tenant_id, '') IN dated OR ('', '') IN dated
        OR ifNull(12 * e.expected[1] >= 30 AND (ratio / e.level > p['baseline.unusual_ratio'] OR ratio / e.level < 1 / p['baseline.unusual_ratio']), false) AS excluded,
    now64(3, 'UTC') AS computed_at
FROM hours AS h
LEFT ANY JOIN expectations AS e ON e.tenant_id = h.tenant_id AND e.deployment = h.deployment
-- groupArrayInsertAt cannot be read back from what a GROUP BY puts aside on disk: its default changes its type.
SETTINGS max_bytes_before_external_group_by = 0, max_bytes_ratio_before_external_group_by = 0;
