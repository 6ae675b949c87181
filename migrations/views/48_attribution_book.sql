-- Who pays for whom, as known at an instant: the rows that no later row of the same key and start replaced, without those that were
-- withdrawn; or every row ever written, with `history`.
CREATE OR REPLACE VIEW attribution_book AS
SELECT
    consumer_id, product_id, api_id, tenant_id, cost_center, owner, valid_from, valid_to, author, reason,
    known_from
FROM attributions
WHERE known_from <= {as_known_at:DateTime64(3, 'UTC')}
  AND ({history:UInt8} = 1 OR (
        (consumer_id, product_id, api_id, valid_from, known_from) IN (
            SELECT consumer_id, product_id, api_id, valid_from, max(known_from)
            FROM attributions
            WHERE known_from <= {as_known_at:DateTime64(3, 'UTC')}
            GROUP BY consumer_id, product_id, api_id, valid_from)
        AND (valid_to IS NULL OR valid_to > valid_from)));
