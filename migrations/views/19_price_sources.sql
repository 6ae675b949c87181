-- Which price lists the book was written from: each import states its content in `reason`.
CREATE OR REPLACE VIEW price_sources AS
SELECT author, reason, count() AS rows, min(known_from) AS known_from
FROM prices
GROUP BY author, reason;
