-- What came to light of the commitments of a closed month: its `shares` as known at an instant, minus what closed
-- statements hold of it. One late call changes every ratio, so each line is corrected by its difference; ratio and
-- details are those of now.
CREATE OR REPLACE VIEW unbooked_shares AS
SELECT
    {statement_id:String} AS statement_id, {charge_month:String} AS charge_month,
    key.1 AS charge_period_start, key.2 AS charge_period_end, key.3 AS tenant_id, argMax(c.tenant_name, c.is_now) AS tenant_name,
    key.4 AS cost_center, '' AS consumer_id, key.5 AS charge_kind, key.6 AS provider_name, '' AS region, '' AS service_tier,
    argMax(c.deployment, c.is_now) AS deployment, '' AS response_model, '' AS model, '' AS token_kind,
    key.7 AS commitment_id, argMax(c.commitment_name, c.is_now) AS commitment_name,
    sum(c.quantity) AS consumed_quantity, key.8 AS consumed_unit,
    CAST(NULL, 'Nullable(Decimal(76, 42))') AS list_token_price, CAST(NULL, 'Nullable(Decimal(76, 42))') AS contracted_token_price,
    CAST(NULL, 'Nullable(Decimal(76, 42))') AS list_cost, CAST(NULL, 'Nullable(Decimal(76, 42))') AS contracted_cost,
    sum(c.effective) AS effective_cost, key.9 AS billing_currency, key.10 AS unpriced_reason,
    sum(c.committed) AS committed_amount, key.11 AS allocated_method_id,
    maxIf(c.ratio, c.is_now) AS allocated_ratio, argMax(c.details, c.is_now) AS allocated_method_details
FROM
(
    SELECT (charge_period_start, charge_period_end, tenant_id, cost_center, toString(charge_kind), provider_name, commitment_id,
            toString(consumed_unit), toString(billing_currency), unpriced_reason, toString(allocated_method_id)) AS key,
           true AS is_now, tenant_name, commitment_name, deployment, consumed_quantity AS quantity, effective_cost AS effective,
           committed_amount AS committed, allocated_ratio AS ratio, allocated_method_details AS details
    FROM shares(
        `statement_id` = '', `charge_month` = '', `from` = {from:DateTime64(3, 'UTC')}, `to` = {to:DateTime64(3, 'UTC')},
        `as_known_at` = {as_known_at:DateTime64(3, 'UTC')}, `currency` = {currency:String})
    UNION ALL
    SELECT (charge_period_start, charge_period_end, tenant_id, cost_center, toString(charge_kind), provider_name, commitment_id,
            toString(consumed_unit), toString(billing_currency), unpriced_reason, toString(allocated_method_id)),
           false, tenant_name, commitment_name, deployment, -consumed_quantity, -effective_cost, -committed_amount, NULL, ''
    FROM statement_charges
    WHERE charge_month = {charge_month:String} AND statement_id IN (SELECT statement_id FROM closed_months)
      AND charge_kind IN ('commitment', 'idle_commitment')
) AS c
GROUP BY key
HAVING consumed_quantity != 0 OR ifNull(effective_cost, 0) != 0
SETTINGS optimize_and_compare_chain = 0;
