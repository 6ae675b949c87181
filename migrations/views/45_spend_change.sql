-- Why spend changed against an earlier window, for each group: what was used more or less of at the earlier prices
-- (volume), of dearer or cheaper products (mix), at other prices (price). The three add up to the change exactly.
--
-- A product is a model, service tier and kind of token of a provider. volume: the change of all tokens at the earlier
-- average cost of a token. price: tokens of products that were used in both windows, at the difference of their costs per
-- token. mix: the rest, so also products that came or went. A group that was not there before is all volume. Tokens
-- without a price are in neither window's cost; coverage says how many. volume and price are rounded to 12 decimals.
-- Why the dimensions travel as one tuple: see `spend`.
CREATE OR REPLACE VIEW spend_change AS
WITH
    spent AS
    (
        SELECT
            (tenant_id, consumer_id, product_id, api_id, operation_name,
            if(has({group_by:Array(String)}, 'provider_name'), provider_name, ''), response_model, deployment,
            backend, region, source, if(has({group_by:Array(String)}, 'service_tier'), service_tier, ''), user_id,
            cache_status, attempts, model_version, routing_label, moderation_outcome, moderation_category,
            moderation_severity, throttled_by, cost_center,
            if(has({group_by:Array(String)}, 'token_kind'), token_kind, ''),
            if(has({group_by:Array(String)}, 'price_model'), price_model, '')) AS key,
            (provider_name, service_tier, token_kind, price_model) AS product, priced_tokens, contracted_cost, pricing_currency, false AS later
        FROM spend(
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
        SELECT
            (tenant_id, consumer_id, product_id, api_id, operation_name,
            if(has({group_by:Array(String)}, 'provider_name'), provider_name, ''), response_model, deployment,
            backend, region, source, if(has({group_by:Array(String)}, 'service_tier'), service_tier, ''), user_id,
            cache_status, attempts, model_version, routing_label, moderation_outcome, moderation_category,
            moderation_severity, throttled_by, cost_center,
            if(has({group_by:Array(String)}, 'token_kind'), token_kind, ''),
            if(has({group_by:Array(String)}, 'price_model'), price_model, '')) AS key,
            (provider_name, service_tier, token_kind, price_model) AS product, priced_tokens, contracted_cost, pricing_currency, true AS later
        FROM spend(
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
    ),
    products AS
    (
        SELECT
            s.key AS key,
            sumIf(s.priced_tokens, NOT later AND s.contracted_cost IS NOT NULL) AS tokens_before, sumIf(s.priced_tokens, later AND s.contracted_cost IS NOT NULL) AS tokens_after,
            sumIf(ifNull(s.contracted_cost, 0), NOT later) AS cost_before, sumIf(ifNull(s.contracted_cost, 0), later) AS cost_after,
            groupUniqArrayIf(s.pricing_currency, s.pricing_currency != '') AS currencies
        FROM spent AS s
        GROUP BY s.key, s.product
    ),
    added AS
    (
        SELECT
            p.key AS key,
            sum(p.tokens_before) AS tokens_before, sum(p.tokens_after) AS tokens_after,
            sum(p.cost_before) AS cost_before, sum(p.cost_after) AS cost_after,
            round(sumIf(p.cost_after - p.cost_before / greatest(p.tokens_before, 1) * p.tokens_after, p.tokens_before > 0 AND p.tokens_after > 0), 12) AS price_change,
            arrayDistinct(groupArrayArray(p.currencies)) AS currencies
        FROM products AS p
        GROUP BY p.key
    )
SELECT
    key.1 AS tenant_id, key.2 AS consumer_id, key.3 AS product_id, key.4 AS api_id, key.5 AS operation_name,
    key.6 AS provider_name, key.7 AS response_model, key.8 AS deployment, key.9 AS backend,
    key.10 AS region, key.11 AS source, key.12 AS service_tier, key.13 AS user_id, key.14 AS cache_status,
    key.15 AS attempts, key.16 AS model_version, key.17 AS routing_label, key.18 AS moderation_outcome,
    key.19 AS moderation_category, key.20 AS moderation_severity, key.21 AS throttled_by,
    key.22 AS cost_center, key.23 AS token_kind, key.24 AS price_model,
    tokens_before AS previous_priced_tokens, tokens_after AS priced_tokens,
    cost_before AS previous_contracted_cost, cost_after AS contracted_cost,
    contracted_cost - previous_contracted_cost AS change,
    multiIf(previous_priced_tokens = 0, contracted_cost,
        round(previous_contracted_cost / greatest(previous_priced_tokens, 1) * (toInt64(priced_tokens) - toInt64(previous_priced_tokens)), 12)) AS volume_change,
    change - volume_change - price_change AS mix_change,
    if(previous_priced_tokens = 0, toDecimal256(0, 42), a.price_change) AS price_change,
    if(throwIf(length(currencies) > 1, 'one row would add amounts of two currencies'), '', currencies[1]) AS pricing_currency
FROM added AS a
SETTINGS optimize_and_compare_chain = 0;
