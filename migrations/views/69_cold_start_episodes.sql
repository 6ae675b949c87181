-- Times at which a back end's deployment made its callers wait, that began in [from, to), with what they were.
--
-- Slow and refused calls are one episode while the next begins within 45 seconds of the last release. A call's release is
-- when it would have started had it been warm: its start and what it took too long. The first calls of instances that
-- joined others in use are episodes of their own, because whatever else goes on, they are cold. The classes, the first
-- that fits:
--   cold_from_zero   after an idle time after which this back end has often been slow, and seldom without one; calls that
--                    waited together were released together
--   upstream_slow    most calls slow at the usual rate, none released together
--   throttled        refused, without an idle time
--   overload         at twice the usual rate, half of the calls slow or refused
--   cold_scaleout    released together, or the first calls of instances not seen before
--   isolated_tail    one or two slow calls; never worth an alert
--   slow             none of these
-- A lifecycle event of the deployment around it confirms a cold start; else it is inferred.
CREATE OR REPLACE VIEW cold_start_episodes AS
WITH
    (SELECT values FROM detector_values(at = {to:DateTime64(3, 'UTC')})) AS p,
    timed AS
    (
        SELECT * FROM timed_calls(`from` = {from:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR, `to` = {to:DateTime64(3, 'UTC')})
    ),
    marked AS
    (
        SELECT *, at_ms + if(is_slow, excess_ms, 0) AS release_ms,
               is_slow AND is_first_of_instance AND idle_seconds < 30 AND NOT waits_with_first AS joined,
               max(toNullable(release_ms)) OVER (PARTITION BY deployment, backend, joined ORDER BY at_ms ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS released_before
        FROM timed
        WHERE is_slow OR is_refused
    ),
    numbered AS
    (
        SELECT *, sum(isNull(released_before) OR at_ms > released_before + 1000 * p['cold.merge_seconds']) OVER (PARTITION BY deployment, backend, joined ORDER BY at_ms ROWS UNBOUNDED PRECEDING) AS number,
               (joined, number) AS episode
        FROM marked
    ),
    episodes AS
    (
        SELECT
            deployment, backend, episode, any(provider_name) AS provider_name, any(region) AS region,
            min(at_ms) AS first_ms, max(release_ms) AS last_ms, argMin(idle_seconds, at_ms) AS gap,
            countIf(is_slow) AS slow, countIf(NOT is_slow) AS refused,
            sumIf(excess_ms, is_slow) AS added_ms, maxIf(excess_ms, is_slow) AS peak_ms,
            if(slow < 2, nan, stddevPopIf(release_ms, is_slow) / greatest(1., stddevPopIf(at_ms, is_slow))) AS saw,
            countIf(is_slow AND is_first_of_instance) AS first_of_instances,
            groupUniqArray(20)(consumer_id) AS consumers
        FROM numbered
        GROUP BY deployment, backend, episode
        HAVING first_ms >= toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')})
    ),
    surrounded AS
    (
        SELECT
            e.deployment AS deployment, e.backend AS backend, e.episode AS episode, any(e.provider_name) AS provider_name, any(e.region) AS region,
            any(e.first_ms) AS first_ms, any(e.last_ms) AS last_ms, any(e.gap) AS gap, any(e.slow) AS slow, any(e.refused) AS refused, any(e.added_ms) AS added_ms,
            any(e.peak_ms) AS peak_ms, any(e.saw) AS saw, any(e.first_of_instances) AS first_of_instances, any(e.consumers) AS consumers,
            countIf(t.at_ms >= e.first_ms AND t.at_ms <= e.last_ms) AS inside,
            countIf(t.at_ms >= e.first_ms AND t.at_ms <= e.last_ms AND t.status BETWEEN 200 AND 299) AS inside_succeeded,
            countIf(t.at_ms >= e.first_ms - 1800000 AND t.at_ms < e.first_ms) AS before
        FROM episodes AS e
        INNER JOIN
        (
            SELECT deployment, backend, toUnixTimestamp64Milli(started_at) AS at_ms, ifNull(http_response_status_code, 0) AS status
            FROM calls FINAL
            WHERE started_at >= {from:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR AND started_at < {to:DateTime64(3, 'UTC')} AND deployment != ''
        ) AS t ON t.deployment = e.deployment AND t.backend = e.backend
        GROUP BY e.deployment, e.backend, e.episode
    ),
    gaps AS
    (
        SELECT
            deployment, backend,
            -- Hours in which much was slow without an idle time had another trouble.
            (sumIf(slow_calls, gap_seconds = 0 AND slow_calls <= 1 + 0.1 * calls) + 0.5) / (sumIf(calls, gap_seconds = 0 AND slow_calls <= 1 + 0.1 * calls) + 100) AS without_gap,
            [(sumIf(slow_calls, gap_seconds = 60), sumIf(calls, gap_seconds = 60)), (sumIf(slow_calls, gap_seconds = 300), sumIf(calls, gap_seconds = 300)),
             (sumIf(slow_calls, gap_seconds = 1200), sumIf(calls, gap_seconds = 1200)), (sumIf(slow_calls, gap_seconds = 3600), sumIf(calls, gap_seconds = 3600))] AS after
        FROM idle_gaps FINAL
        WHERE hour > {from:DateTime64(3, 'UTC')} - toIntervalDay(p['cold.learn_days']) AND hour < {to:DateTime64(3, 'UTC')}
        GROUP BY deployment, backend
    ),
    births AS
    (
        SELECT deployment, arraySort(groupArray(toUnixTimestamp64Milli(assumeNotNull(started_at)))) AS instants
        FROM events
        WHERE kind = 'lifecycle' AND enqueued_at >= {from:DateTime64(3, 'UTC')} - INTERVAL 2 HOUR AND enqueued_at < {to:DateTime64(3, 'UTC')} + INTERVAL 2 HOUR
          AND started_at IS NOT NULL AND event_name IN ('Created', 'Scheduled', 'Pulling', 'Pulled', 'Started', 'ScalingReplicaSet', 'ContainerReady')
        GROUP BY deployment
    ),
    judged AS
    (
        SELECT
            s.deployment AS deployment, s.backend AS backend, s.provider_name AS provider_name, s.region AS region, s.first_ms AS first_ms, s.last_ms AS last_ms,
            s.gap AS gap, s.slow AS slow, s.refused AS refused, s.added_ms AS added_ms, s.peak_ms AS peak_ms, s.saw AS saw,
            s.first_of_instances AS first_of_instances, s.inside AS inside, s.consumers AS consumers,
            g.after[greatest(1, toUInt8(multiIf(s.gap >= 3600, 4, s.gap >= 1200, 3, s.gap >= 300, 2, 1)))] AS known,
            -- Where nothing is known of a back end: those that can scale to nothing often are cold after a pause.
            if(s.provider_name IN ('openai', 'azure.ai.openai', 'anthropic', 'aws.bedrock', 'gcp.gemini'), (0.1, 10.), (0.3, 0.7)) AS prior,
            (known.1 + prior.1) / (known.2 + prior.1 + prior.2) AS after_gap,
            greatest(0.0005, if(g.without_gap > 0, g.without_gap, 0.005)) AS usual,
            s.slow / greatest(1, s.inside_succeeded) AS slow_share,
            (s.inside / greatest(5., (s.last_ms - s.first_ms) / 1000)) / greatest(1. / 1800, s.before / 1800) AS rate,
            NOT isNaN(s.saw) AND s.saw < p['cold.together'] AS together,
            arrayExists(i -> i BETWEEN s.first_ms - 60000 AND s.last_ms + 60000, b.instants) AS confirmed
        FROM surrounded AS s
        LEFT ANY JOIN gaps AS g ON g.deployment = s.deployment AND g.backend = s.backend
        LEFT ANY JOIN births AS b ON b.deployment = s.deployment
    )
SELECT
    toString(j.deployment) AS deployment, toString(j.backend) AS backend, toString(j.provider_name) AS provider_name, toString(j.region) AS region,
    multiIf(
        j.gap >= p['cold.gap_seconds'] AND ((j.slow = 0 AND j.refused > 0 AND j.after_gap >= p['cold.after_gap_min'])
            OR (j.slow > 0 AND j.after_gap >= p['cold.after_gap_min'] AND j.after_gap >= p['cold.over_usual'] * j.usual
                AND (j.slow <= 2 OR j.last_ms - j.first_ms < 120000 OR j.saw < 0.6))), 'cold_from_zero',
        j.slow >= 3 AND j.slow_share >= 0.55 AND j.rate < 2.5 AND NOT j.together AND j.first_of_instances < 0.3 * j.slow, 'upstream_slow',
        j.slow = 0, 'throttled',
        j.rate >= 2 AND j.slow + j.refused >= 0.5 * j.inside AND j.slow + j.refused > 2 AND NOT j.together AND j.first_of_instances < 0.3 * j.slow, 'overload',
        j.first_of_instances > 0 AND j.first_of_instances >= 0.3 * j.slow OR (j.together AND j.slow >= 4), 'cold_scaleout',
        j.slow <= 2, 'isolated_tail',
        j.rate >= 2 AND j.slow_share >= 0.5, 'overload',
        'slow') AS class,
    fromUnixTimestamp64Milli(toInt64(j.first_ms), 'UTC') AS started_at,
    fromUnixTimestamp64Milli(toInt64(greatest(j.last_ms, toFloat64(j.first_ms))), 'UTC') AS ended_at,
    toUInt64(j.slow) AS slow_calls, toUInt64(j.refused) AS refused_calls,
    round(j.added_ms / 1000, 3) AS added_seconds, round(j.peak_ms / 1000, 3) AS longest_seconds,
    j.confirmed::Bool AS confirmed,
    toJSONString(map('idle_seconds', toString(round(j.gap)), 'slow_after_such_an_idle_time', toString(round(j.after_gap, 3)), 'slow_without', toString(round(j.usual, 4)),
        'released_together', if(j.together, 'yes', 'no'), 'new_instances', toString(j.first_of_instances), 'calls_inside', toString(j.inside),
        'rate_against_before', toString(round(j.rate, 2)), 'lifecycle_event', if(j.confirmed, 'yes', 'no'))) AS evidence,
    round(multiIf(j.confirmed, 0.99, class = 'cold_from_zero', j.after_gap / (j.after_gap + j.usual) * if(j.known.2 < 5, 0.8, 0.97),
        class = 'cold_scaleout', if(j.first_of_instances > 0, 0.95, 0.7), class = 'isolated_tail', 0.5, 0.8), 3) AS confidence,
    arrayMap(c -> toString(c), j.consumers) AS consumers
FROM judged AS j;
