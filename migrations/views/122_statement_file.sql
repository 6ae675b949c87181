-- Lines that are given as JSON, as rows with types: a statement as a Parquet file.
CREATE OR REPLACE VIEW statement_file AS
SELECT
    line.1 AS charge_month, line.2 AS charge_class, line.3 AS tenant_id, line.4 AS cost_center, line.5 AS charge_kind,
    line.6 AS provider_name, line.7 AS model, line.8 AS token_kind, line.9 AS commitment_id, line.10 AS consumed_quantity,
    line.11 AS consumed_unit, line.12 AS list_cost, line.13 AS contracted_cost, line.14 AS effective_cost,
    line.15 AS billing_currency, line.16 AS unpriced_reasons
FROM
(
    SELECT arrayJoin(JSONExtract({lines:String}, 'Array(Tuple(String, String, String, String, String, String, String, String, String, Decimal(76, 12), String, Nullable(Decimal(38, 4)), Nullable(Decimal(38, 4)), Nullable(Decimal(38, 4)), String, Array(String)))')) AS line
);
