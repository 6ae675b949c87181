-- What closed statements hold of a month, exact, by tenant and currency: corrections are rounded so that all that is
-- billed for a month adds up to its rounded total.
CREATE OR REPLACE VIEW booked_totals AS
SELECT tenant_id, toString(billing_currency) AS billing_currency, sum(c.list_cost) AS list_cost, sum(c.contracted_cost) AS contracted_cost, sum(c.effective_cost) AS effective_cost
FROM statement_charges AS c
WHERE charge_month = {charge_month:String} AND statement_id IN (SELECT statement_id FROM closed_months)
GROUP BY tenant_id, billing_currency;
