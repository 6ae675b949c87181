-- What is expected of each series in the hour that begins at `hour`, from earlier hours only.
--
-- Learned from the same hour of the week and the hours beside it in the last four weeks; while fewer than two such weeks
-- are known, from the same hour of the last seven days. The largest windows of those are left out of the mean, because
-- unnoticed incidents are among them; not out of the maximum. `level` says
-- where the last day was against it, and `week_level` the last week.
--
-- The dispersion is the series' own: the larger of what those hours show and of how wrong the expectations of the last
-- seven days were, in hours that expected about as much: a rate that drifts makes busy hours differ by more than quiet ones.
-- Traffic is never as even as Poisson's, and a test that believes it is finds incidents every day.
CREATE OR REPLACE VIEW measured_baselines AS
WITH
    (SELECT values FROM detector_values(at = {hour:DateTime64(3, 'UTC')})) AS p,
    toDateTime({hour:DateTime64(3, 'UTC')}, 'UTC') AS now_hour,
    arrayFlatten(arrayMap(w -> arrayMap(d -> now_hour + d * 3600 - w * 604800, [-1, 0, 1]), [1, 2, 3, 4])) AS same_hours,
    arrayFilter(h -> h < now_hour, arrayFlatten(arrayMap(n -> arrayMap(d -> now_hour + d * 3600 - n * 86400, [-1, 0, 1]), range(1, 8)))) AS daily_hours,
    recent AS
    (
        SELECT
            tenant_id, deployment,
            arrayMap(x -> least(p['baseline.level_max'], greatest(p['baseline.level_min'], x)), [
                if(countIf(NOT isNaN(ratio) AND hour >= now_hour - 86400) < 12, 1, medianExactIf(ratio, NOT isNaN(ratio) AND hour >= now_hour - 86400)),
                if(countIf(NOT isNaN(ratio)) < 12, 1, medianExactIf(ratio, NOT isNaN(ratio)))]) AS levels,
            -- Where most of the last days were unusual, unusual is what is usual now.
            countIf(excluded AND hour >= now_hour - 172800) < 24 AS incidents
        FROM traffic_hours FINAL
        WHERE hour >= now_hour - 604800 AND hour < now_hour
        GROUP BY tenant_id, deployment
    ),
    -- Of the last days by what they expected of five minutes, in powers of two.
    unrest AS
    (
        SELECT tenant_id, deployment, groupArray((band, n, sums)) AS bands
        FROM
        (
            SELECT tenant_id, deployment, toInt16(floor(log2(1 + if(ratio > 0, total / ratio / 12, 0)))) AS band, count() AS n, sumForEach(residuals) AS sums
            FROM traffic_hours FINAL
            WHERE hour >= now_hour - 604800 AND hour < now_hour AND NOT excluded AND length(residuals) = 9
            GROUP BY tenant_id, deployment, band
        )
        GROUP BY tenant_id, deployment
    ),
    long AS
    (
        SELECT tenant_id, deployment, uniqExact(toDate(hour)) AS active_days, maxIf(quiet, NOT excluded) AS quiet
        FROM traffic_hours
        WHERE hour >= now_hour - 2419200 AND hour < now_hour AND notEmpty(calls)
        GROUP BY tenant_id, deployment
    ),
    places AS
    (
        SELECT tenant_id, deployment, argMax(provider_name, hour) AS provider_name, argMax(region, hour) AS region
        FROM
        (
            SELECT tenant_id, deployment, max(provider_name) AS provider_name, max(region) AS region, now_hour AS hour
            FROM traffic_minutes WHERE minute >= now_hour - 3600 AND minute < now_hour AND calls > 0
            GROUP BY tenant_id, deployment
            UNION ALL
            SELECT tenant_id, deployment, provider_name, region, hour FROM baselines WHERE hour = now_hour - 3600
        )
        GROUP BY tenant_id, deployment
    ),
    past AS
    (
        SELECT
            h.tenant_id AS tenant_id, h.deployment AS deployment,
            countIf(has(same_hours, h.hour) AND NOT (h.excluded AND r.incidents)) >= 6 AS weekly,
            if(weekly, groupArrayIf(tuple(h.calls, h.tokens, h.costs, h.failed, h.throttled), has(same_hours, h.hour) AND NOT (h.excluded AND r.incidents)),
                       groupArrayIf(tuple(h.calls, h.tokens, h.costs, h.failed, h.throttled), has(daily_hours, h.hour) AND NOT (h.excluded AND r.incidents))) AS hours,
            arrayFilter(x -> NOT isNaN(x), groupArrayArrayIf(h.first_token, NOT (h.excluded AND r.incidents))) AS first_token,
            arrayFilter(x -> NOT isNaN(x), groupArrayArrayIf(h.generation, NOT (h.excluded AND r.incidents))) AS generation,
            any(r.levels) AS levels
        FROM (SELECT * FROM traffic_hours FINAL WHERE hour IN (SELECT arrayJoin(arrayConcat(same_hours, daily_hours)))) AS h
        LEFT ANY JOIN recent AS r ON r.tenant_id = h.tenant_id AND r.deployment = h.deployment
        GROUP BY h.tenant_id, h.deployment
        HAVING notEmpty(hours)
    ),
    stated AS
    (
        SELECT
            tenant_id, deployment, weekly, levels,
            [arrayMap(h -> arrayMap(x -> toFloat64(x), h.1), hours), arrayMap(h -> h.2, hours), arrayMap(h -> h.3, hours)] AS metrics,
            arraySum(arrayMap(h -> arraySum(h.1), hours)) AS all_calls,
            [1., if(all_calls = 0, 0, arraySum(arrayMap(h -> arraySum(h.2), hours)) / all_calls),
                 if(all_calls = 0, 0, arraySum(arrayMap(h -> arraySum(h.3), hours)) / all_calls)] AS units,
            arrayMap((m, unit) -> arrayMap(k -> arraySort(if(unit <= 0, [0.], arrayFlatten(arrayMap(xs -> arrayMap(j -> arraySum(arraySlice(xs, j * k + 1, k)) / unit, range(toUInt64(intDiv(12, k)))), m)))),
                     [1, 3, 12]), metrics, units) AS windows,
            arrayMap(scales -> arrayMap(w -> arraySlice(w, 1, greatest(1, toUInt64(ceil(length(w) * p['baseline.trim'])))), scales), windows) AS trimmed,
            arrayMap(scales -> arrayAvg(scales[1]), trimmed) AS expected,
            arraySum(arrayMap(h -> h.4, hours)) AS failed, arraySum(arrayMap(h -> h.5, hours)) AS throttled,
            arrayReduce('quantilesExact(0.25, 0.5, 0.75)', first_token) AS first_token, arrayReduce('quantilesExact(0.25, 0.5, 0.75)', generation) AS generation
        FROM past
    ),
    compared AS
    (
        SELECT
            s.*, arrayFilter(b -> abs(b.1 - floor(log2(1 + s.expected[1]))) <= 1, u.bands) AS alike,
            -- Few such hours say less than all hours do.
            if(arraySum(b -> b.2, alike) >= 12, alike, u.bands) AS hours_of_unrest,
            if(empty(hours_of_unrest), [], arrayMap(i -> arraySum(b -> b.3[i], hours_of_unrest) / arraySum(b -> b.2, hours_of_unrest), range(1, 10))) AS residuals
        FROM stated AS s
        LEFT ANY JOIN unrest AS u ON u.tenant_id = s.tenant_id AND u.deployment = s.deployment
    )
SELECT
    now_hour AS hour, s.tenant_id AS tenant_id, s.deployment AS deployment, toLowCardinality(toString(w.provider_name)) AS provider_name, toLowCardinality(toString(w.region)) AS region,
    toUInt16(l.active_days) AS active_days, toFloat64(s.levels[1]) AS level, toFloat64(s.levels[2]) AS week_level, s.expected AS expected,
    arrayFlatten(arrayMap(scales -> arrayMap(x -> x[-1], scales), s.windows)) AS largest,
    arrayMap((own, i) -> p['baseline.dispersion_factor'] * greatest(p['baseline.dispersion_min'], own, if(length(s.residuals) = 9, s.residuals[i], 0)),
        arrayFlatten(arrayMap((scales, mean) -> arrayMap((x, k) -> if(mean <= 0, 0, arrayAvg(arrayMap(v -> pow(v - mean * k, 2), x)) / (mean * k)), scales, [1, 3, 12]), s.trimmed, s.expected)),
        range(1, 10)) AS dispersion,
    s.units AS units,
    (s.failed + 0.5) / (s.all_calls + 100) AS failed_rate, (s.throttled + 0.5) / (s.all_calls + 100) AS throttled_rate,
    toFloat64(l.quiet) AS quiet,
    [toFloat64(s.first_token[2]), toFloat64(s.generation[2])] AS latency_median,
    [(s.first_token[3] - s.first_token[1]) / 1.349, (s.generation[3] - s.generation[1]) / 1.349] AS latency_spread,
    now64(3, 'UTC') AS computed_at
FROM compared AS s
LEFT ANY JOIN long AS l ON l.tenant_id = s.tenant_id AND l.deployment = s.deployment
LEFT ANY JOIN places AS w ON w.tenant_id = s.tenant_id AND w.deployment = s.deployment;
