-- What calls cost. Tokens are summed first, by everything that a price depends on, and priced after; so an amount is a
-- sum of exact products, and is the same whatever it is grouped by. Every other answer about money reads this view.
--
-- Which model: of the names that a call has, response_model, request_model, deployment in this order, the first that the
-- book knows: as it is (exact), without its date (undated), by an alias (alias), by a pattern (pattern, the longest
-- first). `price_match` says which name and which way. Which price: of the call's service tier, for its region before
-- any region, that applied when the call started, as known at `as_known_at`; a context tier applies when the whole
-- input exceeds context_over_tokens, and where a tier does not state a kind of token, the tier below does. Reasoning
-- without a price of its own is billed as output. Nothing else is guessed: what has no price has a reason instead.
--
-- list_cost is at the list's prices, contracted_cost at agreed ones: a tenant's own terms go before terms for all, and
-- then a unit price before a discount; of discounts the one that names the model, then the kind of token, the tier, the
-- region, the provider, and then the later. A discount on what has no list price says nothing. effective_cost is the contracted cost without the calls that a commitment
-- pays for: their tokens are in `committed_tokens`, and their share of the commitment in `allocated`.
--
-- With `token_price` in group_by, rows are told apart by the price of a token too, which is then in list_token_price and
-- contracted_token_price; else those are NULL.
--
-- An amount is NULL where nothing of a group has it, never 0. Rows are of one currency: amounts of two are never added,
-- so a group with two fails, unless `currency` asks for one. What was agreed in another currency than the list's is paid
-- in the agreement's: its list_cost is known only where `currency` asks for one. A price per token has 24 decimals, a discount's factor 6,
-- an exchange rate 12; amounts have 42 and are exact.
--
-- Why the borders of all books: between two of their dates, and between two context sizes, no term of any model changes.
-- So calls can be summed before anything is known of their model, and the books are joined to the few sums.
-- Why the dimensions travel as one tuple, and lambdas name what is used twice: what a query of this size costs is its
-- analysis, in which every key and every level is compared with the whole of what lies below it.
CREATE OR REPLACE VIEW spend AS
WITH
    (SELECT (borders, contexts, tenants, regions) FROM book_borders(`from` = {from:DateTime64(3, 'UTC')}, `to` = {to:DateTime64(3, 'UTC')}, `currency` = {currency:String})) AS borders,
    summed AS
    (
        SELECT
            (bucket, tenant_id, consumer_id, product_id, api_id, operation_name, provider_name, response_model, deployment, backend, region, source, service_tier, user_id, cache_status, attempts, model_version, routing_label, moderation_outcome, moderation_category, moderation_severity, throttled_by, cost_center) AS key,
            toString(c.price_provider) AS price_provider,
            [toString(c.price_response_model), toString(c.price_request_model), toString(c.price_deployment)] AS names,
            if(has(borders.3, c.price_tenant), c.price_tenant, '') AS tenant,
            arrayFirst(x -> x = '' OR has(borders.4, x), [lower(replaceAll(toString(c.price_region), ' ', '')), '']) AS market,
            transform(lower(toString(c.price_service_tier)),
                ['', 'default', 'auto', 'on_demand', 'ondemand', 'batches', 'scale', 'reserved', 'provisioned_throughput', 'ptu'],
                ['standard', 'standard', 'standard', 'standard', 'standard', 'batch', 'provisioned', 'provisioned', 'provisioned', 'provisioned']) AS tier,
            greatest({from:DateTime64(3, 'UTC')}, arrayLast(p -> p <= c.started_at, borders.1)) AS period,
            arrayLast(x -> x < c.input_tokens + c.cache_read_input_tokens + c.cache_creation_5m_input_tokens
                + c.cache_creation_1h_input_tokens + c.audio_input_tokens, borders.2) AS context,
            count() AS calls,
            [('input', sum(c.input_tokens), countIf(c.input_tokens > 0)), ('cache_read', sum(c.cache_read_input_tokens), countIf(c.cache_read_input_tokens > 0)), ('cache_write', sum(c.cache_creation_5m_input_tokens), countIf(c.cache_creation_5m_input_tokens > 0)), ('cache_write_1h', sum(c.cache_creation_1h_input_tokens), countIf(c.cache_creation_1h_input_tokens > 0)), ('input_audio', sum(c.audio_input_tokens), countIf(c.audio_input_tokens > 0)), ('output', sum(c.output_tokens), countIf(c.output_tokens > 0)), ('reasoning', sum(c.reasoning_output_tokens), countIf(c.reasoning_output_tokens > 0)), ('output_audio', sum(c.audio_output_tokens), countIf(c.audio_output_tokens > 0))] AS kinds
        FROM grouped_calls(
            `from` = {from:DateTime64(3, 'UTC')}, `to` = {to:DateTime64(3, 'UTC')}, `step` = {step:String},
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
            `group_by` = {group_by:Array(String)}) AS c
        GROUP BY ALL
    ),
    named AS
    (
        SELECT s.*, x.discounts AS discounts, x.exchange AS exchange,
            arrayFirst(x -> arrayExists(t -> (price_provider, x.1, t) IN (SELECT provider_name, model, tenant_id FROM priced_models(`as_known_at` = {as_known_at:DateTime64(3, 'UTC')})), ['', tenant]),
                arrayFlatten(arrayMap((name, field) -> arrayConcat(
                    [(name, field || '.exact'), (replaceRegexpOne(name, '[-@]20[0-9]{2}-?[0-9]{2}-?[0-9]{2}$', ''), field || '.undated')],
                    arrayMap(a -> (a.5, field || if(a.1, '.pattern', '.alias')), arraySlice(arrayFilter(a -> a.3 IN ('', price_provider) AND name LIKE a.4 AND a.6 <= period AND a.7 > period, x.aliases), 1, 1))),
                    names, ['response_model', 'request_model', 'deployment']))) AS resolved,
            arrayExists(a -> has(a.1, names[3]) AND a.2 IN ('', price_provider) AND a.3 <= period AND a.4 > period, x.commitments) AS committed
        FROM summed AS s
        CROSS JOIN book_notes(`as_known_at` = {as_known_at:DateTime64(3, 'UTC')}, `currency` = {currency:String}) AS x
    ),
    -- `rate`: list price and agreed price of a token, both in one currency each, '' where there is none; why there is none.
    priced AS
    (
        SELECT
            n.key AS key, k.1 AS token_kind, k.2 AS tokens, k.3 AS kind_calls, if(k.1 = 'input', n.calls, 0) AS calls,
            n.resolved AS resolved, n.committed AS committed,
            arrayFirst(x -> x != '', [n.resolved.1, n.names[1], n.names[3]]) AS model,
            arrayMap(tier -> arrayMap((listed, own, discount) -> arrayMap(agreed -> arrayMap((from_list, from_agreed) -> (
                        toDecimal256(listed.7, 30) * from_list, if(from_list = 0 OR {currency:String} = '' AND agreed.2 NOT IN ('', listed.8), '', listed.8),
                        agreed.1 * from_agreed, if(from_agreed = 0, '', agreed.2),
                        multiIf(from_agreed > 0, '', n.price_provider = '', 'unknown_provider', n.resolved.1 = '', 'unknown_model', agreed.2 != '', 'no_exchange_rate',
                                empty(b.list_prices) AND empty(b.contract_prices), 'no_price_for_token_kind',
                                has(b.list_prices.6, tier) OR has(b.contract_prices.7, tier), 'no_price_at_that_time', 'no_price_for_service_tier')),
                    arrayMap(c -> multiIf(c = '', toDecimal128(0, 12), {currency:String} IN ('', c), toDecimal128(1, 12), arrayLast(x -> x.1 = c AND x.2 <= n.period AND x.3 > n.period, n.exchange).4), [listed.8]),
                    arrayMap(c -> multiIf(c = '', toDecimal128(0, 12), {currency:String} IN ('', c), toDecimal128(1, 12), arrayLast(x -> x.1 = c AND x.2 <= n.period AND x.3 > n.period, n.exchange).4), [agreed.2]))[1],
                    [if(own.9 != '' AND (own.1 OR listed.8 = '' OR NOT tupleElement(discount.1, 1)), (toDecimal256(own.8, 30), own.9),
                        (listed.7 * if(discount.4 = '', toDecimal128(1, 6), discount.10), listed.8))])[1],
                [arrayLast(p -> p.6 = tier AND p.2 IN ('', n.market) AND p.3 <= n.context AND p.4 <= n.period AND p.5 > n.period, b.list_prices)],
                [arrayLast(p -> p.7 = tier AND p.10 IN ('', n.tenant) AND p.3 IN ('', n.market) AND p.4 <= n.context AND p.5 <= n.period AND p.6 > n.period, b.contract_prices)],
                [arrayFirst(x -> x.2 IN ('', n.tenant) AND x.3 IN ('', n.price_provider) AND n.resolved.1 LIKE x.4 AND x.5 IN ('', k.1) AND x.6 IN ('', tier) AND x.7 IN ('', n.market) AND x.8 <= n.period AND x.9 > n.period, n.discounts)])[1],
                [if(n.committed, 'standard', n.tier)])[1] AS rate
        FROM named AS n
        ARRAY JOIN n.kinds AS k
        LEFT ANY JOIN book(`as_known_at` = {as_known_at:DateTime64(3, 'UTC')}) AS b ON b.provider_name = n.price_provider AND b.model = n.resolved.1 AND b.kind = k.1
    ),
    added AS
    (
        SELECT
            p.key AS key,
            if(has({group_by:Array(String)}, 'token_kind'), p.token_kind, '') AS token_kind,
            if(has({group_by:Array(String)}, 'price_model'), p.resolved.1, '') AS price_model,
            if(has({group_by:Array(String)}, 'token_price'), (p.rate.1, p.rate.2, p.rate.3, p.rate.4), (toDecimal256(0, 42), '', toDecimal256(0, 42), '')) AS price,
            if(has({group_by:Array(String)}, 'token_kind'), sum(p.kind_calls), sum(p.calls)) AS calls,
            sum(p.tokens) AS total_tokens,
            sumIf(p.tokens, p.committed OR p.rate.4 != '') AS priced_tokens,
            sumIf(p.tokens, p.rate.4 = '' AND NOT p.committed) AS unpriced_tokens,
            sumIf(p.tokens, p.committed) AS committed_tokens,
            groupUniqArrayIf((p.rate.5, p.model), p.tokens > 0 AND p.rate.4 = '' AND NOT p.committed) AS unpriced,
            arraySort(groupUniqArrayIf(p.resolved.2, p.tokens > 0 AND p.resolved.2 != '')) AS price_match,
            (sumIf(p.tokens, p.rate.2 != ''), sumIf(p.tokens * p.rate.1, p.rate.2 != '')) AS listed,
            (sumIf(p.tokens, p.rate.4 != ''), sumIf(p.tokens * p.rate.3, p.rate.4 != '')) AS contracted,
            (sumIf(p.tokens, p.rate.4 != '' AND NOT p.committed), sumIf(p.tokens * p.rate.3, p.rate.4 != '' AND NOT p.committed)) AS metered,
            groupUniqArrayArrayIf(if({currency:String} = '', arrayFilter(x -> x != '', [p.rate.2, p.rate.4]), [{currency:String}]), p.tokens > 0) AS currencies
        FROM priced AS p
        GROUP BY p.key, token_kind, price_model, price
        HAVING token_kind = '' OR total_tokens > 0
    )
SELECT
    key.1 AS bucket, key.2 AS tenant_id, key.3 AS consumer_id, key.4 AS product_id, key.5 AS api_id,
    key.6 AS operation_name, key.7 AS provider_name, key.8 AS response_model, key.9 AS deployment,
    key.10 AS backend, key.11 AS region, key.12 AS source, key.13 AS service_tier, key.14 AS user_id,
    key.15 AS cache_status, key.16 AS attempts, key.17 AS model_version, key.18 AS routing_label,
    key.19 AS moderation_outcome, key.20 AS moderation_category, key.21 AS moderation_severity,
    key.22 AS throttled_by,
    key.23 AS cost_center, token_kind, price_model,
    if(price.2 = '', NULL, price.1) AS list_token_price, if(price.4 = '', NULL, price.3) AS contracted_token_price,
    calls, priced_tokens, unpriced_tokens, committed_tokens,
    arraySort(arrayDistinct(unpriced.2)) AS unpriced_models, arraySort(arrayDistinct(unpriced.1)) AS unpriced_reasons, price_match,
    if(throwIf(length(currencies) > 1, 'one row would add amounts of two currencies') OR listed.1 = 0 AND total_tokens > 0, NULL, listed.2) AS list_cost,
    if(throwIf(length(currencies) > 1, 'one row would add amounts of two currencies') OR contracted.1 = 0 AND total_tokens > 0, NULL, contracted.2) AS contracted_cost,
    if(throwIf(length(currencies) > 1, 'one row would add amounts of two currencies') OR metered.1 = 0 AND total_tokens > 0, NULL, metered.2) AS effective_cost,
    currencies[1] AS pricing_currency
FROM added
SETTINGS optimize_and_compare_chain = 0;
