-- How fast: exact quantiles over the calls themselves (no sketch), milliseconds, one row per metric that some call has.
-- gateway_ms is what the gateway added: its duration without the time spent on the backend and on the client's line.
-- ms_per_output_token compares calls of different lengths: the time after the first token per further token where the
-- first token's time is known, else the backend's whole time per output token.
CREATE OR REPLACE VIEW latency AS
SELECT
    bucket, tenant_id, consumer_id, product_id, api_id, operation_name, provider_name, response_model,
    deployment, backend, region, source, service_tier, user_id,
    cache_status, attempts, model_version, routing_label, moderation_outcome, moderation_category, moderation_severity, throttled_by,
    metric, calls, quantiles[1] AS p50, quantiles[2] AS p90, quantiles[3] AS p95, quantiles[4] AS p99, slowest AS max
FROM
(
    SELECT
        bucket, tenant_id, consumer_id, product_id, api_id, operation_name, provider_name, response_model,
        deployment, backend, region, source, service_tier, user_id,
    cache_status, attempts, model_version, routing_label, moderation_outcome, moderation_category, moderation_severity, throttled_by,
        measure.1 AS metric,
        count() AS calls,
        quantilesExactInclusive(0.5, 0.9, 0.95, 0.99)(assumeNotNull(measure.2)) AS quantiles,
        max(assumeNotNull(measure.2)) AS slowest
    FROM grouped_calls(
        `from` = {from:DateTime64(3, 'UTC')}, `to` = {to:DateTime64(3, 'UTC')}, `step` = {step:String},
        `tz` = {tz:String}, `as_known_at` = {as_known_at:DateTime64(3, 'UTC')},
        `visible_tenants` = {visible_tenants:Array(String)}, `tenant_id` = {tenant_id:Array(String)},
        `consumer_id` = {consumer_id:Array(String)}, `product_id` = {product_id:Array(String)},
        `api_id` = {api_id:Array(String)}, `operation_name` = {operation_name:Array(String)},
        `provider_name` = {provider_name:Array(String)}, `response_model` = {response_model:Array(String)},
        `deployment` = {deployment:Array(String)}, `backend` = {backend:Array(String)},
        `region` = {region:Array(String)}, `source` = {source:Array(String)},
        `service_tier` = {service_tier:Array(String)}, `user_id` = {user_id:Array(String)},
    `cache_status` = {cache_status:Array(String)}, `attempts` = {attempts:Array(String)},
    `model_version` = {model_version:Array(String)}, `routing_label` = {routing_label:Array(String)},
    `moderation_outcome` = {moderation_outcome:Array(String)}, `moderation_category` = {moderation_category:Array(String)},
    `moderation_severity` = {moderation_severity:Array(String)}, `throttled_by` = {throttled_by:Array(String)},
        `group_by` = {group_by:Array(String)}) AS c
    ARRAY JOIN arrayFilter(x -> isNotNull(x.2),
    [
        ('duration_ms', toFloat64(c.duration_ms)),
        ('backend_ms', toFloat64(c.backend_ms)),
        ('gateway_ms', toFloat64(c.duration_ms) - c.backend_ms - ifNull(c.client_ms, 0)),
        ('time_to_first_token_ms', toFloat64(c.time_to_first_token_ms)),
        ('ms_per_output_token', multiIf(
            isNotNull(c.time_to_first_token_ms) AND c.output_tokens + c.reasoning_output_tokens > 1,
                (toFloat64(c.duration_ms) - c.time_to_first_token_ms) / (c.output_tokens + c.reasoning_output_tokens - 1),
            c.output_tokens + c.reasoning_output_tokens > 0, toFloat64(c.backend_ms) / (c.output_tokens + c.reasoning_output_tokens),
            NULL))
    ]) AS measure
    GROUP BY ALL
);
