-- `charges` by what a statement has a line for, exact: rounding is done once, for the line.
CREATE OR REPLACE VIEW charge_lines AS
SELECT
    {charge_month:String} AS charge_month,
    key.1 AS tenant_id, key.2 AS cost_center, key.3 AS charge_kind, key.4 AS provider_name, key.5 AS model, key.6 AS token_kind,
    '' AS commitment_id, 'Tokens' AS consumed_unit, key.7 AS billing_currency,
    sum(c.consumed_quantity) AS consumed_quantity, sum(c.list_cost) AS list_cost, sum(c.contracted_cost) AS contracted_cost,
    sum(c.effective_cost) AS effective_cost,
    arraySort(groupUniqArrayIf(c.unpriced_reason, c.unpriced_reason != '')) AS unpriced_reasons
FROM
(
    SELECT (tenant_id, cost_center, charge_kind, provider_name, model, token_kind, billing_currency) AS key,
           consumed_quantity, list_cost, contracted_cost, effective_cost, unpriced_reason
    FROM charges(
        `statement_id` = '', `charge_month` = '', `from` = {from:DateTime64(3, 'UTC')}, `to` = {to:DateTime64(3, 'UTC')},
        `tz` = {tz:String}, `as_known_at` = {as_known_at:DateTime64(3, 'UTC')}, `currency` = {currency:String},
        `tenant_id` = {tenant_id:Array(String)})
) AS c
GROUP BY key
SETTINGS optimize_and_compare_chain = 0;
