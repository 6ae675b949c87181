-- The tenants by the time zones in which a month begins and ends for them; starts and ends are its borders in UTC. Where
-- a tenant has moved, a month begins where the one before ended, so that no call is in two months or in none.
CREATE OR REPLACE VIEW tenant_zones AS
SELECT b.time_zone AS begins_in, e.time_zone AS ends_in, arraySort(groupArray(e.tenant_id)) AS tenants
FROM tenant_terms(`as_known_at` = {as_known_at:DateTime64(3, 'UTC')}, `before` = {ends:DateTime64(3, 'UTC')}) AS e
INNER JOIN tenant_terms(`as_known_at` = {as_known_at:DateTime64(3, 'UTC')}, `before` = {starts:DateTime64(3, 'UTC')}) AS b ON b.tenant_id = e.tenant_id
GROUP BY begins_in, ends_in;
