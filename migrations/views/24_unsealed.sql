-- Streams of the ways in beside the hub that hold messages which nobody has sealed, because their process ended. A
-- stream that was written in the last minute may still have its process.
CREATE OR REPLACE VIEW unsealed AS
SELECT p.stream AS stream, ifNull(s.sealed_through, -1) AS sealed_through, p.last AS watermark
FROM positions AS p
LEFT JOIN (SELECT * FROM stream_states FINAL) AS s ON s.stream = p.stream
WHERE splitByChar('/', toString(p.stream))[1] IN ('intake', 'import', 'backfill', 'poll', 'replay')
  AND ifNull(s.sealed_through, -1) < p.last
  AND p.stream NOT IN (SELECT stream FROM events WHERE inserted_at > now64(3) - INTERVAL 1 MINUTE)
SETTINGS join_use_nulls = 1;
