-- What is known of the links of the calls that ranges touched, and of the given ids: one step. Whoever asks goes on from
-- the answer, and not through an id that has more than 8 (`ingest/linking.ts`).
CREATE OR REPLACE VIEW linked AS
SELECT DISTINCT id, linked_id, stated_by, system, since
FROM links
WHERE id IN
    (
        SELECT call_id FROM events
        WHERE call_id != '' AND (stream, sequence_number) IN
            (
                SELECT s, arrayJoin(range(a + 1, t + 1)) FROM system.one
                ARRAY JOIN {streams:Array(String)} AS s, {afters:Array(Int64)} AS a, {throughs:Array(Int64)} AS t
            )
        UNION DISTINCT SELECT arrayJoin({ids:Array(String)})
    );
