-- Who a key speaks for, by the key's hash; no row for a key that is unknown, revoked or expired. Validity is by the
-- database's clock, because programs on other machines may disagree about the time; `remaining_ms` is NULL for a key
-- that does not expire.
CREATE OR REPLACE VIEW api_key AS
SELECT name, role, tenants, toFloat64(dateDiff('millisecond', now64(3), expires_at)) AS remaining_ms
FROM api_keys FINAL
WHERE key_hash = {key_hash:String} AND NOT revoked AND (expires_at IS NULL OR expires_at > now64(3));
