-- The time zone of every tenant that a call can have, as known at an instant: of the rows that began before `before` the
-- last one; UTC where nothing is said. A month of a statement is a month of this zone.
CREATE OR REPLACE VIEW tenant_zones AS
WITH zones AS
(
    SELECT tenant_id, argMax(term.1, valid_from) AS zone
    FROM
    (
        SELECT tenant_id, valid_from, argMax((toString(time_zone), ifNull(valid_to, toDateTime64('2299-12-31 00:00:00', 3, 'UTC'))), known_from) AS term
        FROM tenants
        WHERE known_from <= {as_known_at:DateTime64(3, 'UTC')} AND valid_from < {before:DateTime64(3, 'UTC')}
        GROUP BY tenant_id, valid_from
    )
    WHERE term.2 > valid_from
    GROUP BY tenant_id
)
SELECT if(z.zone = '', 'UTC', z.zone) AS time_zone, arraySort(groupUniqArray(t.tenant_id)) AS tenants
FROM (SELECT tenant_id FROM attributions UNION DISTINCT SELECT tenant_id FROM tenants UNION DISTINCT SELECT 'unattributed') AS t
LEFT JOIN zones AS z ON z.tenant_id = t.tenant_id
GROUP BY time_zone;
