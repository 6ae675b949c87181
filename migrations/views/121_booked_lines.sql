-- Every line of a closed statement that is about a month, whichever month it was billed in.
CREATE OR REPLACE VIEW booked_lines AS
SELECT s.month AS statement_month, l.*
FROM statement_lines AS l
INNER JOIN closed_months AS s ON s.statement_id = l.statement_id
WHERE l.charge_month = {charge_month:String};
