-- The routes that were made over the API, as they were last written.
CREATE OR REPLACE VIEW alert_routes_known AS
SELECT
    route_id,
    argMax(r.matchers, r.written_at) AS matchers,
    argMax(r.receivers, r.written_at) AS receivers,
    argMax(r.goes_on, r.written_at) AS goes_on,
    argMax(r.position, r.written_at) AS position,
    argMax(r.author, r.written_at) AS author,
    max(r.written_at) AS written_at
FROM alert_routes AS r
GROUP BY route_id
HAVING NOT argMax(r.withdrawn, r.written_at);
