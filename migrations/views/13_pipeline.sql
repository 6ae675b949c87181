-- Per stream: what was received, what became of it, and how far behind the hub it is.
--
-- The identity: received messages = last - first + 1 - lost, and records = calls + parts + dropped + rejected.
-- `way` is how its messages came in: from a hub, or by one of the ways that have streams of their own. `balanced` says that both hold. A stream is complete through the time its owner last looked if nothing was waiting
-- then, else through its newest stored message.
CREATE OR REPLACE VIEW pipeline AS
WITH kinds AS
(
    SELECT
        stream,
        sumIf(n, kind = 'call') AS call_records,
        sumIf(n, kind IN ('gateway', 'usage', 'backend', 'lifecycle', 'metric')) AS part_records,
        sumIf(n, kind = 'dropped') AS dropped,
        sumIf(n, kind = 'rejected') AS rejected,
        max(newest) AS newest_enqueued_at
    FROM (SELECT stream, source, kind, reason, count() AS n, max(enqueued_at) AS newest FROM events GROUP BY stream, source, kind, reason)
    GROUP BY stream
)
SELECT
    p.stream AS stream,
    if(splitByChar('/', toString(p.stream))[1] IN ('intake', 'import', 'backfill', 'poll', 'replay'), splitByChar('/', toString(p.stream))[1], 'hub') AS way,
    p.messages AS received,
    p.records AS records,
    k.call_records AS call_records,
    k.part_records AS part_records,
    k.dropped AS dropped,
    k.rejected AS rejected,
    p.first AS first_sequence_number,
    p.last AS watermark,
    p.missing AS missing,
    p.lost AS lost,
    (p.missing = 0 AND p.records = k.call_records + k.part_records + k.dropped + k.rejected)::Bool AS balanced,
    greatest(ifNull(s.last_enqueued_sequence_number, p.last) - p.last, 0) AS waiting,
    ifNull(s.state, '') AS state,
    ifNull(s.owner, '') AS owner,
    ifNull(s.sealed_through, -1) AS sealed_through,
    k.newest_enqueued_at AS newest_enqueued_at,
    if(waiting = 0 AND ifNull(s.sealed_through, -1) = p.last AND isNotNull(s.observed_at), greatest(assumeNotNull(s.observed_at), k.newest_enqueued_at), k.newest_enqueued_at) AS complete_through
FROM positions AS p
INNER JOIN kinds AS k ON k.stream = p.stream
LEFT JOIN (SELECT * FROM stream_states FINAL) AS s ON s.stream = p.stream
SETTINGS join_use_nulls = 1;
