-- Every series at every minute from `from` through `to`, in one hour of the clock after its first instant: what of its
-- last 5, 15 and 60 minutes differs from its baseline. One row per finding; the tick asks with from = to.
--
-- How a count is tested: a negative binomial with the series' own dispersion; the tail beyond x is its probability at x
-- over 1 - the ratio of the next to it, which bounds the geometric rest. Beside the probability a finding must be large
-- against the mean, against anything the same hours have shown, and in itself.
-- How a silence is tested: the probability of nothing at all in the minutes since the last call.
-- How latency is tested: the mean logarithm of time against expectation, against the spread that its windows usually
-- have and that of a mean of so few calls.
--
-- Each minute of a series is one place in an array, and a window is the difference of two running sums: one pass over
-- the rows serves all windows of all instants.
--
-- Findings are grouped to their cause, with their price and their weight.
-- Where most series of a tenant move together, the tenant moved and not its deployments: one row for the tenant. Where
-- the same happens to several tenants of a provider's region at once, one row for the region. What a group explains is
-- not told again for its members.
-- What it costs per hour is the share of the window's list cost that is beyond what was expected; NULL where the window
-- has no price. Which weight it has follows from money for spikes, and from the share of calls for bursts.
CREATE OR REPLACE VIEW traffic_findings AS
WITH
    (SELECT (values, versions) FROM detector_values(at = {to:DateTime64(3, 'UTC')})) AS v,
    v.1 AS p,
    toDateTime({from:DateTime64(3, 'UTC')}, 'UTC') - 3600 AS base,
    toUInt32(dateDiff('minute', {from:DateTime64(3, 'UTC')}, {to:DateTime64(3, 'UTC')})) AS more,
    toStartOfHour(toDateTime({from:DateTime64(3, 'UTC')}, 'UTC') - 1) AS baseline_hour,
    series AS
    (
        SELECT
            tenant_id, deployment,
            groupArrayInsertAt(0)(calls, place) AS calls,
            groupArrayInsertAt(0)(failed, place) AS failed,
            groupArrayInsertAt(0)(throttled, place) AS throttled,
            groupArrayInsertAt(0.)(toFloat64(tokens), place) AS tokens,
            groupArrayInsertAt(toDecimal256(0, 24))(ifNull(list_cost, toDecimal256(0, 24)), place) AS costs,
            groupArrayInsertAt(0)(toUInt32(isNotNull(list_cost)), place) AS priced,
            groupArrayInsertAt(0)(first_token_calls, place) AS first_token_calls,
            groupArrayInsertAt(0.)(first_token_log, place) AS first_token_log,
            groupArrayInsertAt(0)(generation_calls, place) AS generation_calls,
            groupArrayInsertAt(0.)(generation_log, place) AS generation_log
        FROM
        (
            SELECT *, toUInt32(dateDiff('minute', base, minute)) AS place
            FROM traffic_minutes FINAL
            WHERE minute >= base AND minute < {to:DateTime64(3, 'UTC')}
        )
        GROUP BY tenant_id, deployment
    ),
    summed AS
    (
        SELECT
            if(notEmpty(s.tenant_id), s.tenant_id, b.tenant_id) AS tenant_id, if(notEmpty(s.tenant_id), s.deployment, b.deployment) AS deployment,
            b.provider_name AS provider_name, b.region AS region, b.active_days AS active_days,
            -- While little is known of a series, only twice as much is a finding.
            if(b.active_days < p['warm_up.full_days'], p['warm_up.factor'], 1) AS caution,
            b.active_days >= p['warm_up.days'] AND notEmpty(b.expected) AS known,
            arrayMap(x -> x * b.level, b.expected) AS expected, b.largest AS largest, b.dispersion AS dispersion, b.units AS units,
            b.failed_rate AS failed_rate, b.throttled_rate AS throttled_rate, b.quiet AS quiet,
            b.latency_median AS latency_median, b.latency_spread AS latency_spread,
            arrayResize(s.calls, 60 + more, 0) AS minutes,
            arrayMap(xs -> arrayConcat([0.], arrayCumSum(xs)),
                [arrayMap(x -> toFloat64(x), minutes), arrayResize(s.tokens, 60 + more, 0), arrayMap(x -> toFloat64(x), arrayResize(s.costs, 60 + more, toDecimal256(0, 24)))]) AS amounts,
            arrayResize(s.costs, 60 + more, toDecimal256(0, 24)) AS costs, arrayResize(s.priced, 60 + more, 0) AS priced,
            arrayConcat([0], arrayCumSum(arrayResize(s.failed, 60 + more, 0))) AS failed,
            arrayConcat([0], arrayCumSum(arrayResize(s.throttled, 60 + more, 0))) AS throttled,
            [arrayConcat([0], arrayCumSum(arrayResize(s.first_token_calls, 60 + more, 0))), arrayConcat([0], arrayCumSum(arrayResize(s.generation_calls, 60 + more, 0)))] AS timed,
            [arrayConcat([0.], arrayCumSum(arrayResize(s.first_token_log, 60 + more, 0))), arrayConcat([0.], arrayCumSum(arrayResize(s.generation_log, 60 + more, 0)))] AS logs
        FROM series AS s
        FULL JOIN (SELECT * FROM baselines FINAL WHERE hour = baseline_hour) AS b ON b.tenant_id = s.tenant_id AND b.deployment = s.deployment
    ),
    instants AS
    (
        SELECT
            *, i AS i, 61 + i AS e, base + 60 * (60 + i) AS t,
            arrayMap(k -> amounts[1][e] - amounts[1][e - k], [5, 15, 60]) AS calls,
            if(known AND expected[1] * 3 >= p['group.expected_min'], calls[2] / (expected[1] * 3), nan) AS moved
        FROM summed
        ARRAY JOIN range(0, more + 1) AS i
    ),
    placed AS
    (
        SELECT
            *,
            countIf(NOT isNaN(moved)) OVER (PARTITION BY tenant_id, i) AS tenant_series,
            countIf(moved < p['group.fall']) OVER (PARTITION BY tenant_id, i) / tenant_series AS tenant_fallen,
            countIf(moved > p['group.rise']) OVER (PARTITION BY tenant_id, i) / tenant_series AS tenant_risen
        FROM instants
    ),
    tested AS
    (
        SELECT
            tenant_id, deployment, provider_name, region, t, active_days, e, costs, priced, tenant_series, tenant_fallen, tenant_risen, calls, units, dispersion,
            arrayConcat(
                arrayMap((m, w) -> (
                    ['request_spike', 'token_spike', 'cost_spike'][m], [5, 15, 60][w],
                    (amounts[m][e] - amounts[m][e - [5, 15, 60][w]]) / if(units[m] > 0, units[m], 1) AS x,
                    expected[m] * [1, 3, 12][w] AS mean,
                    if(NOT known OR units[m] <= 0 OR mean <= 0 OR x < p['spike.ratio'] * caution * mean OR x < p['spike.over_largest'] * largest[3 * (m - 1) + w]
                       OR x - mean < p['spike.excess_min'] * caution
                       -- More calls bring more tokens: a spike of tokens or cost is one of larger or dearer calls.
                       OR (m > 1 AND x < p['spike.size_ratio'] * calls[w]), 0.,
                       -(lgamma(x + mean / (dispersion[3 * (m - 1) + w] - 1)) - lgamma(mean / (dispersion[3 * (m - 1) + w] - 1)) - lgamma(x + 1)
                         - mean / (dispersion[3 * (m - 1) + w] - 1) * log(dispersion[3 * (m - 1) + w]) + x * log(1 - 1 / dispersion[3 * (m - 1) + w])
                         - log(1 - least(0.999999, (x + mean / (dispersion[3 * (m - 1) + w] - 1)) / (x + 1) * (1 - 1 / dispersion[3 * (m - 1) + w])))) / log(10))),
                    [1, 1, 1, 2, 2, 2, 3, 3, 3], [1, 2, 3, 1, 2, 3, 1, 2, 3]),
                arrayMap((bad, rule, base_rate, w) -> (
                    rule, [5, 15, 60][w], toFloat64(bad[e] - bad[e - [5, 15, 60][w]]) AS x, calls[w] * greatest(p['burst.rate_floor'], base_rate) AS mean,
                    if(x < p['burst.events_min'] OR x < calls[w] * greatest(p['burst.rate_min'], p['burst.ratio'] * base_rate) OR x <= mean, 0.,
                       -(lgamma(x + mean / (p['burst.dispersion'] - 1)) - lgamma(mean / (p['burst.dispersion'] - 1)) - lgamma(x + 1)
                         - mean / (p['burst.dispersion'] - 1) * log(p['burst.dispersion']) + x * log(1 - 1 / p['burst.dispersion'])
                         - log(1 - least(0.999999, (x + mean / (p['burst.dispersion'] - 1)) / (x + 1) * (1 - 1 / p['burst.dispersion'])))) / log(10))),
                    [failed, failed, failed, throttled, throttled, throttled],
                    ['error_burst', 'error_burst', 'error_burst', 'throttle_burst', 'throttle_burst', 'throttle_burst'],
                    [failed_rate, failed_rate, failed_rate, throttled_rate, throttled_rate, throttled_rate], [1, 2, 3, 1, 2, 3])) AS counted,
            arrayMap((m, k) -> (
                ['first_token', 'generation'][m], k, toFloat64(timed[m][e] - timed[m][e - k]) AS n, (logs[m][e] - logs[m][e - k]) / n - latency_median[m] AS shift,
                if(NOT known OR isNaN(latency_median[m]) OR n < p['latency.calls_min'] OR isNaN(shift) OR shift < log(p['latency.ratio'] * if(caution > 1, 1.5, 1)), 0.,
                   shift / sqrt(pow(greatest(p['latency.spread_min'], latency_spread[m]), 2) + pow(p['latency.call_spread'], 2) / n))),
                [1, 1, 2, 2], [5, 15, 5, 15]) AS timings,
            60 - arrayLastIndex(n -> n > 0, arraySlice(minutes, i + 1, 60)) AS run,
            if(known, run * expected[1] / 5, 0) AS missed,
            if(NOT known OR missed < p['silence.expected_min'] * caution OR run < p['silence.minutes_min'] OR missed < p['silence.over_longest'] * quiet, 0.,
               missed / (dispersion[if(run >= 60, 3, if(run >= 15, 2, 1))] - 1) * log(dispersion[if(run >= 60, 3, if(run >= 15, 2, 1))]) / log(10)) AS silent
        FROM placed
    ),
    found AS
    (
        SELECT
            toDateTime64(t, 3, 'UTC') AS evaluated_at, tenant_id, deployment, provider_name, region, active_days,
            tenant_series, tenant_fallen, tenant_risen,
            finding.1 AS rule, toUInt8(finding.2) AS minutes, finding.3 AS observed, finding.4 AS expected, finding.5 AS unit, finding.6 AS score, finding.7 AS metric,
            toFloat64(calls[indexOf([5, 15, 60], minutes)]) AS window_calls,
            -- Exact, of the window's calls that have a price; NULL where none has.
            if(arrayExists(n -> n > 0, arraySlice(priced, e - minutes, minutes)), arraySum(arraySlice(costs, e - minutes, minutes)), NULL) AS window_cost
        FROM tested
        ARRAY JOIN arrayConcat(
            -- Of several windows of a rule the surest tells it.
            arrayMap(rule -> arraySort(f -> -f.6, arrayMap(c -> (
                    rule, c.2, c.3 * if(rule = 'token_spike', units[2], if(rule = 'cost_spike', units[3], 1)), c.4 * if(rule = 'token_spike', units[2], if(rule = 'cost_spike', units[3], 1)),
                    ['calls', 'tokens', 'list cost', 'failed calls', 'throttled calls'][indexOf(['request_spike', 'token_spike', 'cost_spike', 'error_burst', 'throttle_burst'], rule)],
                    least(300., c.5), ''),
                arrayFilter(c -> c.1 = rule AND c.5 >= if(endsWith(rule, '_burst'), p['burst.score'], p['spike.score']), counted)))[1],
                arrayFilter(rule -> arrayExists(c -> c.1 = rule AND c.5 >= if(endsWith(rule, '_burst'), p['burst.score'], p['spike.score']), counted), ['request_spike', 'token_spike', 'cost_spike', 'error_burst', 'throttle_burst'])),
            arraySlice(arrayMap(c -> ('latency', c.2, exp(c.4), 1., 'times', c.5, c.1), arraySort(c -> -c.5, arrayFilter(c -> c.5 >= p['latency.score'], timings))), 1, 1),
            if(silent >= p['silence.score'], [('silence', run, 0., missed, 'calls', least(300., silent), '')], [])) AS finding
    ),
    scored AS
    (
        SELECT *, rule IN ('request_spike', 'token_spike', 'cost_spike') AS spike,
               tenant_series >= p['group.series_min'] AND ((rule = 'silence' AND tenant_fallen >= p['group.share']) OR (spike AND tenant_risen >= p['group.share'])) AS whole_tenant
        FROM found
    ),
    calm AS
    (
        SELECT s.* FROM scored AS s
        WHERE NOT arrayExists(c -> c.1 IN ('', s.tenant_id) AND c.2 IN ('', s.deployment) AND s.evaluated_at > c.3 AND s.evaluated_at - toIntervalMinute(s.minutes) < c.4,
            (SELECT groupArray((tenant_id, deployment, starts_at, ends_at)) FROM detection_calendar
             WHERE starts_at < {to:DateTime64(3, 'UTC')} AND ends_at > {from:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR))
    ),
    -- More calls bring more tokens and more cost: only what the more general finding does not explain is one of its own.
    distinct_spikes AS
    (
        SELECT *, groupUniqArray(rule) OVER (PARTITION BY evaluated_at, tenant_id, deployment) AS rules FROM calm
    ),
    ranged AS
    (
        SELECT
            *, length(groupUniqArray(tenant_id) OVER (PARTITION BY evaluated_at, rule, provider_name, region)) AS region_tenants,
            rule IN ('error_burst', 'throttle_burst', 'latency', 'silence') AND provider_name != '' AND region_tenants >= p['group.tenants_min'] AS whole_region
        FROM distinct_spikes
        WHERE NOT (rule IN ('token_spike', 'cost_spike') AND has(rules, 'request_spike')) AND NOT (rule = 'cost_spike' AND has(rules, 'token_spike'))
    ),
    weighed AS
    (
        SELECT
            *,
            if(spike AND observed > 0, CAST(window_cost * toDecimal64(greatest(0, 1 - expected / observed), 6) * intDiv(60, minutes), 'Nullable(Decimal(76, 24))'), NULL) AS excess_cost,
            multiIf(
                spike AND isNotNull(excess_cost), multiIf(excess_cost >= p['spike.page_cost'], 'page', excess_cost >= p['spike.ticket_cost'], 'ticket', 'info'),
                spike, if(observed - expected >= p['spike.ticket_excess'], 'ticket', 'info'),
                rule IN ('error_burst', 'throttle_burst'), if(observed >= p['burst.page_rate'] * window_calls AND window_calls >= p['burst.page_calls'], 'page', 'ticket'),
                'ticket') AS weight,
            multiIf(whole_region, 'region', whole_tenant, 'tenant', '') AS scope,
            multiIf(scope = 'region', map('provider_name', toString(provider_name), 'region', toString(region)),
                    scope = 'tenant', map('tenant_id', toString(tenant_id)),
                    map('tenant_id', toString(tenant_id), 'deployment', toString(deployment))) AS identity
        FROM ranged
    )
SELECT
    w.evaluated_at AS evaluated_at, w.rule AS rule,
    any(v.2[if(w.rule IN ('request_spike', 'token_spike', 'cost_spike'), 'spike', if(endsWith(w.rule, '_burst'), 'burst', w.rule))]) AS version,
    w.identity AS labels, 'firing' AS state,
    -- A tenant that falls silent whole, or a region that fails for several, deserves a person now.
    if(any(w.scope) != '' AND w.rule IN ('silence', 'error_burst'), 'page', ['page', 'ticket', 'info'][min(indexOf(['page', 'ticket', 'info'], w.weight))]) AS severity,
    min(w.evaluated_at - toIntervalMinute(w.minutes)) AS started_at,
    if(any(w.scope) = '', any(w.observed), if(w.rule = 'latency', max(w.observed), sum(w.observed))) AS observed,
    if(any(w.scope) = '', any(w.expected), if(w.rule = 'latency', any(w.expected), sum(w.expected))) AS expected,
    any(w.unit) AS unit, max(w.score) AS score,
    if(any(w.spike), sum(w.excess_cost), NULL) AS cost_per_hour,
    arraySlice(arraySort(groupUniqArray(if(w.scope = '', toString(w.tenant_id), concat(w.tenant_id, '/', w.deployment)))), 1, 20) AS affected,
    toJSONString(map('window_minutes', toString(any(w.minutes)), 'metric', any(w.metric), 'scope', any(w.scope), 'series', toString(count()),
        'provider_name', toString(any(w.provider_name)), 'region', toString(any(w.region)), 'window_calls', toString(round(sum(w.window_calls))),
        'baseline', if(endsWith(w.rule, '_burst'), 'its own rate in the same hours of the last four weeks', 'the same hour of the week, four weeks back, at the level of the last day'))) AS evidence,
    round(1 - 0.5 * p['spike.score'] / greatest(p['spike.score'], max(w.score)), 4) AS confidence
FROM weighed AS w
GROUP BY w.evaluated_at, w.rule, w.identity;
