-- Who bears which part of the commitments of a month, and what nobody used: `allocated`, in the form in which it is
-- stored under a statement. The month is that of UTC, as providers bill it. Amounts are in `currency`, at the exchange
-- rate of the begin of the period, or NULL with a reason; '' is as they are billed.
CREATE OR REPLACE VIEW shares AS
WITH (SELECT exchange FROM book_notes(`as_known_at` = {as_known_at:DateTime64(3, 'UTC')}, `currency` = {currency:String})) AS exchange
SELECT
    {statement_id:String} AS statement_id, {charge_month:String} AS charge_month,
    a.charge_period_start AS charge_period_start, a.charge_period_end AS charge_period_end,
    a.tenant_id AS tenant_id, t.name AS tenant_name, a.cost_center AS cost_center, '' AS consumer_id,
    if(a.is_idle, 'idle_commitment', 'commitment') AS charge_kind, a.provider_name AS provider_name, '' AS region,
    '' AS service_tier, arrayStringConcat(a.deployments, ' ') AS deployment, '' AS response_model, '' AS model, '' AS token_kind,
    a.commitment_id AS commitment_id, a.name AS commitment_name,
    a.usage_quantity AS consumed_quantity, a.usage_unit AS consumed_unit,
    CAST(NULL, 'Nullable(Decimal(76, 42))') AS list_token_price, CAST(NULL, 'Nullable(Decimal(76, 42))') AS contracted_token_price,
    CAST(NULL, 'Nullable(Decimal(76, 42))') AS list_cost, CAST(NULL, 'Nullable(Decimal(76, 42))') AS contracted_cost,
    if(a.rate = 0, NULL, toDecimal256(a.allocated_cost * a.rate, 42)) AS effective_cost,
    if(a.rate = 0, '', if({currency:String} = '', a.billing_currency, {currency:String})) AS billing_currency,
    if(a.rate = 0, 'no_exchange_rate', '') AS unpriced_reason,
    if(a.rate = 0, NULL, toDecimal256(a.committed_amount * a.rate, 18)) AS committed_amount,
    a.allocated_method_id AS allocated_method_id, toNullable(a.allocated_ratio) AS allocated_ratio,
    a.allocated_method_details AS allocated_method_details
FROM
(
    SELECT *, multiIf({currency:String} IN ('', billing_currency), toDecimal128(1, 12),
        arrayLast(x -> x.1 = billing_currency AND x.2 <= charge_period_start AND x.3 > charge_period_start, exchange).4) AS rate
    FROM allocated(
        `from` = {from:DateTime64(3, 'UTC')}, `to` = {to:DateTime64(3, 'UTC')},
        `as_known_at` = {as_known_at:DateTime64(3, 'UTC')}, `visible_tenants` = ['*'])
) AS a
LEFT JOIN tenant_terms(`as_known_at` = {as_known_at:DateTime64(3, 'UTC')}, `before` = {to:DateTime64(3, 'UTC')}) AS t ON t.tenant_id = a.tenant_id
SETTINGS optimize_and_compare_chain = 0;
