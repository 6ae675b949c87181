-- The pairs of ids that the records of ranges state to be one call, in both directions; sealing keeps them in `links`.
--
-- The system of a record is its source up to the first '_' and its gateway: of two gateways in a row, each has an own id
-- of a call, even where both are of the same make.
--
-- An id that a client chose may be linked with any number of calls, and with more than 8 it links nothing. So one that is
-- known to have more than 8 gets no more of them, and a range adds 9 at most: whoever reads them has little to read.
-- The other direction is always kept.
CREATE OR REPLACE VIEW stated_links AS
WITH
    stated AS
    (
        SELECT pair.1 AS id, pair.2 AS linked_id, groupUniqArray(statement) AS statements
        FROM
        (
            SELECT
                (call_id, concat(splitByChar('_', toString(source))[1], '/', gateway), toDate(least(enqueued_at, ifNull(started_at, enqueued_at - INTERVAL 90 DAY)))) AS statement,
                arrayJoin(arrayFlatten(arrayMap(other -> [(call_id, other), (other, call_id)], linked_ids))) AS pair
            FROM events
            WHERE notEmpty(linked_ids) AND call_id != '' AND (stream, sequence_number) IN
                (
                    SELECT s, arrayJoin(range(a + 1, t + 1)) FROM system.one
                    ARRAY JOIN {streams:Array(String)} AS s, {afters:Array(Int64)} AS a, {throughs:Array(Int64)} AS t
                )
        )
        WHERE id != linked_id
        GROUP BY id, linked_id
    )
SELECT id, linked_id, said.1 AS stated_by, toLowCardinality(said.2) AS system, said.3 AS since
FROM
(
    SELECT id, linked_id, statements FROM stated
    WHERE id NOT IN
        (
            SELECT id FROM links WHERE id IN (SELECT id FROM stated)
            GROUP BY id HAVING uniqExact(linked_id) > 8
        )
    LIMIT 9 BY id
)
ARRAY JOIN statements AS said;
