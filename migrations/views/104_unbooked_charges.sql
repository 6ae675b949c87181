-- What came to light of a closed month of some tenants: its `charges` as known at an instant, minus what closed statements
-- hold of it. The difference is taken by day and consumer and of exact amounts, so only what changed is in it. Reversed
-- charges are negative. An amount is NULL where neither side has one.
CREATE OR REPLACE VIEW unbooked_charges AS
SELECT
    {statement_id:String} AS statement_id, {charge_month:String} AS charge_month,
    key.1 AS charge_period_start, key.2 AS charge_period_end, key.3 AS tenant_id, argMax(c.tenant_name, c.is_now) AS tenant_name,
    key.4 AS cost_center, key.5 AS consumer_id, key.6 AS charge_kind, key.7 AS provider_name, key.8 AS region,
    key.9 AS service_tier, key.10 AS deployment, key.11 AS response_model, key.12 AS model, key.13 AS token_kind,
    '' AS commitment_id, '' AS commitment_name,
    sum(c.quantity) AS consumed_quantity, key.14 AS consumed_unit,
    key.15 AS list_token_price, key.16 AS contracted_token_price,
    sum(c.listed) AS list_cost, sum(c.contracted) AS contracted_cost, sum(c.effective) AS effective_cost,
    key.17 AS billing_currency, key.18 AS unpriced_reason,
    CAST(NULL, 'Nullable(Decimal(76, 18))') AS committed_amount, '' AS allocated_method_id,
    CAST(NULL, 'Nullable(Decimal(38, 18))') AS allocated_ratio, '' AS allocated_method_details
FROM
(
    SELECT (charge_period_start, charge_period_end, tenant_id, cost_center, consumer_id, toString(charge_kind), provider_name,
            region, service_tier, deployment, response_model, model, toString(token_kind), toString(consumed_unit),
            list_token_price, contracted_token_price, toString(billing_currency), unpriced_reason) AS key,
           true AS is_now, tenant_name, consumed_quantity AS quantity,
           list_cost AS listed, contracted_cost AS contracted, effective_cost AS effective
    FROM charges(
        `statement_id` = '', `charge_month` = '', `from` = {from:DateTime64(3, 'UTC')}, `to` = {to:DateTime64(3, 'UTC')},
        `tz` = {tz:String}, `as_known_at` = {as_known_at:DateTime64(3, 'UTC')}, `currency` = {currency:String},
        `tenant_id` = {tenant_id:Array(String)})
    UNION ALL
    SELECT (charge_period_start, charge_period_end, tenant_id, cost_center, consumer_id, toString(charge_kind), provider_name,
            region, service_tier, deployment, response_model, model, toString(token_kind), toString(consumed_unit),
            list_token_price, contracted_token_price, toString(billing_currency), unpriced_reason),
           false, tenant_name, -consumed_quantity, -list_cost, -contracted_cost, -effective_cost
    FROM statement_charges
    WHERE charge_month = {charge_month:String} AND statement_id IN (SELECT statement_id FROM closed_months)
      AND has({tenant_id:Array(String)}, tenant_id) AND charge_kind NOT IN ('commitment', 'idle_commitment')
) AS c
GROUP BY key
HAVING consumed_quantity != 0 OR ifNull(list_cost, 0) != 0 OR ifNull(contracted_cost, 0) != 0 OR ifNull(effective_cost, 0) != 0
SETTINGS optimize_and_compare_chain = 0;
