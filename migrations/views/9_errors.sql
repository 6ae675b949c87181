-- How well: calls by status class, by kind of error where asked for, throttling. A call without a status is in neither.
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
    round(failed / calls, 6) AS error_rate,
    round(throttled / calls, 6) AS throttled_rate
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
