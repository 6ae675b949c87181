-- What a change of the books changes: the same calls rated by what was known at `known_from` and at `known_to`. Rows that
-- differ, in an amount or in what has no price. A group that another tenant pays for now is one row that lost its calls
-- and one that got them. In a difference an amount that was not known counts as nothing; of two unknown ones it is NULL.
-- Why the dimensions travel as one tuple: see `spend`.
CREATE OR REPLACE VIEW rerated AS
WITH
    added AS
    (
        SELECT
            s.key AS key,
            sumIf(s.calls, NOT later) AS calls_before, sumIf(s.calls, later) AS calls_after,
            sumIf(s.unpriced_tokens, NOT later) AS unpriced_tokens_before, sumIf(s.unpriced_tokens, later) AS unpriced_tokens_after,
            sumIf(s.list_cost, NOT later) AS list_cost_before, sumIf(s.list_cost, later) AS list_cost_after,
            sumIf(s.contracted_cost, NOT later) AS contracted_cost_before, sumIf(s.contracted_cost, later) AS contracted_cost_after,
            groupUniqArrayIf(s.pricing_currency, s.pricing_currency != '') AS currencies
        FROM
        (
            SELECT (bucket, tenant_id, consumer_id, product_id, api_id, operation_name, provider_name, response_model, deployment, backend, region, source, service_tier, user_id, cache_status, attempts, model_version, routing_label, moderation_outcome, moderation_category, moderation_severity, throttled_by, cost_center, token_kind, price_model) AS key, calls, unpriced_tokens, list_cost, contracted_cost, pricing_currency, false AS later FROM spend(
                `from` = {from:DateTime64(3, 'UTC')}, `to` = {to:DateTime64(3, 'UTC')}, `step` = {step:String},
                `tz` = {tz:String}, `as_known_at` = {known_from:DateTime64(3, 'UTC')}, `visible_tenants` = {visible_tenants:Array(String)},
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
                `group_by` = {group_by:Array(String)}, `currency` = {currency:String})
            UNION ALL
            SELECT (bucket, tenant_id, consumer_id, product_id, api_id, operation_name, provider_name, response_model, deployment, backend, region, source, service_tier, user_id, cache_status, attempts, model_version, routing_label, moderation_outcome, moderation_category, moderation_severity, throttled_by, cost_center, token_kind, price_model) AS key, calls, unpriced_tokens, list_cost, contracted_cost, pricing_currency, true AS later FROM spend(
                `from` = {from:DateTime64(3, 'UTC')}, `to` = {to:DateTime64(3, 'UTC')}, `step` = {step:String},
                `tz` = {tz:String}, `as_known_at` = {known_to:DateTime64(3, 'UTC')}, `visible_tenants` = {visible_tenants:Array(String)},
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
                `group_by` = {group_by:Array(String)}, `currency` = {currency:String})
        ) AS s
        GROUP BY s.key
    )
SELECT
    key.1 AS bucket, key.2 AS tenant_id, key.3 AS consumer_id, key.4 AS product_id, key.5 AS api_id,
    key.6 AS operation_name, key.7 AS provider_name, key.8 AS response_model, key.9 AS deployment,
    key.10 AS backend, key.11 AS region, key.12 AS source, key.13 AS service_tier, key.14 AS user_id,
    key.15 AS cache_status, key.16 AS attempts, key.17 AS model_version, key.18 AS routing_label,
    key.19 AS moderation_outcome, key.20 AS moderation_category, key.21 AS moderation_severity,
    key.22 AS throttled_by, key.23 AS cost_center, key.24 AS token_kind, key.25 AS price_model,
    calls_before, calls_after, unpriced_tokens_before, unpriced_tokens_after,
    list_cost_before, list_cost_after,
    if(list_cost_before IS NULL AND list_cost_after IS NULL, NULL, ifNull(list_cost_after, 0) - ifNull(list_cost_before, 0)) AS list_cost_difference,
    contracted_cost_before, contracted_cost_after,
    if(contracted_cost_before IS NULL AND contracted_cost_after IS NULL, NULL, ifNull(contracted_cost_after, 0) - ifNull(contracted_cost_before, 0)) AS contracted_cost_difference,
    if(throwIf(length(currencies) > 1, 'one row would add amounts of two currencies'), '', currencies[1]) AS pricing_currency
FROM added
WHERE calls_before != calls_after OR unpriced_tokens_before != unpriced_tokens_after
    OR list_cost_before IS DISTINCT FROM list_cost_after OR contracted_cost_before IS DISTINCT FROM contracted_cost_after
SETTINGS optimize_and_compare_chain = 0;
