-- Exchange rates, as known at an instant: the rows that no later row of the same key and start replaced, without those that were
-- withdrawn; or every row ever written, with `history`.
CREATE OR REPLACE VIEW exchange_rate_book AS
SELECT
    from_currency, to_currency, exchange_rate, valid_from, valid_to, author, reason, known_from
FROM exchange_rates
WHERE known_from <= {as_known_at:DateTime64(3, 'UTC')}
  AND ({history:UInt8} = 1 OR (
        (from_currency, to_currency, valid_from, known_from) IN (
            SELECT from_currency, to_currency, valid_from, max(known_from)
            FROM exchange_rates
            WHERE known_from <= {as_known_at:DateTime64(3, 'UTC')}
            GROUP BY from_currency, to_currency, valid_from)
        AND (valid_to IS NULL OR valid_to > valid_from)));
