-- Why spend changed against an earlier window, for each group: what was used more or less of at the earlier prices
-- (volume), of dearer or cheaper products (mix), at other prices (price). The three add up to the change exactly.
--
-- A product is a model, service tier and kind of token of a provider. volume: the change of all tokens at the earlier
-- average cost of a token. price: tokens of products that were used in both windows, at the difference of their costs per
-- token. mix: the rest, so also products that came or went. A group that was not there before is all volume. Tokens
-- without a price are in neither window's cost; coverage says how many. volume and price are rounded to 12 decimals.
CREATE OR REPLACE VIEW spend_change AS
WITH
    products AS
    (
        SELECT
            s.tenant_id AS tenant_id, s.consumer_id AS consumer_id, s.product_id AS product_id, s.api_id AS api_id,
            s.operation_name AS operation_name,
            if(has({group_by:Array(String)}, 'provider_name'), s.provider_name, '') AS provider_name,
            s.response_model AS response_model, s.deployment AS deployment, s.backend AS backend, s.region AS region,
            s.source AS source, if(has({group_by:Array(String)}, 'service_tier'), s.service_tier, '') AS service_tier,
            s.user_id AS user_id, s.cache_status AS cache_status, s.attempts AS attempts, s.model_version AS model_version,
            s.routing_label AS routing_label, s.moderation_outcome AS moderation_outcome,
            s.moderation_category AS moderation_category, s.moderation_severity AS moderation_severity,
            s.throttled_by AS throttled_by,
            s.cost_center AS cost_center, if(has({group_by:Array(String)}, 'token_kind'), s.token_kind, '') AS token_kind,
            if(has({group_by:Array(String)}, 'price_model'), s.price_model, '') AS price_model,
            sumIf(s.priced_tokens, NOT later AND s.contracted_cost IS NOT NULL) AS tokens_before, sumIf(s.priced_tokens, later AND s.contracted_cost IS NOT NULL) AS tokens_after,
            sumIf(ifNull(s.contracted_cost, 0), NOT later) AS cost_before, sumIf(ifNull(s.contracted_cost, 0), later) AS cost_after,
            groupUniqArrayIf(s.pricing_currency, s.pricing_currency != '') AS currencies
        FROM
        (
            SELECT *, false AS later FROM spend(
                `from` = {previous_from:DateTime64(3, 'UTC')}, `to` = {previous_to:DateTime64(3, 'UTC')}, `step` = '',
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
                `group_by` = arrayConcat({group_by:Array(String)}, ['provider_name', 'price_model', 'service_tier', 'token_kind']),
                `currency` = {currency:String})
            UNION ALL
            SELECT *, true AS later FROM spend(
                `from` = {from:DateTime64(3, 'UTC')}, `to` = {to:DateTime64(3, 'UTC')}, `step` = '',
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
                `group_by` = arrayConcat({group_by:Array(String)}, ['provider_name', 'price_model', 'service_tier', 'token_kind']),
                `currency` = {currency:String})
        ) AS s
        GROUP BY tenant_id, consumer_id, product_id, api_id, operation_name, provider_name, response_model, deployment, backend,
            region, source, service_tier, user_id, cache_status, attempts, model_version, routing_label, moderation_outcome,
            moderation_category, moderation_severity, throttled_by, cost_center, token_kind, price_model,
            s.provider_name, s.service_tier, s.token_kind, s.price_model
    )
SELECT
    tenant_id, consumer_id, product_id, api_id, operation_name, provider_name, response_model, deployment, backend,
    region, source, service_tier, user_id, cache_status, attempts, model_version, routing_label, moderation_outcome,
    moderation_category, moderation_severity, throttled_by,
    cost_center, token_kind, price_model,
    sum(p.tokens_before) AS previous_priced_tokens, sum(p.tokens_after) AS priced_tokens,
    sum(p.cost_before) AS previous_contracted_cost, sum(p.cost_after) AS contracted_cost,
    contracted_cost - previous_contracted_cost AS change,
    multiIf(previous_priced_tokens = 0, contracted_cost,
        round(previous_contracted_cost / greatest(previous_priced_tokens, 1) * (toInt64(priced_tokens) - toInt64(previous_priced_tokens)), 12)) AS volume_change,
    change - volume_change - price_change AS mix_change,
    if(previous_priced_tokens = 0, toDecimal256(0, 42),
        round(sumIf(p.cost_after - p.cost_before / greatest(p.tokens_before, 1) * p.tokens_after, p.tokens_before > 0 AND p.tokens_after > 0), 12)) AS price_change,
    if(throwIf(length(arrayDistinct(groupArrayArray(p.currencies))) > 1, 'one row would add amounts of two currencies'), '',
       arrayElement(groupArrayArray(p.currencies), 1)) AS pricing_currency
FROM products AS p
GROUP BY tenant_id, consumer_id, product_id, api_id, operation_name, provider_name, response_model, deployment, backend,
    region, source, service_tier, user_id, cache_status, attempts, model_version, routing_label, moderation_outcome,
    moderation_category, moderation_severity, throttled_by,
    cost_center, token_kind, price_model
SETTINGS optimize_and_compare_chain = 0;
