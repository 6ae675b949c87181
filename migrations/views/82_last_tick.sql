-- How far the evaluator has come, and up to when everything that the hub had accepted is in the ledger: the watermark
-- that evaluations end at. A stream that is a day behind the newest, such as one of a hub that was made anew, holds
-- nothing back. The instants are NULL where there is nothing yet.
CREATE OR REPLACE VIEW last_tick AS
SELECT
    t.tick AS tick,
    t.evaluated_at AS evaluated_at,
    t.recorded_at AS recorded_at,
    multiIf(
        notEmpty(w.hubs), CAST(arrayMin(w.hubs), 'Nullable(DateTime64(3, \'UTC\'))'),
        notEmpty(w.others), CAST(arrayMax(w.others), 'Nullable(DateTime64(3, \'UTC\'))'),
        NULL
    ) AS complete_through,
    now64(3, 'UTC') AS now
FROM
(
    SELECT
        max(e.tick) AS tick,
        argMaxOrNull(e.evaluated_at, e.tick) AS evaluated_at,
        argMaxOrNull(e.recorded_at, e.tick) AS recorded_at
    FROM alert_events AS e
    WHERE kind = 'tick'
) AS t
CROSS JOIN
(
    SELECT
        groupArray(tuple(p.way = 'hub', p.complete_through)) AS streams,
        arrayFilter(s -> s.2 > arrayMax(x -> x.2, streams) - INTERVAL 1 DAY, streams) AS fresh,
        arrayMap(s -> s.2, arrayFilter(s -> s.1, fresh)) AS hubs,
        arrayMap(s -> s.2, arrayFilter(s -> NOT s.1, fresh)) AS others
    FROM pipeline AS p
) AS w;
