-- What the books learned at or after an instant: the earliest time that any of it can apply to, and how many commitments
-- there ever were. A row can change what applies from its valid_from on, also by what it replaces.
CREATE OR REPLACE VIEW books_since AS
SELECT
    min(r.valid_from) AS applies_from,
    count() AS rows,
    assumeNotNull((SELECT count() FROM commitments)) AS commitments
FROM
(
    SELECT valid_from, known_from FROM tenants
    UNION ALL SELECT valid_from, known_from FROM attributions
    UNION ALL SELECT valid_from, known_from FROM prices
    UNION ALL SELECT valid_from, known_from FROM model_aliases
    UNION ALL SELECT valid_from, known_from FROM agreements
    UNION ALL SELECT valid_from, known_from FROM commitments
    UNION ALL SELECT valid_from, known_from FROM exchange_rates
) AS r
WHERE r.known_from >= {since:DateTime64(3, 'UTC')};
