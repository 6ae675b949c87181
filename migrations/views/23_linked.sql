-- The pairs of ids around the calls that ranges touched, and around the given orphans. Three steps from a touched call
-- reach every member of a chain of four systems, such as a proxy, two gateways and a back end.
CREATE OR REPLACE VIEW linked AS
WITH
    near AS
    (
        SELECT call_id FROM events
        WHERE call_id != '' AND (stream, sequence_number) IN
            (
                SELECT s, arrayJoin(range(a + 1, t + 1)) FROM system.one
                ARRAY JOIN {streams:Array(String)} AS s, {afters:Array(Int64)} AS a, {throughs:Array(Int64)} AS t
            )
        UNION DISTINCT SELECT arrayJoin({orphans:Array(String)})
    ),
    first AS (SELECT DISTINCT linked_id FROM links WHERE id IN (SELECT call_id FROM near)),
    second AS (SELECT DISTINCT linked_id FROM links WHERE id IN (SELECT linked_id FROM first))
SELECT DISTINCT id, linked_id
FROM links
WHERE id IN (SELECT linked_id FROM first UNION DISTINCT SELECT linked_id FROM second);
