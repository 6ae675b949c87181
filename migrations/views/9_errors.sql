-- How well: calls by status class, by kind of error where asked for, throttling, and how often a gateway asked again. A
-- call without a status is in no class and in no rate: a rate is of the calls that have one, NULL where none has.
CREATE OR REPLACE VIEW errors AS
SELECT
    bucket, tenant_id, consumer_id, product_id, api_id, operation_name, provider_name, response_model,
    deployment, backend, region, source, service_tier, user_id,
    cache_status, attempts, model_version, routing_label, moderation_outcome, moderation_category, moderation_severity, throttled_by,
    error_type,
    count() AS calls,
    countIf(status_code >= 200 AND status_code < 300) AS status_2xx,
    countIf(status_code >= 300 AND status_code < 400) AS status_3xx,
    countIf(status_code >= 400 AND status_code < 500) AS status_4xx,
    countIf(status_code >= 500) AS status_5xx,
    countIf(status_code = 429) AS throttled,
    countIf(status_code IS NULL) AS status_unknown,
    status_4xx + status_5xx AS failed,
    countIf(attempts_made > 1) AS retried,
    sum(toUInt64(if(ifNull(attempts_made, 1) > 1, assumeNotNull(attempts_made) - 1, 0))) AS retries,
    if(calls > status_unknown, round(failed / (calls - status_unknown), 6), NULL) AS error_rate,
    if(calls > status_unknown, round(throttled / (calls - status_unknown), 6), NULL) AS throttled_rate
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
