-- Per stream, what `events` holds: the identity that must balance at any time. Read from the projection `streams`.
-- contiguous: messages = last - first + 1. `lost` is what the hub had dropped before it could be read.
CREATE OR REPLACE VIEW positions AS
SELECT
    e.stream AS stream, e.first AS first, e.last AS last, e.messages AS messages, e.records AS records,
    toInt64(e.last - e.first + 1 - e.messages - ifNull(g.lost, 0)) AS missing,
    toInt64(ifNull(g.lost, 0)) AS lost
FROM
(
    SELECT stream, min(sequence_number) AS first, max(sequence_number) AS last,
           countIf(record_index = 0) AS messages, count() AS records
    FROM events
    GROUP BY stream
) AS e
LEFT JOIN (SELECT stream, sum(last - first + 1) AS lost FROM gaps FINAL GROUP BY stream) AS g ON g.stream = e.stream;
