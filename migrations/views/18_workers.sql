-- The workers that reported in the last 15 seconds; they share the streams.
CREATE OR REPLACE VIEW workers AS
SELECT DISTINCT owner
FROM stream_states FINAL
WHERE observed_at > now64(3) - INTERVAL 15 SECOND AND owner != '' AND state != 'left';
