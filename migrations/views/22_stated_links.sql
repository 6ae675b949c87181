-- The pairs of ids that the records of ranges state to be one call, in both directions; sealing keeps them in `links`.
CREATE OR REPLACE VIEW stated_links AS
SELECT DISTINCT pair.1 AS id, pair.2 AS linked_id
FROM
(
    SELECT arrayJoin(arrayFlatten(arrayMap(other -> [(call_id, other), (other, call_id)], linked_ids))) AS pair
    FROM events
    WHERE notEmpty(linked_ids) AND call_id != '' AND (stream, sequence_number) IN
        (
            SELECT s, arrayJoin(range(a + 1, t + 1)) FROM system.one
            ARRAY JOIN {streams:Array(String)} AS s, {afters:Array(Int64)} AS a, {throughs:Array(Int64)} AS t
        )
)
WHERE id != linked_id;
