-- The first acknowledgement of each episode, of those that were written since an instant.
CREATE OR REPLACE VIEW acknowledged AS
SELECT
    alert_id,
    argMin(a.author, a.written_at) AS author,
    argMin(a.comment, a.written_at) AS comment,
    min(a.written_at) AS written_at
FROM acknowledgements AS a
WHERE a.written_at >= {since:DateTime64(3, 'UTC')}
GROUP BY alert_id;
