-- Every silence as it was last written, withdrawn ones too.
CREATE OR REPLACE VIEW silences_known AS
SELECT
    silence_id,
    argMax(s.matchers, s.written_at) AS matchers,
    argMax(s.starts_at, s.written_at) AS starts_at,
    argMax(s.ends_at, s.written_at) AS ends_at,
    argMin(s.author, s.written_at) AS author,
    argMin(s.comment, s.written_at) AS comment,
    argMax(s.withdrawn, s.written_at) AS withdrawn,
    min(s.written_at) AS created_at,
    multiIf(withdrawn, 'withdrawn', ends_at <= now64(3), 'expired', starts_at > now64(3), 'waiting', 'active') AS state
FROM silences AS s
WHERE {expired:Bool} OR s.ends_at > now64(3) - INTERVAL 1 DAY
GROUP BY silence_id;
