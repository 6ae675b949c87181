-- What became of the records, by decoder, kind and reason; read from the projection `kinds`, so it is quick at any size.
CREATE OR REPLACE VIEW record_counts AS
SELECT source, kind, reason, count() AS records, max(enqueued_at) AS newest_enqueued_at
FROM events
GROUP BY source, kind, reason;
