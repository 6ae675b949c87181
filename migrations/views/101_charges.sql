-- What calls of a window cost, by day of `tz` and by all that a bill or an auditor tells apart: exact, from `spend`.
-- Tokens without a price are rows of their own without an amount and currency, so that no amount is spread over them.
-- model: as the price list names it, else as the answer or the deployment does.
CREATE OR REPLACE VIEW charges AS
SELECT
    bucket AS charge_period_start,
    toTimeZone(toDateTime(toDate(toTimeZone(bucket, {tz:String})) + 1, {tz:String}), 'UTC') AS charge_period_end,
    tenant_id, cost_center, consumer_id, part.1 AS charge_kind, provider_name, region, service_tier, deployment,
    multiIf(price_model != '', price_model, response_model != '', response_model, deployment) AS model,
    token_kind,
    sum(toInt64(part.2)) AS consumed_quantity,
    sum(toInt64(part.3)) AS committed_tokens,
    sum(part.4) AS list_cost, sum(part.5) AS contracted_cost, sum(part.6) AS effective_cost,
    part.7 AS billing_currency,
    part.8 AS unpriced_reason
FROM spend(
    `from` = {from:DateTime64(3, 'UTC')}, `to` = {to:DateTime64(3, 'UTC')}, `step` = 'P1D', `tz` = {tz:String},
    `as_known_at` = {as_known_at:DateTime64(3, 'UTC')}, `currency` = {currency:String}, `visible_tenants` = ['*'],
    `tenant_id` = {tenant_id:Array(String)}, `consumer_id` = [], `product_id` = [], `api_id` = [], `operation_name` = [],
    `provider_name` = [], `response_model` = [], `deployment` = [], `backend` = [], `region` = [], `source` = [],
    `service_tier` = [], `user_id` = [], `cache_status` = [], `attempts` = [], `model_version` = [], `routing_label` = [],
    `moderation_outcome` = [], `moderation_category` = [], `moderation_severity` = [], `throttled_by` = [],
    `group_by` = ['tenant_id', 'cost_center', 'consumer_id', 'provider_name', 'region', 'service_tier', 'response_model',
                  'deployment', 'price_model', 'token_kind']) AS s
ARRAY JOIN [
    ('tokens', s.priced_tokens, s.committed_tokens, s.list_cost, s.contracted_cost, s.effective_cost, s.pricing_currency, ''),
    ('unpriced_tokens', s.unpriced_tokens, 0, NULL, NULL, NULL, '', arrayStringConcat(s.unpriced_reasons, ' '))] AS part
WHERE part.2 > 0
GROUP BY ALL
SETTINGS optimize_and_compare_chain = 0;
