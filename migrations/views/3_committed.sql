-- What the table holds of a stream after a position: the answer that ingest believes instead of the insert's own.
-- `unreadable` is always 0. It is there to read every column of the new rows, because an engine may acknowledge a write
-- that did not reach the disk whole: then this read fails, and the batch is not counted as stored.
CREATE OR REPLACE VIEW committed AS
SELECT
    max(sequence_number) AS watermark,
    countIf(record_index = 0) AS messages,
    count() AS records,
    toUInt64(sum(ignore(*))) AS unreadable
FROM events
WHERE stream = {stream:String} AND sequence_number > {after:Int64}
  AND enqueued_at >= {since:DateTime64(3, 'UTC')};
