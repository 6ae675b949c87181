-- The charges that were stored under a statement, by what it has a line for, exact; the statement need not be finished.
CREATE OR REPLACE VIEW stored_lines AS
SELECT
    charge_month, tenant_id, cost_center, toString(charge_kind) AS charge_kind, provider_name, model, toString(token_kind) AS token_kind,
    commitment_id, toString(consumed_unit) AS consumed_unit, toString(billing_currency) AS billing_currency,
    sum(c.consumed_quantity) AS consumed_quantity, sum(c.list_cost) AS list_cost, sum(c.contracted_cost) AS contracted_cost,
    sum(c.effective_cost) AS effective_cost,
    arraySort(groupUniqArrayIf(c.unpriced_reason, c.unpriced_reason != '')) AS unpriced_reasons
FROM statement_charges AS c
WHERE statement_id = {statement_id:String}
GROUP BY charge_month, tenant_id, cost_center, charge_kind, provider_name, model, token_kind, commitment_id, consumed_unit, billing_currency;
