-- Who was elected last to evaluate alerts, and for how long nothing was heard of it; no row before the first election.
CREATE OR REPLACE VIEW evaluator AS
SELECT
    c.epoch AS epoch,
    c.owner AS owner,
    ifNull(if(e.epoch = c.epoch, e.state, ''), '') AS state,
    dateDiff('millisecond', greatest(c.claimed_at, ifNull(e.heard_at, c.claimed_at)), now64(3)) AS silent_ms
FROM
(
    SELECT max(k.epoch) AS epoch, argMax(k.owner, k.epoch) AS owner, argMax(k.claimed_at, k.epoch) AS claimed_at
    FROM claims AS k
    WHERE stream = 'alerts'
    HAVING count() > 0
) AS c
LEFT JOIN (SELECT * FROM evaluators FINAL) AS e ON e.owner = c.owner
SETTINGS join_use_nulls = 1;
