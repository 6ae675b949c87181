-- What was spent of each budget in a calendar month until `at`, and what the month will come to. `budget_keys` are ids and
-- starts of budgets that share a zone, a currency and the dimensions that their filters name, which are `group_by` too.
--
-- Forecast: each hour that is left costs what the same hour of the week (in the zone) has cost on average in the last four
-- weeks, or in as many whole weeks as there are since the budget's first cost; without one whole week there is none.
-- Its error: the same forecast is made at seven earlier instants, three days apart, for as many hours as are left now, and
-- compared with what came: forecast_error_percent is the sum of the misses over the sum of what came, and forecast_low
-- and forecast_high are off by the largest miss. Without enough history for one such trial they are NULL.
-- What is estimated is rounded to 6 decimals; actual_cost is exact. Where a commitment pays for all calls, effective_cost
-- is 0 and known: the share is no part of a budget.
CREATE OR REPLACE VIEW budget_status AS
WITH
    intDiv(dateDiff('second', {history_from:DateTime64(3, 'UTC')}, {at:DateTime64(3, 'UTC')}), 3600) AS now_hour,
    intDiv(dateDiff('second', {history_from:DateTime64(3, 'UTC')}, {to:DateTime64(3, 'UTC')}) + 3599, 3600) AS end_hour,
    budget AS
    (
        SELECT budget_id, name, filters, cost, amount, billing_currency, actual_percents, forecast_percents
        FROM budget_book(`as_known_at` = {as_known_at:DateTime64(3, 'UTC')}, `history` = 0)
        WHERE has({budget_keys:Array(String)}, concat(budget_id, '@', toString(toUnixTimestamp64Milli(valid_from))))
    ),
    -- Hours are numbered from history_from.
    hourly AS
    (
        SELECT
            b.budget_id AS budget_id,
            intDiv(dateDiff('second', {history_from:DateTime64(3, 'UTC')}, s.bucket), 3600) AS hour,
            any((toDayOfWeek(s.bucket, 0, {tz:String}), toHour(s.bucket, {tz:String}))) AS hour_of_week,
            s.bucket >= {from:DateTime64(3, 'UTC')} AS in_month,
            sum(multiIf(b.cost = 'list_cost', s.list_cost, b.cost = 'contracted_cost', s.contracted_cost,
                s.effective_cost IS NULL AND s.unpriced_tokens = 0, toDecimal256(0, 42), s.effective_cost)) AS cost,
            sum(s.calls) AS calls, sum(s.unpriced_tokens) AS unpriced_tokens, sum(s.committed_tokens) AS committed_tokens
        FROM spend(
            `from` = {history_from:DateTime64(3, 'UTC')}, `to` = {at:DateTime64(3, 'UTC')}, `step` = 'PT1H',
            `tz` = {tz:String}, `as_known_at` = {as_known_at:DateTime64(3, 'UTC')}, `visible_tenants` = {visible_tenants:Array(String)},
            `tenant_id` = {tenant_id:Array(String)}, `consumer_id` = {consumer_id:Array(String)},
            `product_id` = {product_id:Array(String)}, `api_id` = {api_id:Array(String)},
            `operation_name` = {operation_name:Array(String)}, `provider_name` = {provider_name:Array(String)},
            `response_model` = {response_model:Array(String)}, `deployment` = {deployment:Array(String)},
            `backend` = {backend:Array(String)}, `region` = {region:Array(String)}, `source` = {source:Array(String)},
            `service_tier` = {service_tier:Array(String)}, `user_id` = {user_id:Array(String)},
            `cache_status` = {cache_status:Array(String)}, `attempts` = {attempts:Array(String)},
            `model_version` = {model_version:Array(String)}, `routing_label` = {routing_label:Array(String)},
            `moderation_outcome` = {moderation_outcome:Array(String)},
            `moderation_category` = {moderation_category:Array(String)},
            `moderation_severity` = {moderation_severity:Array(String)}, `throttled_by` = {throttled_by:Array(String)},
            `group_by` = {group_by:Array(String)}, `currency` = {currency:String}) AS s
        CROSS JOIN budget AS b
        WHERE arrayAll((dimension, allowed) -> has(allowed, [s.tenant_id, s.consumer_id, s.product_id, s.api_id, s.operation_name,
                s.provider_name, s.response_model, s.deployment, s.backend, s.region, s.source, s.service_tier, s.user_id, s.cache_status,
                s.attempts, s.model_version, s.routing_label, s.moderation_outcome, s.moderation_category, s.moderation_severity, s.throttled_by][
            indexOf(['tenant_id', 'consumer_id', 'product_id', 'api_id', 'operation_name', 'provider_name', 'response_model', 'deployment',
                'backend', 'region', 'source', 'service_tier', 'user_id', 'cache_status', 'attempts', 'model_version', 'routing_label',
                'moderation_outcome', 'moderation_category', 'moderation_severity', 'throttled_by'], dimension)]),
            mapKeys(b.filters), mapValues(b.filters))
        GROUP BY budget_id, hour, in_month
    ),
    -- Why one chain: a step that is named twice is computed twice, and with it all of `spend` below it.
    -- Trial 0 is the forecast; the others begin so early that what they say is known by now.
    trials AS
    (
        SELECT toUInt8(number) AS trial, if(trial = 0, now_hour, now_hour - (end_hour - now_hour) - (trial - 1) * 72) AS origin,
               origin + (end_hour - now_hour) AS ends
        FROM numbers(8)
    ),
    grid AS
    (
        SELECT number AS hour, (toDayOfWeek(instant, 0, {tz:String}), toHour(instant, {tz:String})) AS hour_of_week,
               {history_from:DateTime64(3, 'UTC')} + toIntervalHour(number) AS instant
        FROM numbers(toUInt64(end_hour))
    ),
    -- How often each hour of the week was there to learn from, and is there to come.
    counts AS
    (
        SELECT t.trial AS trial, weeks, g.hour_of_week AS hour_of_week,
               countIf(g.hour >= t.origin - weeks * 168 AND g.hour < t.origin) AS learned, countIf(g.hour >= t.origin AND g.hour < t.ends) AS ahead
        FROM trials AS t CROSS JOIN grid AS g
        ARRAY JOIN [1, 2, 3, 4] AS weeks
        GROUP BY trial, weeks, hour_of_week
        HAVING ahead > 0
    ),
    -- By hour of the week and trial: what was learned from, and what came. Trial 0 also carries what the month has cost.
    tried AS
    (
        SELECT h.budget_id AS budget_id, t.trial AS trial, h.hour_of_week AS hour_of_week,
               toUInt8(ifNull(if(t.origin - h.first < 168, 0, least(4, intDiv(t.origin - h.first, 168))), 0)) AS weeks,
               sumIf(ifNull(h.cost, 0), h.hour >= t.origin - weeks * 168 AND h.hour < t.origin) AS learned,
               sumIf(ifNull(h.cost, 0), h.hour >= t.origin AND h.hour < t.ends) AS came,
               sumIf(h.cost, h.in_month AND t.trial = 0) AS cost, sumIf(h.calls, h.in_month AND t.trial = 0) AS calls,
               sumIf(h.unpriced_tokens, h.in_month AND t.trial = 0) AS unpriced_tokens, sumIf(h.committed_tokens, h.in_month AND t.trial = 0) AS committed_tokens
        FROM (SELECT *, minIf(toNullable(hour), cost > 0) OVER (PARTITION BY budget_id) AS first FROM hourly) AS h
        CROSS JOIN trials AS t
        GROUP BY budget_id, trial, weeks, hour_of_week
    ),
    forecasts AS
    (
        SELECT l.budget_id AS budget_id, l.trial AS trial, max(l.weeks) AS weeks, sum(l.came) AS came,
               round(sum(l.learned / greatest(c.learned, 1) * c.ahead), 6) AS remaining,
               sum(l.cost) AS cost, sum(l.calls) AS calls, sum(l.unpriced_tokens) AS unpriced_tokens, sum(l.committed_tokens) AS committed_tokens
        FROM tried AS l
        LEFT JOIN counts AS c ON c.trial = l.trial AND c.weeks = l.weeks AND c.hour_of_week = l.hour_of_week
        GROUP BY budget_id, trial
    ),
    judged AS
    (
        SELECT f.budget_id AS budget_id, maxIf(f.weeks, f.trial = 0) AS weeks,
               sumIf(f.remaining, f.trial = 0) AS remaining, countIf(f.trial > 0 AND f.weeks > 0) AS trials,
               maxIf(abs(f.came - f.remaining), f.trial > 0 AND f.weeks > 0) AS miss, sumIf(abs(f.came - f.remaining), f.trial > 0 AND f.weeks > 0) AS misses,
               sumIf(f.came, f.trial > 0 AND f.weeks > 0) AS came,
               sum(f.cost) AS cost, sum(f.calls) AS calls, sum(f.unpriced_tokens) AS unpriced_tokens, sum(f.committed_tokens) AS committed_tokens
        FROM forecasts AS f
        GROUP BY budget_id
    )
SELECT
    b.budget_id AS budget_id, b.name AS name, b.filters AS filters, b.cost AS cost, b.amount AS amount, b.billing_currency AS billing_currency,
    {tz:String} AS time_zone, {from:DateTime64(3, 'UTC')} AS month_start, {to:DateTime64(3, 'UTC')} AS month_end, {at:DateTime64(3, 'UTC')} AS spent_until,
    toUInt16(if({at:DateTime64(3, 'UTC')} < {to:DateTime64(3, 'UTC')}, dateDiff('day', {at:DateTime64(3, 'UTC')}, {to:DateTime64(3, 'UTC')}, {tz:String}), 0)) AS remaining_days,
    if(j.calls = 0, toDecimal256(0, 42), j.cost) AS actual_cost,
    toDecimal256(b.amount, 42) - actual_cost AS remaining_amount,
    toDecimal128(toDecimal256(round(actual_cost, 6), 10) * 100 / b.amount, 4) AS actual_percent,
    multiIf({at:DateTime64(3, 'UTC')} >= {to:DateTime64(3, 'UTC')}, actual_cost, j.weeks = 0, NULL, round(actual_cost + j.remaining, 6)) AS forecast_cost,
    toDecimal128(toDecimal256(round(forecast_cost, 6), 10) * 100 / b.amount, 4) AS forecast_percent,
    if(j.trials = 0, NULL, greatest(actual_cost, forecast_cost - j.miss)) AS forecast_low,
    if(j.trials = 0, NULL, forecast_cost + j.miss) AS forecast_high,
    if(j.came = 0, NULL, toDecimal128(toDecimal256(round(j.misses, 6), 10) * 100 / toDecimal256(round(j.came, 6), 6), 4)) AS forecast_error_percent,
    toUInt8(j.weeks) AS forecast_weeks, toUInt8(j.trials) AS forecast_trials,
    arrayFilter(p -> ifNull(actual_cost * 100 >= toDecimal256(b.amount, 6) * p, false), b.actual_percents) AS actual_percents_reached,
    arrayFilter(p -> ifNull(forecast_cost * 100 >= toDecimal256(b.amount, 6) * p, false), b.forecast_percents) AS forecast_percents_reached,
    multiIf(actual_cost IS NULL, 'unknown', ifNull(actual_cost > b.amount, false), 'exceeded', ifNull(forecast_cost > b.amount, false), 'forecast_exceeded', 'within') AS state,
    j.unpriced_tokens AS unpriced_tokens, j.committed_tokens AS committed_tokens
FROM budget AS b
LEFT JOIN judged AS j ON j.budget_id = b.budget_id
SETTINGS optimize_and_compare_chain = 0;
