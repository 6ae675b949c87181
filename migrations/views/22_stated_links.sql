-- The pairs of ids that the records of a range state to be one call, in both directions; sealing keeps them in `links`.
CREATE OR REPLACE VIEW stated_links AS
SELECT DISTINCT pair.1 AS id, pair.2 AS linked_id
FROM
(
    SELECT arrayJoin(arrayFlatten(arrayMap(other -> [(call_id, other), (other, call_id)], linked_ids))) AS pair
    FROM events
    WHERE stream = {stream:String} AND sequence_number > {after:Int64} AND sequence_number <= {through:Int64}
      AND notEmpty(linked_ids) AND call_id != ''
)
WHERE id != linked_id;
