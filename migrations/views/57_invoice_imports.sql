-- The exports that were taken in for each month, as known at an instant; the newest of a month counts.
CREATE OR REPLACE VIEW invoice_imports AS
SELECT month, import_id, min(l.known_from) AS known_from, any(l.author) AS author, any(l.reason) AS reason, sum(l.rows) AS rows,
    arraySort(groupUniqArray(toString(l.billing_currency))) AS currencies
FROM invoice_lines AS l
WHERE l.known_from <= {as_known_at:DateTime64(3, 'UTC')}
GROUP BY month, import_id;
