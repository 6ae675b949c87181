-- unbooked_charges by what a statement has a line for, exact: rounding is done once, for the line.
CREATE OR REPLACE VIEW unbooked_lines AS
SELECT
    tenant_id, cost_center, charge_kind, provider_name, model, token_kind,
    sum(c.consumed_quantity) AS consumed_quantity, sum(c.committed_tokens) AS committed_tokens,
    sum(c.list_cost) AS list_cost, sum(c.contracted_cost) AS contracted_cost, sum(c.effective_cost) AS effective_cost,
    billing_currency,
    arraySort(groupUniqArrayIf(c.unpriced_reason, c.unpriced_reason != '')) AS unpriced_reasons
FROM unbooked_charges(
    `statement_id` = '', `charge_month` = {charge_month:String}, `from` = {from:DateTime64(3, 'UTC')},
    `to` = {to:DateTime64(3, 'UTC')}, `tz` = {tz:String}, `as_known_at` = {as_known_at:DateTime64(3, 'UTC')},
    `currency` = {currency:String}, `tenant_id` = {tenant_id:Array(String)}) AS c
GROUP BY tenant_id, cost_center, charge_kind, provider_name, model, token_kind, billing_currency
HAVING consumed_quantity != 0 OR committed_tokens != 0 OR ifNull(list_cost, 0) != 0 OR ifNull(contracted_cost, 0) != 0
    OR ifNull(effective_cost, 0) != 0;
