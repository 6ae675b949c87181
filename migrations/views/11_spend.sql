-- What it costs at list price, exactly: tokens are summed first, by everything that a price depends on, and priced after.
--
-- Which model: as the provider names it, then without its date suffix, then as it was asked for, then by the
-- deployment's name; the first that the provider's price list knows. Which price: the one that applies when the call
-- started, as known at `as_known_at`; a context tier applies when the call's whole input exceeds context_over_tokens,
-- and where a tier does not state a kind of token, the tier below does. Reasoning without a price of its own is billed
-- as output. Anything else without a price is unpriced: never 0, its tokens are in `unpriced_tokens`, and `list_cost`
-- is NULL where nothing of a group could be priced. Rows are per currency: amounts of two are never added.
--
-- Why the borders of the whole book: between two of its dates, and between two of its context sizes, no price of any
-- model changes. So calls can be summed before anything is known of their model, and the book is joined to the few sums.
-- Why the dimensions travel as one tuple: what a query of this size costs is its analysis, and each key of a GROUP BY
-- over subqueries is compared with the whole of what lies below it.
CREATE OR REPLACE VIEW spend AS
WITH
    summed AS
    (
        SELECT
            (bucket, tenant_id, consumer_id, product_id, api_id, operation_name, provider_name, response_model,
             deployment, backend, region, source, service_tier, user_id,
             cache_status, attempts, model_version, routing_label, moderation_outcome, moderation_category, moderation_severity, throttled_by) AS key,
            toString(c.price_provider) AS price_provider,
            if(c.price_response_model != '', c.price_response_model, c.price_deployment) AS asked_model,
            [toString(c.price_response_model), replaceRegexpOne(toString(c.price_response_model), '-20[0-9]{2}-?[0-9]{2}-?[0-9]{2}$', ''),
             toString(c.price_request_model), toString(c.price_deployment)] AS names,
            arrayLast(p -> p <= c.started_at, (SELECT arraySort(groupUniqArrayArray([valid_from, ifNull(valid_to, valid_from)])) FROM prices)) AS period,
            arrayLast(x -> x < c.input_tokens + c.cache_read_input_tokens + c.cache_creation_5m_input_tokens
                + c.cache_creation_1h_input_tokens + c.audio_input_tokens, (SELECT arraySort(groupUniqArray(context_over_tokens)) FROM prices)) AS context,
            count() AS calls,
            [('input', sum(c.input_tokens)), ('cache_read', sum(c.cache_read_input_tokens)), ('cache_write', sum(c.cache_creation_5m_input_tokens)), ('cache_write_1h', sum(c.cache_creation_1h_input_tokens)), ('input_audio', sum(c.audio_input_tokens)), ('output', sum(c.output_tokens)), ('reasoning', sum(c.reasoning_output_tokens)), ('output_audio', sum(c.audio_output_tokens))] AS kinds
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
        GROUP BY ALL
    ),
    named AS
    (
        SELECT *, arrayFirst(name -> (price_provider, name) IN (SELECT provider_name, model FROM prices WHERE known_from <= {as_known_at:DateTime64(3, 'UTC')}), names) AS price_model
        FROM summed
    ),
    -- Per kind of token its prices, the one that goes before last: its own, then the higher tier, then the later start.
    book AS
    (
        SELECT provider_name, model, kind,
               arraySort(groupArray((token_kind = kind, context_over_tokens, valid_from, terms.3, terms.1, terms.2))) AS prices
        FROM
        (
            SELECT provider_name, model, token_kind, context_over_tokens, valid_from,
                   argMax((list_token_price, pricing_currency, valid_to), known_from) AS terms
            FROM prices
            WHERE known_from <= {as_known_at:DateTime64(3, 'UTC')}
            GROUP BY provider_name, model, token_kind, context_over_tokens, valid_from
        )
        ARRAY JOIN if(token_kind = 'output', ['output', 'reasoning'], [toString(token_kind)]) AS kind
        GROUP BY provider_name, model, kind
    ),
    priced AS
    (
        SELECT
            n.key AS key,
            if(k.1 = 'input', n.calls, 0) AS calls,
            k.2 AS tokens,
            if(n.price_model != '', n.price_model, n.asked_model) AS model,
            arrayLast(p -> p.2 <= n.context AND p.3 <= n.period AND ifNull(p.4 > n.period, true), b.prices) AS rate
        FROM named AS n
        ARRAY JOIN n.kinds AS k
        LEFT ANY JOIN book AS b ON b.provider_name = n.price_provider AND b.model = n.price_model AND b.kind = k.1
    ),
    added AS
    (
        SELECT
            p.key AS key,
            sum(p.calls) AS calls,
            sumIf(p.tokens, p.rate.6 != '') AS priced_tokens,
            sumIf(p.tokens, p.rate.6 = '') AS unpriced_tokens,
            arraySort(groupUniqArrayIf(p.model, p.rate.6 = '' AND p.tokens > 0)) AS unpriced_models,
            sum(p.tokens * p.rate.5) AS cost,
            groupUniqArrayIf(p.rate.6, p.rate.6 != '') AS currencies
        FROM priced AS p
        GROUP BY p.key
    )
SELECT
    key.1 AS bucket, key.2 AS tenant_id, key.3 AS consumer_id, key.4 AS product_id, key.5 AS api_id, key.6 AS operation_name,
    key.7 AS provider_name, key.8 AS response_model, key.9 AS deployment, key.10 AS backend, key.11 AS region,
    key.12 AS source, key.13 AS service_tier, key.14 AS user_id,
    key.15 AS cache_status, key.16 AS attempts, key.17 AS model_version, key.18 AS routing_label, key.19 AS moderation_outcome, key.20 AS moderation_category, key.21 AS moderation_severity, key.22 AS throttled_by,
    calls, priced_tokens, unpriced_tokens, unpriced_models,
    if(priced_tokens = 0 AND unpriced_tokens > 0, NULL, cost) AS list_cost,
    toString(currencies[1]) AS pricing_currency
FROM added
WHERE NOT throwIf(length(currencies) > 1, 'one row would add amounts of two currencies');
