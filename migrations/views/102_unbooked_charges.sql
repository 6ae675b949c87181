-- What a month of some tenants has that no closed statement holds: its charges as known at an instant, minus what was
-- booked for it. For a month that was never closed these are its charges; for a closed one, what came to light since.
-- The difference is taken by day and consumer and of exact amounts, so only what changed is in it. Reversed charges are
-- negative. An amount is NULL where neither side has one.
-- statement_id is what the rows are to be stored under.
CREATE OR REPLACE VIEW unbooked_charges AS
SELECT
    {statement_id:String} AS statement_id, {charge_month:String} AS charge_month,
    charge_period_start, charge_period_end, tenant_id, cost_center, consumer_id, charge_kind, provider_name, region,
    service_tier, deployment, model, token_kind,
    sum(quantity) AS consumed_quantity, sum(committed) AS committed_tokens,
    sum(listed) AS list_cost, sum(contracted) AS contracted_cost, sum(effective) AS effective_cost,
    billing_currency, unpriced_reason
FROM
(
    SELECT charge_period_start, charge_period_end, tenant_id, cost_center, consumer_id, charge_kind, provider_name, region,
           service_tier, deployment, model, token_kind, billing_currency, unpriced_reason,
           consumed_quantity AS quantity, committed_tokens AS committed,
           list_cost AS listed, contracted_cost AS contracted, effective_cost AS effective
    FROM charges(
        `from` = {from:DateTime64(3, 'UTC')}, `to` = {to:DateTime64(3, 'UTC')}, `tz` = {tz:String},
        `as_known_at` = {as_known_at:DateTime64(3, 'UTC')}, `currency` = {currency:String}, `tenant_id` = {tenant_id:Array(String)})
    UNION ALL
    SELECT charge_period_start, charge_period_end, tenant_id, cost_center, consumer_id, toString(charge_kind), provider_name,
           region, service_tier, deployment, model, toString(token_kind), toString(billing_currency), unpriced_reason,
           -consumed_quantity, -committed_tokens, -list_cost, -contracted_cost, -effective_cost
    FROM statement_charges
    WHERE charge_month = {charge_month:String} AND statement_id IN (SELECT statement_id FROM statements)
      AND has({tenant_id:Array(String)}, tenant_id)
)
GROUP BY ALL
HAVING consumed_quantity != 0 OR committed_tokens != 0 OR ifNull(list_cost, 0) != 0 OR ifNull(contracted_cost, 0) != 0
    OR ifNull(effective_cost, 0) != 0;
