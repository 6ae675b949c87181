-- Tenants, as known at an instant: the rows that no later row of the same key and start replaced, without those that were
-- withdrawn; or every row ever written, with `history`.
CREATE OR REPLACE VIEW tenant_book AS
SELECT
    tenant_id, name, time_zone, valid_from, valid_to, author, reason, known_from
FROM tenants
WHERE known_from <= {as_known_at:DateTime64(3, 'UTC')}
  AND ({history:UInt8} = 1 OR (
        (tenant_id, valid_from, known_from) IN (
            SELECT tenant_id, valid_from, max(known_from)
            FROM tenants
            WHERE known_from <= {as_known_at:DateTime64(3, 'UTC')}
            GROUP BY tenant_id, valid_from)
        AND (valid_to IS NULL OR valid_to > valid_from)));
