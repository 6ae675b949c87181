-- Who used what: calls and disjoint token kinds that add up.
-- `usage_calls` are the calls that should have usage: all that did not fail. They are exact (a provider's own count),
-- partial (a known kind is not in the log), estimated (a gateway's guess) or missing; the shares reach every answer.
CREATE OR REPLACE VIEW usage AS
SELECT
    bucket, tenant_id, consumer_id, product_id, api_id, operation_name, provider_name, response_model,
    deployment, backend, region, source, service_tier, user_id,
    cache_status, attempts, model_version, routing_label, moderation_outcome, moderation_category, moderation_severity, throttled_by,
    count() AS calls,
    sum(c.input_tokens) AS input_tokens,
    sum(c.cache_read_input_tokens) AS cache_read_input_tokens,
    sum(c.cache_creation_5m_input_tokens + c.cache_creation_1h_input_tokens) AS cache_creation_input_tokens,
    sum(c.audio_input_tokens) AS audio_input_tokens,
    sum(c.output_tokens) AS output_tokens,
    sum(c.reasoning_output_tokens) AS reasoning_output_tokens,
    sum(c.audio_output_tokens) AS audio_output_tokens,
    input_tokens + cache_read_input_tokens + cache_creation_input_tokens + audio_input_tokens
        + output_tokens + reasoning_output_tokens + audio_output_tokens AS total_tokens,
    countIf(usage_quality != 'missing' OR ifNull(status_code < 400, true)) AS usage_calls,
    countIf(usage_quality = 'exact') AS exact_usage_calls,
    countIf(usage_quality = 'partial') AS partial_usage_calls,
    countIf(usage_quality = 'estimated') AS estimated_usage_calls,
    countIf(usage_quality = 'missing' AND ifNull(status_code < 400, true)) AS missing_usage_calls,
    countIf(usage_disagrees) AS disagreeing_calls,
    countIf(attributed) AS attributed_calls
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
GROUP BY ALL;
