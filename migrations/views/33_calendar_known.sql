-- Times at which a tenant's traffic is expected to differ, as each was last written; those that were withdrawn too.
CREATE OR REPLACE VIEW calendar_known AS
SELECT
    period_id,
    argMax(c.tenant_id, c.written_at) AS tenant_id, argMax(c.deployment, c.written_at) AS deployment, argMax(toString(c.kind), c.written_at) AS kind,
    argMax(c.starts_at, c.written_at) AS starts_at, argMax(c.ends_at, c.written_at) AS ends_at,
    argMin(c.author, c.written_at) AS author, argMin(c.reason, c.written_at) AS reason,
    argMax(c.withdrawn, c.written_at) AS withdrawn, min(c.written_at) AS created_at
FROM detection_calendar AS c
GROUP BY period_id;
