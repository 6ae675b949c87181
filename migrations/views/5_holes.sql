-- The stretches of sequence numbers that are missing between two stored messages of a stream, without those known as lost.
CREATE OR REPLACE VIEW holes AS
SELECT previous + 1 AS first, sequence_number - 1 AS last
FROM
(
    SELECT sequence_number, lagInFrame(sequence_number, 1, sequence_number - 1) OVER (ORDER BY sequence_number ASC ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS previous
    FROM (SELECT DISTINCT sequence_number FROM events WHERE stream = {stream:String})
)
WHERE sequence_number - previous > 1
  AND (previous + 1, sequence_number - 1) NOT IN (SELECT first, last FROM gaps FINAL WHERE stream = {stream:String})
ORDER BY first;
