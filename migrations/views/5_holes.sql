-- The stretches of sequence numbers that are missing between two stored messages of a stream, without those that are
-- known as lost from end to end. One that is lost in part is a hole still: the hub may have the rest.
CREATE OR REPLACE VIEW holes AS
WITH missing AS
(
    SELECT previous + 1 AS first, sequence_number - 1 AS last
    FROM
    (
        SELECT sequence_number, lagInFrame(sequence_number, 1, sequence_number - 1) OVER (ORDER BY sequence_number ASC ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS previous
        FROM (SELECT DISTINCT sequence_number FROM events WHERE stream = {stream:String})
    )
    WHERE sequence_number - previous > 1
)
SELECT m.first AS first, m.last AS last
FROM missing AS m
LEFT JOIN (SELECT stream, first, last FROM gaps FINAL WHERE stream = {stream:String}) AS g ON g.stream = {stream:String}
GROUP BY m.first, m.last
HAVING intervalLengthSumIf(greatest(g.first, m.first), least(g.last, m.last) + 1,
                           g.stream = {stream:String} AND g.last >= m.first AND g.first <= m.last) < m.last - m.first + 1
ORDER BY first;
