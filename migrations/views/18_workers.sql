-- The workers that reported in the last 15 seconds; they share the streams. Ways in beside the hub report too and take
-- no share, so only the row counts that a worker has for itself.
CREATE OR REPLACE VIEW workers AS
SELECT DISTINCT owner
FROM stream_states FINAL
WHERE startsWith(stream, 'worker/') AND observed_at > now64(3) - INTERVAL 15 SECOND AND owner != '' AND state != 'left';
