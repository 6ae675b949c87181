-- What the calls of a month cost some tenants, exact, by day of `tz` and by all that a bill or an auditor tells apart:
-- `spend`, in the form in which it is stored under a statement.
--
-- Kinds. tokens: billed by the token. committed_tokens: a commitment pays for them, so their effective_cost is 0 and
-- their share of it is in `shares`. unpriced_tokens: without a price, so without an amount and currency.
-- model: as the price list names it, else as the answer or the deployment does.
CREATE OR REPLACE VIEW charges AS
SELECT
    {statement_id:String} AS statement_id, {charge_month:String} AS charge_month,
    greatest(bucket, toDateTime({from:DateTime64(3, 'UTC')}, 'UTC')) AS charge_period_start,
    least(toTimeZone(toDateTime(toDate(toTimeZone(bucket, {tz:String})) + 1, {tz:String}), 'UTC'), toDateTime({to:DateTime64(3, 'UTC')}, 'UTC')) AS charge_period_end,
    s.tenant_id AS tenant_id, t.name AS tenant_name, cost_center, consumer_id, part.1 AS charge_kind, provider_name, region,
    service_tier, deployment, response_model,
    multiIf(price_model != '', price_model, response_model != '', response_model, deployment) AS model, token_kind,
    '' AS commitment_id, '' AS commitment_name,
    toDecimal256(part.2, 12) AS consumed_quantity, 'Tokens' AS consumed_unit,
    if(part.1 = 'unpriced_tokens', NULL, s.list_token_price) AS list_token_price,
    if(part.1 = 'unpriced_tokens', NULL, s.contracted_token_price) AS contracted_token_price,
    part.3 AS list_cost, part.4 AS contracted_cost, part.5 AS effective_cost,
    if(part.1 = 'unpriced_tokens', '', s.pricing_currency) AS billing_currency,
    if(part.1 = 'unpriced_tokens', arrayStringConcat(s.unpriced_reasons, ' '), '') AS unpriced_reason,
    CAST(NULL, 'Nullable(Decimal(76, 18))') AS committed_amount, '' AS allocated_method_id,
    CAST(NULL, 'Nullable(Decimal(38, 18))') AS allocated_ratio, '' AS allocated_method_details
FROM spend(
    `from` = {from:DateTime64(3, 'UTC')}, `to` = {to:DateTime64(3, 'UTC')}, `step` = 'P1D', `tz` = {tz:String},
    `as_known_at` = {as_known_at:DateTime64(3, 'UTC')}, `currency` = {currency:String}, `visible_tenants` = ['*'],
    `tenant_id` = {tenant_id:Array(String)}, `consumer_id` = [], `product_id` = [], `api_id` = [], `operation_name` = [],
    `provider_name` = [], `response_model` = [], `deployment` = [], `backend` = [], `region` = [], `source` = [],
    `service_tier` = [], `user_id` = [], `cache_status` = [], `attempts` = [], `model_version` = [], `routing_label` = [],
    `moderation_outcome` = [], `moderation_category` = [], `moderation_severity` = [], `throttled_by` = [],
    `group_by` = ['tenant_id', 'cost_center', 'consumer_id', 'provider_name', 'region', 'service_tier', 'response_model',
                  'deployment', 'price_model', 'token_kind', 'token_price']) AS s
LEFT JOIN tenant_terms(`as_known_at` = {as_known_at:DateTime64(3, 'UTC')}, `before` = {to:DateTime64(3, 'UTC')}) AS t ON t.tenant_id = s.tenant_id
ARRAY JOIN [
    ('tokens', toInt64(s.priced_tokens - s.committed_tokens), s.list_cost - s.list_token_price * s.committed_tokens,
        s.contracted_cost - s.contracted_token_price * s.committed_tokens, s.effective_cost),
    ('committed_tokens', toInt64(s.committed_tokens), s.list_token_price * s.committed_tokens,
        s.contracted_token_price * s.committed_tokens, if(s.pricing_currency = '', NULL, toDecimal256(0, 42))),
    ('unpriced_tokens', toInt64(s.unpriced_tokens), NULL, NULL, NULL)] AS part
WHERE part.2 > 0
SETTINGS optimize_and_compare_chain = 0;
