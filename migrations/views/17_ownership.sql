-- Who holds each stream: its newest claim, when that owner was last heard of, and how far sealing had come.
CREATE OR REPLACE VIEW ownership AS
SELECT
    c.stream AS stream, c.last_epoch AS epoch, c.last_owner AS owner,
    ifNull(if(s.owner = c.last_owner, s.state, ''), '') AS state,
    ifNull(s.sealed_through, -1) AS sealed_through,
    dateDiff('millisecond', greatest(c.claimed_at, ifNull(o.heard_at, c.claimed_at)), now64(3)) AS silent_ms
FROM
(
    SELECT stream, max(epoch) AS last_epoch, argMax(owner, epoch) AS last_owner, argMax(claimed_at, epoch) AS claimed_at
    FROM claims
    GROUP BY stream
) AS c
LEFT JOIN (SELECT * FROM stream_states FINAL) AS s ON s.stream = c.stream
LEFT JOIN (SELECT owner, max(observed_at) AS heard_at FROM stream_states FINAL GROUP BY owner) AS o ON o.owner = c.last_owner
SETTINGS join_use_nulls = 1;
