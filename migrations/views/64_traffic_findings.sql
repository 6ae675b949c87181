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
-- A minute is counted once for each instant whose last hour holds it, which is once where one instant is asked for. What
-- is left of a series are sums; and only what could be a finding by its size is tested for its probability.
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
    -- Of the minutes before instant i of a series: sums over 5, 15 and 60; the minutes since the last call.
    windows AS
    (
        SELECT
            i, tenant_id, deployment,
            [sumIf(m.calls, age <= 5), sumIf(m.calls, age <= 15), sum(m.calls)] AS calls,
            [sumIf(m.tokens, age <= 5), sumIf(m.tokens, age <= 15), sum(m.tokens)] AS tokens,
            [sumIf(m.list_cost, age <= 5), sumIf(m.list_cost, age <= 15), sum(m.list_cost)] AS costs,
            [sumIf(m.failed, age <= 5), sumIf(m.failed, age <= 15), sum(m.failed)] AS failed,
            [sumIf(m.throttled, age <= 5), sumIf(m.throttled, age <= 15), sum(m.throttled)] AS throttled,
            [sumIf(m.first_token_calls, age <= 5), sumIf(m.first_token_calls, age <= 15), sumIf(m.generation_calls, age <= 5), sumIf(m.generation_calls, age <= 15)] AS timed,
            [sumIf(m.first_token_log, age <= 5), sumIf(m.first_token_log, age <= 15), sumIf(m.generation_log, age <= 5), sumIf(m.generation_log, age <= 15)] AS logs,
            minIf(age, m.calls > 0) AS last_call
        FROM
        (
            SELECT *, toUInt32(dateDiff('minute', base, minute)) AS place, arrayJoin(range(toUInt32(greatest(0, toInt32(place) - 59)), least(more, place) + 1)) AS i, 60 + i - place AS age
            FROM traffic_minutes FINAL
            WHERE minute >= base AND minute < {to:DateTime64(3, 'UTC')}
        ) AS m
        GROUP BY i, tenant_id, deployment
    ),
    expectations AS
    (
        SELECT *, arrayJoin(range(more + 1)) AS i
        FROM baselines FINAL
        WHERE hour = toStartOfHour(toDateTime({from:DateTime64(3, 'UTC')}, 'UTC') - 1)
    ),
    compared AS
    (
        SELECT
            if(notEmpty(b.tenant_id), b.i, s.i) AS i, if(notEmpty(b.tenant_id), b.tenant_id, s.tenant_id) AS tenant_id, if(notEmpty(b.tenant_id), b.deployment, s.deployment) AS deployment,
            b.provider_name AS provider_name, b.region AS region,
            -- While little is known of a series, only twice as much is a finding.
            if(b.active_days < p['warm_up.full_days'], p['warm_up.factor'], 1) AS caution,
            b.active_days >= p['warm_up.days'] AND notEmpty(b.expected) AS known,
            -- After a holiday the usual is no spike, and after a busy day no silence: what differs must differ from both.
            arrayMap(x -> x * greatest(b.level, b.week_level), b.expected) AS expected, b.expected[1] * least(b.level, b.week_level) AS least_expected, b.largest AS largest, b.dispersion AS dispersion, b.units AS units,
            b.failed_rate AS failed_rate, b.throttled_rate AS throttled_rate, b.quiet AS quiet, b.latency_median AS latency_median, b.latency_spread AS latency_spread,
            arrayMap(x -> toFloat64(x), arrayResize(s.calls, 3)) AS calls, arrayResize(s.costs, 3) AS costs,
            [calls, arrayMap(x -> toFloat64(x), arrayResize(s.tokens, 3)), arrayMap(x -> toFloat64(ifNull(x, 0)), costs)] AS amounts,
            arrayMap(x -> toFloat64(x), arrayResize(s.failed, 3)) AS failed, arrayMap(x -> toFloat64(x), arrayResize(s.throttled, 3)) AS throttled,
            arrayResize(s.timed, 4) AS timed, arrayResize(s.logs, 4) AS logs,
            if(s.last_call = 0, 60, s.last_call - 1) AS run,
            if(known AND b.expected[1] * b.level * 3 >= p['group.expected_min'], calls[2] / (b.expected[1] * b.level * 3), nan) AS moved
        FROM expectations AS b
        FULL JOIN windows AS s ON s.i = b.i AND s.tenant_id = b.tenant_id AND s.deployment = b.deployment
    ),
    placed AS
    (
        SELECT
            *,
            countIf(NOT isNaN(moved)) OVER (PARTITION BY tenant_id, i) AS tenant_series,
            countIf(moved < p['group.fall']) OVER (PARTITION BY tenant_id, i) / tenant_series AS tenant_fallen,
            countIf(moved > p['group.rise']) OVER (PARTITION BY tenant_id, i) / tenant_series AS tenant_risen
        FROM compared
    ),
    -- What is large enough, by rule, window (1 to 3), observed and expected; with the dispersion that its probability
    -- follows from, or without it the score; and the factor from calls of mean size to its unit.
    candidates AS
    (
        SELECT
            i, tenant_id, deployment, provider_name, region, tenant_series, tenant_fallen, tenant_risen, calls, costs,
            c.1 AS rule, c.2 AS w, c.3 AS x, c.4 AS mean, c.5 AS d, c.6 AS stated, c.7 AS size, c.8 AS minutes, c.9 AS metric
        FROM placed
        ARRAY JOIN arrayConcat(
            arrayFilter(c -> known AND c.7 > 0 AND c.4 > 0 AND c.3 >= p['spike.ratio'] * caution * c.4 AND c.3 >= p['spike.over_largest'] * c.6
                    AND c.3 - c.4 >= caution * if(c.4 < 1, p['spike.excess_of_nothing'], p['spike.excess_min'])
                    -- More calls bring more tokens: a spike of tokens or cost is one of larger or dearer calls.
                    AND (c.1 = 'request_spike' OR c.3 >= p['spike.size_ratio'] * calls[c.2]),
                arrayMap((m, w) -> (['request_spike', 'token_spike', 'cost_spike'][m], w, amounts[m][w] / if(units[m] > 0, units[m], 1), expected[m] * [1, 3, 12][w],
                        dispersion[3 * (m - 1) + w], largest[3 * (m - 1) + w], units[m], toUInt8([5, 15, 60][w]), ''),
                    [1, 1, 1, 2, 2, 2, 3, 3, 3], [1, 2, 3, 1, 2, 3, 1, 2, 3])),
            arrayFilter(c -> c.3 > c.4 AND c.3 >= p['burst.events_min'] AND c.3 >= calls[c.2] * greatest(p['burst.rate_min'], p['burst.ratio'] * c.6),
                arrayMap((rule, bad, rate, w) -> (rule, w, bad[w], calls[w] * greatest(p['burst.rate_floor'], rate), p['burst.dispersion'], rate, 1., toUInt8([5, 15, 60][w]), ''),
                    ['error_burst', 'error_burst', 'error_burst', 'throttle_burst', 'throttle_burst', 'throttle_burst'], [failed, failed, failed, throttled, throttled, throttled],
                    [failed_rate, failed_rate, failed_rate, throttled_rate, throttled_rate, throttled_rate], [1, 2, 3, 1, 2, 3])),
            arrayFilter(c -> c.6 >= p['latency.score'],
                arrayMap((m, w, n, shift) -> ('latency', w, exp(shift), 1., 0.,
                        if(known AND n >= p['latency.calls_min'] AND shift >= log(p['latency.ratio'] * if(caution > 1, 1.5, 1)),
                           shift / sqrt(pow(greatest(p['latency.spread_min'], latency_spread[m]), 2) + pow(p['latency.call_spread'], 2) / n), 0.),
                        1., toUInt8([5, 15][w]), ['first_token', 'generation'][m]),
                    [1, 1, 2, 2], [1, 2, 1, 2], timed, arrayMap((sum, n, m) -> sum / n - latency_median[m], logs, timed, [1, 1, 2, 2]))),
            arrayFilter(c -> c.6 >= p['silence.score'],
                arrayMap((missed, w) -> ('silence', w, 0., missed, 0.,
                        if(known AND missed >= p['silence.expected_min'] * caution AND run >= p['silence.minutes_min'] AND missed >= p['silence.over_longest'] * quiet,
                           missed / (dispersion[w] - 1) * log10(dispersion[w]), 0.),
                        1., toUInt8(run), ''),
                    [run * least_expected / 5], [if(run >= 60, 3, if(run >= 15, 2, 1))]))) AS c
    ),
    -- Of several windows of a rule the surest tells it; and of spikes the most general, because what more calls explain is
    -- not a spike of tokens too.
    found AS
    (
        SELECT
            *, toDateTime64(base + 60 * (60 + i), 3, 'UTC') AS evaluated_at, rule IN ('request_spike', 'token_spike', 'cost_spike') AS spike,
            least(300., if(d = 0, stated,
                -(lgamma(x + mean / (d - 1)) - lgamma(mean / (d - 1)) - lgamma(x + 1) - mean / (d - 1) * log(d) + x * log(1 - 1 / d)
                    - log(1 - least(0.999999, (x + mean / (d - 1)) / (x + 1) * (1 - 1 / d)))) / log(10))) AS score,
            tenant_series >= p['group.series_min'] AND ((rule = 'silence' AND tenant_fallen >= p['group.share']) OR (spike AND tenant_risen >= p['group.share'])) AS whole_tenant
        FROM candidates
        WHERE d = 0 OR score >= p[if(spike, 'spike.score', concat(rule, '.score'))]
        ORDER BY indexOf(['request_spike', 'token_spike', 'cost_spike'], rule), score DESC, w
        LIMIT 1 BY i, tenant_id, deployment, if(spike, 'spike', rule)
    ),
    calm AS
    (
        SELECT s.* FROM found AS s
        WHERE NOT arrayExists(c -> c.1 IN ('', s.tenant_id) AND c.2 IN ('', s.deployment) AND s.evaluated_at > c.3 AND s.evaluated_at - toIntervalMinute(s.minutes) < c.4,
            (SELECT groupArray((tenant_id, deployment, starts_at, ends_at)) FROM calendar_known
             WHERE NOT withdrawn AND starts_at < {to:DateTime64(3, 'UTC')} AND ends_at > {from:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR))
    ),
    weighed AS
    (
        SELECT
            *, length(groupUniqArray(tenant_id) OVER (PARTITION BY evaluated_at, rule, provider_name, region)) AS region_tenants,
            rule IN ('error_burst', 'throttle_burst', 'latency', 'silence') AND provider_name != '' AND region_tenants >= p['group.tenants_min'] AS whole_region,
            if(spike AND x > 0, CAST(costs[w] * toDecimal64(greatest(0, 1 - mean / x), 6) * intDiv(60, minutes), 'Nullable(Decimal(76, 24))'), NULL) AS excess_cost,
            multiIf(
                spike AND isNotNull(excess_cost), multiIf(excess_cost >= p['spike.page_cost'], 'page', excess_cost >= p['spike.ticket_cost'], 'ticket', 'info'),
                spike, if(x - mean >= p['spike.ticket_excess'], 'ticket', 'info'),
                endsWith(rule, '_burst'), if(x >= p['burst.page_rate'] * calls[w] AND calls[w] >= p['burst.page_calls'], 'page', 'ticket'),
                'ticket') AS weight,
            multiIf(whole_region, 'region', whole_tenant, 'tenant', '') AS scope,
            multiIf(scope = 'region', map('provider_name', toString(provider_name), 'region', toString(region)),
                    scope = 'tenant', map('tenant_id', toString(tenant_id)),
                    map('tenant_id', toString(tenant_id), 'deployment', toString(deployment))) AS identity
        FROM calm
    )
SELECT
    f.evaluated_at AS evaluated_at, f.rule AS rule,
    any(greatest(v.2[f.rule], multiIf(f.spike, v.2['spike'], endsWith(f.rule, '_burst'), v.2['burst'], 0))) AS version,
    f.identity AS labels, 'firing' AS state,
    -- A tenant that falls silent whole, or a region that fails for several, deserves a person now.
    if(any(f.scope) != '' AND f.rule IN ('silence', 'error_burst'), 'page', ['page', 'ticket', 'info'][min(indexOf(['page', 'ticket', 'info'], f.weight))]) AS severity,
    min(f.evaluated_at - toIntervalMinute(f.minutes)) AS started_at,
    if(f.rule = 'latency', max(f.x), sum(f.x * f.size)) AS observed, if(f.rule = 'latency', any(f.mean), sum(f.mean * f.size)) AS expected,
    ['calls', 'tokens', 'list cost', 'failed calls', 'throttled calls', 'times', 'calls'][indexOf(['request_spike', 'token_spike', 'cost_spike', 'error_burst', 'throttle_burst', 'latency', 'silence'], f.rule)] AS unit,
    max(f.score) AS score, if(any(f.spike), sum(f.excess_cost), NULL) AS cost_per_hour,
    arraySlice(arraySort(groupUniqArray(if(f.scope = '', toString(f.tenant_id), concat(f.tenant_id, '/', f.deployment)))), 1, 20) AS affected,
    toJSONString(map('window_minutes', toString(any(f.minutes)), 'metric', any(f.metric), 'scope', any(f.scope), 'series', toString(count()),
        'provider_name', toString(any(f.provider_name)), 'region', toString(any(f.region)), 'window_calls', toString(round(sum(f.calls[f.w]))),
        'baseline', if(endsWith(f.rule, '_burst'), 'its own rate in the same hours of the last four weeks', 'the same hour of the week, four weeks back, at the level of the last day or week, whichever differs less'))) AS evidence,
    round(1 - 0.5 * p['spike.score'] / greatest(p['spike.score'], max(f.score)), 4) AS confidence
FROM weighed AS f
GROUP BY f.evaluated_at, f.rule, f.identity;
