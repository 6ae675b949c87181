-- The calls of [from, to) that a back end's deployment answered, each with what it takes warm, how much longer it took,
-- and how long the back end had been idle before it.
--
-- Slow is what takes at least a second and half as long again as expected, and is beyond what its like ever vary. Calls
-- that were refused because nothing was ready are marked beside. The idle time is since the last end of all calls
-- before, within the range: callers begin an hour before what they ask about. A call that began before the first one
-- after an idle time had ended waits with it: it is neither a first call nor one of a warm back end.
CREATE OR REPLACE VIEW timed_calls AS
WITH
    (SELECT values FROM detector_values(at = {to:DateTime64(3, 'UTC')})) AS p,
    -- Of the last days' lines the one with the least spread: the others were learned while something was wrong.
    fits AS
    (
        SELECT deployment, backend, anyIf(fit, metric = 'first_token') AS first_token, anyIf(fit, metric = 'total') AS total
        FROM
        (
            SELECT deployment, backend, metric, argMin((intercept, slope, bias, spread), spread) AS fit
            FROM latency_fits
            WHERE hour <= {to:DateTime64(3, 'UTC')} AND hour > {from:DateTime64(3, 'UTC')} - INTERVAL 3 DAY
            GROUP BY deployment, backend, metric
        )
        GROUP BY deployment, backend
    ),
    -- The first call of each instance: few instances, found by a sum instead of another order of all calls.
    firsts AS
    (
        SELECT deployment, backend, instance_id, argMin(call_id, (started_at, call_id))
        FROM calls FINAL
        WHERE started_at >= {from:DateTime64(3, 'UTC')} AND started_at < {to:DateTime64(3, 'UTC')} AND deployment != '' AND instance_id != ''
        GROUP BY deployment, backend, instance_id
    )
SELECT
    deployment, backend, provider_name, region, consumer_id, instance_id, started_at, at_ms, status, y AS measured_ms, expected_ms,
    y - expected_ms AS excess_ms,
    status BETWEEN 200 AND 299 AND fit.4 > 0 AND excess_ms > greatest(p['cold.excess_min_ms'], p['cold.excess_share'] * expected_ms)
        AND log(greatest(y, 1) / expected_ms) / fit.4 > if(is_first_of_instance, p['cold.score_of_new'], p['cold.score']) AS is_slow,
    status IN (408, 424, 429, 503, 504) AS is_refused,
    if(isNull(before_ms), 3600., (at_ms - before_ms) / 1000) AS idle_seconds,
    -- The first of an instance after some calls of others: after an idle hour nobody knows which instance is new.
    opens_instance AND nth > 10 AS is_first_of_instance,
    idle_seconds < 30 AND at_ms < argMin(end_ms, at_ms) OVER (PARTITION BY deployment, backend, session) AS waits_with_first
FROM
(
    SELECT *, sum(isNull(before_ms) OR at_ms >= before_ms + 30000) OVER (PARTITION BY deployment, backend ORDER BY started_at, call_id ROWS UNBOUNDED PRECEDING) AS session
    FROM
    (
    SELECT
        c.call_id AS call_id, c.deployment AS deployment, c.backend AS backend, c.provider_name AS provider_name, c.region AS region, c.consumer_id AS consumer_id, c.instance_id AS instance_id,
        c.started_at AS started_at, toUnixTimestamp64Milli(c.started_at) AS at_ms, at_ms + ifNull(c.duration_ms, 0) AS end_ms, ifNull(c.http_response_status_code, 0) AS status,
        ifNull(c.time_to_first_token_ms, 0) > 0 AND f.first_token.4 > 0 AS by_first,
        if(by_first, f.first_token, f.total) AS fit,
        toFloat64(if(by_first, ifNull(c.time_to_first_token_ms, 0), ifNull(c.backend_ms, ifNull(c.duration_ms, 0)))) AS y,
        toFloat64(if(by_first, ifNull(c.usage_input_tokens, 0) + ifNull(c.usage_cache_read_input_tokens, 0), ifNull(c.usage_output_tokens, 0) + ifNull(c.usage_reasoning_output_tokens, 0))) AS x,
        greatest(1., fit.1 + fit.2 * x) * exp(fit.3) AS expected_ms,
        max(toNullable(toUnixTimestamp64Milli(c.started_at) + ifNull(c.duration_ms, 0)))
            OVER (PARTITION BY c.deployment, c.backend ORDER BY c.started_at, c.call_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before_ms,
        row_number() OVER (PARTITION BY c.deployment, c.backend ORDER BY c.started_at, c.call_id) AS nth,
        c.instance_id != '' AND (c.deployment, c.backend, c.instance_id, c.call_id) IN firsts AS opens_instance
    FROM
    (
        SELECT * FROM calls FINAL
        WHERE started_at >= {from:DateTime64(3, 'UTC')} AND started_at < {to:DateTime64(3, 'UTC')} AND deployment != ''
    ) AS c
    LEFT ANY JOIN fits AS f ON f.deployment = c.deployment AND f.backend = c.backend
    )
);
