-- What a call takes on each back end when it is warm, as `latency_fits` keeps it for the hour that begins at `hour`:
-- from the calls of the day before that succeeded while it was in use. A minute without a call begins a new session, and
-- of a session the calls count that began after its first one had ended: until then all of them may wait for a start.
--
-- The line through medians of calls of similar size: the slope is the median of all slopes between two of them (Theil and
-- Sen), so that neither cold calls nor an outlier bends it. `bias` and `spread` are those of the logarithm around it.
CREATE OR REPLACE VIEW measured_fits AS
WITH
    (SELECT values FROM detector_values(at = {hour:DateTime64(3, 'UTC')})) AS p,
    timed AS
    (
        SELECT
            deployment, backend, started_at,
            toFloat64(ifNull(usage_input_tokens, 0) + ifNull(usage_cache_read_input_tokens, 0)) AS input,
            toFloat64(ifNull(usage_output_tokens, 0) + ifNull(usage_reasoning_output_tokens, 0)) AS output,
            toFloat64(ifNull(backend_ms, ifNull(duration_ms, 0))) AS whole_ms,
            toFloat64(ifNull(time_to_first_token_ms, 0)) AS first_ms,
            ifNull(http_response_status_code, 0) AS status,
            toUnixTimestamp64Milli(started_at) AS at_ms, at_ms + ifNull(duration_ms, 0) AS end_ms,
            max(end_ms) OVER (PARTITION BY deployment, backend ORDER BY at_ms ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before_ms
        FROM calls FINAL
        WHERE started_at >= {hour:DateTime64(3, 'UTC')} - toIntervalHour(p['fit.hours']) AND started_at < {hour:DateTime64(3, 'UTC')} AND deployment != ''
    ),
    sessions AS
    (
        SELECT *, sum(at_ms >= before_ms + 60000) OVER (PARTITION BY deployment, backend ORDER BY at_ms ROWS UNBOUNDED PRECEDING) AS session
        FROM timed
    ),
    warm AS
    (
        SELECT *, argMin(end_ms, at_ms) OVER (PARTITION BY deployment, backend, session) AS first_end_ms FROM sessions
    ),
    -- As many of each ten minutes as of any other: an incident has many calls, and says nothing of a usual one.
    sampled AS
    (
        SELECT * FROM warm
        WHERE status BETWEEN 200 AND 299 AND at_ms >= first_end_ms
        LIMIT 12 BY deployment, backend, toStartOfTenMinutes(started_at)
    ),
    measured AS
    (
        SELECT deployment, backend, m.1 AS metric, m.2 AS x, m.3 AS y
        FROM sampled
        ARRAY JOIN arrayFilter(m -> m.3 > 0,
            [('first_token', input, first_ms), ('generation', output, if(first_ms > 0, whole_ms - first_ms, 0)), ('total', output, whole_ms)]) AS m
    ),
    sized AS
    (
        SELECT deployment, backend, metric, medianExact(x) AS middle_x, medianExact(y) AS middle_y, count() AS n, groupArraySample(64, 1)((x, y)) AS sample
        FROM measured
        GROUP BY deployment, backend, metric, toUInt8(floor(log2(x + 1)))
        HAVING n >= 4
    ),
    lines AS
    (
        SELECT
            deployment, backend, metric, sum(n) AS calls, arraySort(groupArray((middle_x, middle_y))) AS points, groupArrayArray(sample) AS sample,
            arrayFlatten(arrayMap((a, i) -> arrayMap(b -> (b.2 - a.2) / (b.1 - a.1), arrayFilter(b -> b.1 > a.1, arraySlice(points, i + 1))), points, arrayEnumerate(points))) AS slopes,
            if(empty(slopes), 0., greatest(0., arrayReduce('medianExact', slopes))) AS slope,
            greatest(0., arrayReduce('medianExact', arrayMap(s -> s.2 - slope * s.1, sample))) AS intercept,
            arrayReduce('quantilesExact(0.25, 0.5, 0.75)', arrayMap(s -> log(s.2 / greatest(1., intercept + slope * s.1)), sample)) AS logs
        FROM sized
        GROUP BY deployment, backend, metric
    )
SELECT
    toDateTime({hour:DateTime64(3, 'UTC')}, 'UTC') AS hour, deployment, backend, toLowCardinality(metric) AS metric, intercept, slope,
    toFloat64(logs[2]) AS bias, greatest(0.1, (logs[3] - logs[1]) / 1.349) AS spread, calls, now64(3, 'UTC') AS computed_at
FROM lines
WHERE calls >= p['fit.calls_min'];
