-- The minutes of [from, to) as `traffic_minutes` keeps them, from the calls that are known now. Measuring again
-- replaces: a series whose calls have gone elsewhere meanwhile gets a row of zeros.
--
-- A call's time is compared with what its back end takes for that many tokens when it is warm (latency_fits), so that a
-- longer answer is not a slower one. The logarithm is cut at both ends. Where the time of the first token is not known,
-- the whole time stands for the generation.
CREATE OR REPLACE VIEW measured_minutes AS
WITH
    (SELECT values FROM detector_values(at = {to:DateTime64(3, 'UTC')})) AS p,
    p['latency.clip_log'] AS clip,
    -- Of the last days' lines the one with the least spread: the others were learned while something was wrong.
    fits AS
    (
        SELECT deployment, backend, anyIf(fit, metric = 'first_token') AS first_token, anyIf(fit, metric = 'generation') AS generation,
               anyIf(fit, metric = 'total') AS total
        FROM
        (
            SELECT deployment, backend, metric, argMin((intercept, slope, bias), spread) AS fit
            FROM latency_fits
            WHERE hour <= {from:DateTime64(3, 'UTC')} AND hour > {from:DateTime64(3, 'UTC')} - INTERVAL 3 DAY
            GROUP BY deployment, backend, metric
        )
        GROUP BY deployment, backend
    ),
    measured AS
    (
        SELECT
            toStartOfMinute(c.started_at) AS minute,
            toString(c.tenant_id) AS tenant_id,
            arrayFirst(name -> name != '', [toString(c.deployment), toString(c.response_model), toString(c.backend), toString(c.api_id)]) AS series,
            toString(c.provider_name) AS provider_name,
            toString(c.region) AS region,
            ifNull(c.http_response_status_code, 0) AS status,
            status BETWEEN 200 AND 299 AS succeeded,
            toFloat64(ifNull(c.usage_input_tokens, 0) + ifNull(c.usage_cache_read_input_tokens, 0)) AS input,
            toFloat64(ifNull(c.usage_output_tokens, 0) + ifNull(c.usage_reasoning_output_tokens, 0)) AS output,
            toFloat64(ifNull(c.backend_ms, ifNull(c.duration_ms, 0))) AS whole_ms,
            toFloat64(ifNull(c.time_to_first_token_ms, 0)) AS first_ms,
            if(first_ms > 0, f.generation, f.total) AS fit,
            whole_ms - first_ms AS rest_ms,
            succeeded AND first_ms > 0 AND f.first_token.1 + f.first_token.2 * input > 0 AS has_first,
            succeeded AND rest_ms > 0 AND output > 0 AND fit.1 + fit.2 * output > 0 AS has_rest,
            if(has_first, greatest(-clip, least(clip, log(first_ms / (f.first_token.1 + f.first_token.2 * input)) - f.first_token.3)), 0) AS first_log,
            if(has_rest, greatest(-clip, least(clip, log(rest_ms / (fit.1 + fit.2 * output)) - fit.3)), 0) AS rest_log,
            ifNull(c.usage_input_tokens, 0) + ifNull(c.usage_cache_read_input_tokens, 0) + ifNull(c.usage_cache_creation_5m_input_tokens, 0)
                + ifNull(c.usage_cache_creation_1h_input_tokens, 0) + ifNull(c.usage_audio_input_tokens, 0) + ifNull(c.usage_output_tokens, 0)
                + ifNull(c.usage_reasoning_output_tokens, 0) + ifNull(c.usage_audio_output_tokens, 0) AS tokens
        FROM attributed_calls(
            `from` = {from:DateTime64(3, 'UTC')}, `to` = {to:DateTime64(3, 'UTC')}, `step` = 'PT1M', `tz` = 'UTC',
            `as_known_at` = '2299-12-31 23:59:59.999', `visible_tenants` = ['*'], `tenant_id` = [], `consumer_id` = [],
            `product_id` = [], `api_id` = [], `operation_name` = [], `provider_name` = [], `response_model` = [],
            `deployment` = [], `backend` = [], `region` = [], `source` = [], `service_tier` = [], `user_id` = [],
            `cache_status` = [], `attempts` = [], `model_version` = [], `routing_label` = [], `moderation_outcome` = [],
            `moderation_category` = [], `moderation_severity` = [], `throttled_by` = []) AS c
        LEFT ANY JOIN fits AS f ON f.deployment = c.deployment AND f.backend = c.backend
    )
SELECT
    toDateTime(minute, 'UTC') AS minute, toLowCardinality(tenant_id) AS tenant_id, toLowCardinality(series) AS deployment,
    toLowCardinality(max(provider)) AS provider_name, toLowCardinality(max(place)) AS region,
    toUInt32(sum(n)) AS calls, toUInt32(sum(bad)) AS failed, toUInt32(sum(theirs)) AS server_failed, toUInt32(sum(refused)) AS throttled, toUInt64(sum(amount)) AS tokens,
    CAST(sum(money) AS Nullable(Decimal(76, 24))) AS list_cost, toUInt64(sum(unpriced)) AS unpriced_tokens, arrayMap(m -> toLowCardinality(m), groupUniqArrayArray(models)) AS unpriced_models,
    toUInt32(sum(firsts)) AS first_token_calls, sum(first_sum) AS first_token_log,
    toUInt32(sum(rests)) AS generation_calls, sum(rest_sum) AS generation_log,
    now64(3, 'UTC') AS computed_at
FROM
(
    SELECT
        m.minute AS minute, m.tenant_id AS tenant_id, m.series AS series, anyHeavy(m.provider_name) AS provider, anyHeavy(m.region) AS place,
        count() AS n, countIf(m.status >= 400 AND m.status != 429) AS bad, countIf(m.status >= 500 OR m.status = 408) AS theirs, countIf(m.status = 429) AS refused,
        sum(m.tokens) AS amount, NULL AS money, 0 AS unpriced, [] AS models,
        countIf(m.has_first) AS firsts, sum(m.first_log) AS first_sum, countIf(m.has_rest) AS rests, sum(m.rest_log) AS rest_sum
    FROM measured AS m
    GROUP BY m.minute, m.tenant_id, m.series
    UNION ALL
    -- In one currency, because amounts of two are never added. What only lacks an exchange rate has a price.
    SELECT
        s.bucket, s.tenant_id, arrayFirst(name -> name != '', [toString(s.deployment), toString(s.response_model), toString(s.backend), toString(s.api_id)]), '', '', 0, 0, 0, 0, 0,
        s.list_cost, if(s.unpriced_reasons = ['no_exchange_rate'], 0, s.unpriced_tokens), if(s.unpriced_reasons = ['no_exchange_rate'], [], s.unpriced_models), 0, 0, 0, 0
    FROM spend(
        `from` = {from:DateTime64(3, 'UTC')}, `to` = {to:DateTime64(3, 'UTC')}, `step` = 'PT1M', `tz` = 'UTC',
        `as_known_at` = '2299-12-31 23:59:59.999', `visible_tenants` = ['*'], `tenant_id` = [], `consumer_id` = [],
        `product_id` = [], `api_id` = [], `operation_name` = [], `provider_name` = [], `response_model` = [],
        `deployment` = [], `backend` = [], `region` = [], `source` = [], `service_tier` = [], `user_id` = [],
        `cache_status` = [], `attempts` = [], `model_version` = [], `routing_label` = [], `moderation_outcome` = [],
        `moderation_category` = [], `moderation_severity` = [], `throttled_by` = [],
        `currency` = 'USD', `group_by` = ['tenant_id', 'deployment', 'response_model', 'backend', 'api_id', 'provider_name']) AS s
    UNION ALL
    SELECT minute, toString(tenant_id), toString(deployment), '', '', 0, 0, 0, 0, 0, NULL, 0, [], 0, 0, 0, 0
    FROM traffic_minutes FINAL
    WHERE minute >= {from:DateTime64(3, 'UTC')} AND minute < {to:DateTime64(3, 'UTC')} AND calls > 0
)
GROUP BY minute, tenant_id, series;
