-- Commitments, as known at an instant: the rows that no later row of the same key and start replaced, without those that were
-- withdrawn; or every row ever written, with `history`.
CREATE OR REPLACE VIEW commitment_book AS
SELECT
    commitment_id, name, provider_name, deployments, quantity, unit, amount, amount_per, billing_currency,
    allocation_method, weights, capacity_tokens_per_minute, shares, valid_from, valid_to, author, reason,
    known_from
FROM commitments
WHERE known_from <= {as_known_at:DateTime64(3, 'UTC')}
  AND ({history:UInt8} = 1 OR (
        (commitment_id, valid_from, known_from) IN (
            SELECT commitment_id, valid_from, max(known_from)
            FROM commitments
            WHERE known_from <= {as_known_at:DateTime64(3, 'UTC')}
            GROUP BY commitment_id, valid_from)
        AND (valid_to IS NULL OR valid_to > valid_from)));
