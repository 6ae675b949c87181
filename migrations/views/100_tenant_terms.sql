-- Name and time zone of every tenant that a call can have, as known at an instant: of the rows that began before `before`
-- the last one; its id and UTC where nothing is said.
CREATE OR REPLACE VIEW tenant_terms AS
WITH terms AS
(
    SELECT tenant_id, argMax((row.1, row.2), valid_from) AS term
    FROM
    (
        SELECT tenant_id, valid_from, argMax((name, toString(time_zone), ifNull(valid_to, toDateTime64('2299-12-31 00:00:00', 3, 'UTC'))), known_from) AS row
        FROM tenants
        WHERE known_from <= {as_known_at:DateTime64(3, 'UTC')} AND valid_from < {before:DateTime64(3, 'UTC')}
        GROUP BY tenant_id, valid_from
    )
    WHERE row.3 > valid_from
    GROUP BY tenant_id
)
SELECT t.tenant_id AS tenant_id, if(k.term.1 = '', t.tenant_id, k.term.1) AS name, if(k.term.2 = '', 'UTC', k.term.2) AS time_zone
FROM (SELECT tenant_id FROM attributions UNION DISTINCT SELECT tenant_id FROM tenants UNION DISTINCT SELECT 'unattributed') AS t
LEFT JOIN terms AS k ON k.tenant_id = t.tenant_id;
