-- What was not understood, by decoder and reason: how many records, how many of them were replayed since, and one
-- detail as an example.
CREATE OR REPLACE VIEW rejected AS
SELECT
    source, reason, count() AS records, countIf(replayed) AS replayed_records,
    min(enqueued_at) AS first_enqueued_at, max(enqueued_at) AS last_enqueued_at, argMax(detail, enqueued_at) AS example
FROM rejected_records(
    `from` = {from:DateTime64(3, 'UTC')}, `to` = {to:DateTime64(3, 'UTC')},
    `reason` = {reason:Array(String)}, `source` = {source:Array(String)})
GROUP BY source, reason;
