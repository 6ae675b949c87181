-- The closed months. There is one row for a month; were there two, the first would count.
CREATE OR REPLACE VIEW closed_months AS
SELECT * FROM statements ORDER BY month, closed_at, statement_id LIMIT 1 BY month;
