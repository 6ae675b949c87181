-- Per stream, what `events` holds: the identity that must balance at any time. Read from the projection `streams`.
-- contiguous: messages = last - first + 1. `lost` is what the hub had dropped before it could be read, between the first
-- and the last stored message: a gap before the first or after the last takes nothing away from what is stored, so only
-- the part of a gap that lies between them counts, and where two gaps overlap, once.
CREATE OR REPLACE VIEW positions AS
SELECT
    e.stream AS stream, e.first AS first, e.last AS last, e.messages AS messages, e.records AS records,
    toInt64(e.last - e.first + 1 - e.messages - lost) AS missing,
    toInt64(ifNull(intervalLengthSumIf(greatest(g.first, e.first), least(g.last, e.last) + 1,
                                       g.stream = e.stream AND g.last >= e.first AND g.first <= e.last), 0)) AS lost
FROM
(
    SELECT stream, min(sequence_number) AS first, max(sequence_number) AS last,
           countIf(record_index = 0) AS messages, count() AS records
    FROM events
    GROUP BY stream
) AS e
LEFT JOIN (SELECT stream, first, last FROM gaps FINAL) AS g ON g.stream = e.stream
GROUP BY e.stream, e.first, e.last, e.messages, e.records;
