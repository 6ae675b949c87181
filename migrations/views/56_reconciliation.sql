-- What a cloud billed for a month against what the ledger counted, for each deployment, model, tier and kind of token.
-- Only calls to Azure are compared, and of those what a commitment does not pay for.
--
-- Joined by the deployment's name in small letters, because the export's tag has it so. The model is compared only where a
-- deployment was billed for several, as a router's is, because meters name models in short forms. Quantities are
-- tokens by the unit of each meter, and those of two kinds are never added. Reasoning is billed as output.
-- A router's fee is a line of its own and no tokens: it counts the same input again that the routed models are billed for.
-- Claude is billed in units that name no deployment: its lines are the bill, divided by what the ledger says that each
-- deployment cost, cut off at 6 decimals with the rest on the largest; they are marked as estimated.
--
-- finding: agrees; price_differs (same tokens, other cost); unpriced (same tokens, the ledger has no cost);
-- unit_off_by_1000; invoice_input_includes_cached and ledger_input_includes_cached (the two count cached tokens inside
-- input and beside it); reasoning_not_billed; tokens_differ; not_in_ledger; not_in_invoice; unknown_unit;
-- no_deployment_tag; router_fee; estimated; fixed_cost (see `allocated`); other. Within tolerance_percent is the same.
CREATE OR REPLACE VIEW reconciliation AS
WITH
    toDecimal256(0, 30) AS nothing,
    lines AS
    (
        SELECT * EXCEPT (model), if(line_kind = 'tokens' AND uniqExactIf(model, line_kind = 'tokens') OVER (PARTITION BY deployment) > 1, model, '') AS model_key
        FROM invoice_lines
        WHERE month = {month:String} AND import_id = {import_id:String}
    ),
    keyed AS
    (
        SELECT
            l.line_kind AS line_kind, if(l.line_kind = 'tokens' AND l.billed_tokens IS NULL, concat('?', l.meter_name), '') AS odd,
            if(l.line_kind = 'claude_units', '', l.deployment) AS deployment, l.model_key AS model_key, if(l.line_kind = 'tokens', l.service_tier, '') AS tier,
            if(l.line_kind = 'tokens', l.token_kind, '') AS kind, if(l.line_kind IN ('tokens', 'claude_units'), '', l.meter_name) AS meter,
            arraySort(groupUniqArray(l.meter_name)) AS meters, arraySort(groupUniqArray(l.unit)) AS units,
            sum(l.billed_quantity) AS quantity, sum(l.billed_tokens) AS tokens, sum(l.billed_cost) AS cost
        FROM lines AS l
        GROUP BY line_kind, odd, deployment, model_key, tier, kind, meter
    ),
    counted AS
    (
        SELECT lower(s.deployment) AS deployment, s.response_model != '' AND startsWith(lower(s.response_model), 'claude') OR startsWith(s.price_model, 'claude') AS is_claude,
               replaceRegexpAll(lower(if(s.price_model = '', s.response_model, s.price_model)), '[^a-z0-9.]', '') AS model,
               if(lower(s.service_tier) IN ('batch', 'batches'), 'batch', if(lower(s.service_tier) = 'priority', 'priority', 'standard')) AS tier,
               if(s.token_kind = 'reasoning', 'output', s.token_kind) AS kind,
               sum(s.priced_tokens + s.unpriced_tokens - s.committed_tokens) AS tokens,
               sumIf(s.priced_tokens + s.unpriced_tokens - s.committed_tokens, s.token_kind = 'reasoning') AS reasoning_tokens,
               sum(s.effective_cost) AS cost
        FROM spend(
            `from` = {from:DateTime64(3, 'UTC')}, `to` = {to:DateTime64(3, 'UTC')}, `step` = '', `tz` = 'UTC',
            `as_known_at` = {as_known_at:DateTime64(3, 'UTC')}, `visible_tenants` = ['*'],
            `tenant_id` = [], `consumer_id` = [], `product_id` = [], `api_id` = [], `operation_name` = [],
            `provider_name` = [], `response_model` = [], `deployment` = [], `backend` = [], `region` = [], `source` = [],
            `service_tier` = [], `user_id` = [], `cache_status` = [], `attempts` = [], `model_version` = [],
            `routing_label` = [], `moderation_outcome` = [], `moderation_category` = [], `moderation_severity` = [],
            `throttled_by` = [], `group_by` = ['deployment', 'provider_name', 'response_model', 'service_tier', 'token_kind', 'price_model'],
            `currency` = {currency:String}) AS s
        WHERE startsWith(s.provider_name, 'azure')
        GROUP BY deployment, is_claude, model, tier, kind
        HAVING tokens > 0
    ),
    -- The ledger's rows in the form of the invoice's, side by side, so that each side is computed once.
    sides AS
    (
        SELECT 'invoice' AS side, line_kind, odd, deployment, model_key, tier, kind, meter, meters, units, quantity AS billed_quantity, ifNull(tokens, nothing) AS billed_tokens, cost AS billed_cost,
               nothing AS used_tokens, nothing AS reasoning_tokens, CAST(NULL AS Nullable(Decimal(76, 42))) AS used_cost
        FROM keyed
        UNION ALL
        SELECT 'ledger', if(c.is_claude AND k.deployment = '', 'claude_units', 'tokens'), '', c.deployment, if(k.deployment = '' OR has(k.models, ''), '', c.model), if(c.is_claude AND k.deployment = '', '', c.tier),
               if(c.is_claude AND k.deployment = '', '', c.kind), '', [], [], nothing, nothing, nothing, toDecimal256(c.tokens, 30), toDecimal256(c.reasoning_tokens, 30), c.cost
        FROM counted AS c
        LEFT JOIN (SELECT deployment, groupUniqArray(model_key) AS models FROM lines WHERE line_kind = 'tokens' AND deployment != '' GROUP BY deployment) AS k ON k.deployment = c.deployment
    ),
    joined AS
    (
        SELECT line_kind, odd, deployment, model_key, tier, kind, meter,
               arraySort(groupUniqArrayArray(meters)) AS all_meters, arraySort(groupUniqArrayArray(units)) AS all_units,
               countIf(side = 'invoice') > 0 AS billed, countIf(side = 'ledger') > 0 AS used,
               sum(s.billed_quantity) AS quantity, sum(s.billed_tokens) AS invoice_tokens, sum(s.billed_cost) AS invoice_cost,
               sum(s.used_tokens) AS ledger_tokens, sum(s.reasoning_tokens) AS reasoning, sum(s.used_cost) AS ledger_cost
        FROM sides AS s
        GROUP BY line_kind, odd, deployment, model_key, tier, kind, meter
    ),
    around AS
    (
        SELECT *,
               sumIf(invoice_tokens, kind = 'input') OVER same AS billed_input, sumIf(invoice_tokens, kind = 'cache_read') OVER same AS billed_cached,
               sumIf(ledger_tokens, kind = 'input') OVER same AS used_input, sumIf(ledger_tokens, kind = 'cache_read') OVER same AS used_cached,
               sumIf(ledger_cost, line_kind = 'claude_units') OVER () AS claude_cost, sumIf(invoice_cost, line_kind = 'claude_units') OVER () AS claude_bill,
               row_number() OVER (PARTITION BY line_kind ORDER BY ledger_cost DESC, deployment) AS place
        FROM joined
        WINDOW same AS (PARTITION BY line_kind, odd, deployment, model_key, tier)
    ),
    -- The part of Claude's bill that each deployment bears; what is cut off goes to the largest.
    parted AS
    (
        SELECT *,
               line_kind = 'claude_units' AND used AND claude_cost > 0 AND claude_bill > 0 AS is_part,
               if(is_part, toDecimal256(truncate(toDecimal256(claude_bill, 18) * toDecimal256(round(ledger_cost, 12), 18) / toDecimal256(round(claude_cost, 12), 12), 6), 30), nothing) AS part,
               if(is_part, part + if(place = 1, claude_bill - sum(part) OVER (), nothing), invoice_cost) AS bears
        FROM around
    ),
    judged AS
    (
        SELECT *,
            multiIf(
                line_kind = 'router_fee', 'router_fee', line_kind = 'provisioned', 'fixed_cost', line_kind = 'other', 'other',
                is_part, 'estimated',
                odd != '', 'unknown_unit', line_kind = 'tokens' AND deployment = '', 'no_deployment_tag',
                line_kind = 'tokens' AND kind IN ('input', 'cache_read') AND used_cached > 0 AND abs(billed_input - used_input - used_cached) * 100 <= billed_input * {tolerance_percent:Decimal(9, 4)} AND billed_cached = 0, 'invoice_input_includes_cached',
                line_kind = 'tokens' AND kind IN ('input', 'cache_read') AND billed_cached > 0 AND abs(used_input - billed_input - billed_cached) * 100 <= used_input * {tolerance_percent:Decimal(9, 4)}, 'ledger_input_includes_cached',
                NOT used, 'not_in_ledger', NOT billed, 'not_in_invoice',
                abs(invoice_tokens - ledger_tokens) * 100 <= greatest(invoice_tokens, ledger_tokens) * {tolerance_percent:Decimal(9, 4)},
                    multiIf(ledger_cost IS NULL, 'unpriced',
                        abs(invoice_cost - toDecimal256(ledger_cost, 30)) * 100 <= greatest(invoice_cost, toDecimal256(assumeNotNull(ledger_cost), 30)) * {tolerance_percent:Decimal(9, 4)}, 'agrees', 'price_differs'),
                abs(invoice_tokens - ledger_tokens * 1000) * 100 <= invoice_tokens * {tolerance_percent:Decimal(9, 4)} OR abs(invoice_tokens * 1000 - ledger_tokens) * 100 <= ledger_tokens * {tolerance_percent:Decimal(9, 4)}, 'unit_off_by_1000',
                reasoning > 0 AND abs(invoice_tokens - (ledger_tokens - reasoning)) * 100 <= invoice_tokens * {tolerance_percent:Decimal(9, 4)}, 'reasoning_not_billed',
                'tokens_differ') AS finding
        FROM parted
        WHERE NOT (line_kind = 'claude_units' AND NOT used AND claude_cost > 0 AND claude_bill > 0)
    )
SELECT
    deployment, model_key AS model, line_kind, tier AS service_tier, kind AS token_kind, all_meters AS meters, all_units AS units,
    if(billed, quantity, NULL) AS billed_quantity, if(billed AND odd = '' AND line_kind = 'tokens', invoice_tokens, NULL) AS billed_tokens,
    if(used AND line_kind = 'tokens', ledger_tokens, NULL) AS ledger_tokens,
    if(billed_tokens IS NULL AND ledger_tokens IS NULL, NULL, ifNull(billed_tokens, 0) - ifNull(j.ledger_tokens, 0)) AS tokens_variance,
    if(billed OR is_part, bears, NULL) AS billed_cost, if(used, j.ledger_cost, NULL) AS ledger_cost,
    if(billed_cost IS NULL OR j.ledger_cost IS NULL, NULL, toDecimal256(billed_cost, 42) - j.ledger_cost) AS cost_variance,
    finding, toBool(ifNull(is_part, false)) AS is_estimated
FROM judged AS j
SETTINGS optimize_and_compare_chain = 0;
