-- The pairs of ids around the calls that a range touched, and around the given orphans. Three steps from a touched call
-- reach every member of a chain of four systems, such as a proxy, two gateways and a back end.
CREATE OR REPLACE VIEW linked AS
WITH
    touched AS
    (
        SELECT call_id FROM events
        WHERE stream = {stream:String} AND sequence_number > {after:Int64} AND sequence_number <= {through:Int64} AND call_id != ''
        UNION DISTINCT SELECT arrayJoin({orphans:Array(String)})
    ),
    first AS (SELECT DISTINCT linked_id FROM links WHERE id IN (SELECT call_id FROM touched)),
    second AS (SELECT DISTINCT linked_id FROM links WHERE id IN (SELECT linked_id FROM first))
SELECT DISTINCT id, linked_id
FROM links
WHERE id IN (SELECT linked_id FROM first UNION DISTINCT SELECT linked_id FROM second);
