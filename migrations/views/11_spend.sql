-- What it costs at list price, exactly: tokens are summed first, by everything that a price depends on, and priced after.
--
-- Which model: as the provider names it, then without its date suffix, then as it was asked for, then by the
-- deployment's name; the first that the provider's price list knows. Which price: the one that applies when the call
-- started, as known at `as_known_at`; a context tier applies when the call's whole input exceeds context_over_tokens,
-- and where a tier does not state a kind of token, the tier below does. Reasoning without a price of its own is billed
-- as output. Anything else without a price is unpriced: never 0, its tokens are in `unpriced_tokens`, and `list_cost`
-- is NULL where nothing of a group could be priced. Rows are per currency: amounts of two are never added.
CREATE OR REPLACE VIEW spend AS
WITH
    book AS
    (
        SELECT provider_name, model, token_kind, context_over_tokens, valid_from,
               argMax((list_token_price, pricing_currency, valid_to), known_from) AS terms
        FROM prices
        WHERE known_from <= {as_known_at:DateTime64(3, 'UTC')}
        GROUP BY provider_name, model, token_kind, context_over_tokens, valid_from
    ),
    models AS
    (
        SELECT provider_name, model,
               arraySort(arrayDistinct(arrayConcat(groupArray(valid_from), groupArrayIf(assumeNotNull(terms.3), isNotNull(terms.3))))) AS periods,
               arraySort(groupUniqArray(context_over_tokens)) AS contexts
        FROM book
        GROUP BY provider_name, model
    ),
    rates AS
    (
        SELECT provider_name, model, period, context, mapFromArrays(groupArray(token_kind), groupArray(rate)) AS by_kind
        FROM
        (
            SELECT b.provider_name AS provider_name, b.model AS model, m.period AS period, m.context AS context,
                   b.token_kind AS token_kind, argMax((b.terms.1, b.terms.2), (b.context_over_tokens, b.valid_from)) AS rate
            FROM book AS b
            INNER JOIN (SELECT provider_name, model, period, arrayJoin(contexts) AS context FROM models ARRAY JOIN periods AS period) AS m
                ON b.provider_name = m.provider_name AND b.model = m.model
            WHERE b.valid_from <= m.period AND ifNull(b.terms.3 > m.period, true) AND b.context_over_tokens <= m.context
            GROUP BY provider_name, model, period, context, token_kind
        )
        GROUP BY provider_name, model, period, context
    ),
    named AS
    (
        SELECT
            c.*,
            replaceRegexpOne(toString(c.price_response_model), '-20[0-9]{2}-?[0-9]{2}-?[0-9]{2}$', '') AS undated_model,
            multiIf(
                (c.price_provider, c.price_response_model) IN (SELECT provider_name, model FROM models), toString(c.price_response_model),
                (c.price_provider, undated_model) IN (SELECT provider_name, model FROM models), undated_model,
                (c.price_provider, c.price_request_model) IN (SELECT provider_name, model FROM models), toString(c.price_request_model),
                (c.price_provider, c.price_deployment) IN (SELECT provider_name, model FROM models), toString(c.price_deployment),
                '') AS price_model
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
            `group_by` = {group_by:Array(String)}) AS c
    ),
    summed AS
    (
        SELECT
            bucket, tenant_id, consumer_id, product_id, api_id, operation_name, provider_name, response_model,
            deployment, backend, region, source, service_tier, user_id,
            price_provider, price_model,
            if(n.price_response_model != '', n.price_response_model, n.price_deployment) AS asked_model,
            arrayLast(p -> p <= n.started_at, m.periods) AS period,
            arrayLast(x -> x = 0 OR x < n.input_tokens + n.cache_read_input_tokens + n.cache_creation_5m_input_tokens
                + n.cache_creation_1h_input_tokens + n.audio_input_tokens, m.contexts) AS context,
            count() AS calls,
            [('input', sum(n.input_tokens)), ('cache_read', sum(n.cache_read_input_tokens)), ('cache_write', sum(n.cache_creation_5m_input_tokens)), ('cache_write_1h', sum(n.cache_creation_1h_input_tokens)), ('input_audio', sum(n.audio_input_tokens)), ('output', sum(n.output_tokens)), ('reasoning', sum(n.reasoning_output_tokens)), ('output_audio', sum(n.audio_output_tokens))] AS kinds
        FROM named AS n
        LEFT ANY JOIN models AS m ON m.provider_name = n.price_provider AND m.model = n.price_model
        GROUP BY ALL
    ),
    priced AS
    (
        SELECT
            s.*,
            arrayMap(k -> r.by_kind[if(k.1 = 'reasoning' AND NOT mapContains(r.by_kind, k.1), 'output', k.1)], s.kinds) AS rate,
            arraySum(arrayMap((k, p) -> k.2 * p.1, s.kinds, rate)) AS cost,
            arraySum(arrayMap((k, p) -> if(p.2 = '', 0, k.2), s.kinds, rate)) AS priced,
            arraySum(arrayMap(k -> k.2, s.kinds)) - priced AS unpriced,
            arrayFirst(x -> x != '', arrayMap(p -> toString(p.2), rate)) AS currency
        FROM summed AS s
        LEFT ANY JOIN rates AS r
            ON r.provider_name = s.price_provider AND r.model = s.price_model AND r.period = s.period AND r.context = s.context
    )
SELECT
    bucket, tenant_id, consumer_id, product_id, api_id, operation_name, provider_name, response_model,
    deployment, backend, region, source, service_tier, user_id,
    sum(p.calls) AS calls,
    sum(p.priced) AS priced_tokens,
    toUInt64(sum(p.unpriced)) AS unpriced_tokens,
    arraySort(groupUniqArrayIf(if(p.price_model != '', p.price_model, p.asked_model), p.unpriced > 0)) AS unpriced_models,
    if(priced_tokens = 0 AND unpriced_tokens > 0, NULL, sum(p.cost)) AS list_cost,
    anyIf(p.currency, p.currency != '') AS pricing_currency
FROM priced AS p
GROUP BY ALL
HAVING NOT throwIf(uniqExactIf(p.currency, p.currency != '') > 1, 'one row would add amounts of two currencies');
