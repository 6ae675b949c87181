-- What was not understood, record by record, newest first, and whether it has been replayed since. Empty filters mean
-- all. Bodies are as they are kept: without message text, keys and query strings, and cut at 64 KiB.
CREATE OR REPLACE VIEW rejected_records AS
SELECT
    e.stream AS stream, e.sequence_number AS sequence_number, e.record_index AS record_index,
    e.enqueued_at AS enqueued_at, e.source AS source, e.reason AS reason, e.detail AS detail,
    e.body AS body, e.body_bytes AS body_bytes, isNotNull(r.replayed_at)::Bool AS replayed
FROM
(
    SELECT * FROM events
    WHERE kind = 'rejected'
      AND enqueued_at >= {from:DateTime64(3, 'UTC')} AND enqueued_at < {to:DateTime64(3, 'UTC')}
      AND (empty({reason:Array(String)}) OR has({reason:Array(String)}, reason))
      AND (empty({source:Array(String)}) OR has({source:Array(String)}, source))
) AS e
LEFT JOIN (SELECT * FROM replays FINAL) AS r
    ON r.stream = e.stream AND r.sequence_number = e.sequence_number AND r.record_index = e.record_index
ORDER BY e.enqueued_at DESC, e.stream, e.sequence_number DESC, e.record_index
SETTINGS join_use_nulls = 1;
