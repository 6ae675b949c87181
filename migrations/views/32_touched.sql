-- What sealing must know of ranges before it merges their calls: whether they state that two ids are one call, whether
-- anybody ever did, and since when their records can have come: the earliest that one of their calls began. A record that does not say when
-- its call began came to the hub within 90 days of it. NULL where the ranges have no record of a call.
CREATE OR REPLACE VIEW touched AS
SELECT
    minOrNull(least(enqueued_at, ifNull(started_at, enqueued_at - INTERVAL 90 DAY))) AS since,
    (countIf(notEmpty(linked_ids)) > 0)::Bool AS states_links,
    ifNull((SELECT count() FROM links) > 0, false)::Bool AS has_links
FROM events
WHERE call_id != '' AND (stream, sequence_number) IN
    (
        SELECT s, arrayJoin(range(a + 1, t + 1)) FROM system.one
        ARRAY JOIN {streams:Array(String)} AS s, {afters:Array(Int64)} AS a, {throughs:Array(Int64)} AS t
    );
