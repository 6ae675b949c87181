-- The values of platform metrics that lie in [from, to), by five minutes, both on a border of five minutes. A minute that
-- was read twice is there twice and counts once.
--
-- What Azure Monitor says of a minute holds several numbers and not which of them is meant: what counts something is
-- meant by its total, known by its name; any other metric is meant by its average, weighted by its samples.
-- A value comes minutes after its time and never before: a day more than the window itself is enough for all clocks.
CREATE OR REPLACE VIEW measured_metrics AS
SELECT
    sipHash64(toString(labels)) AS series, toStartOfFiveMinutes(started_at) AS at, labels,
    if(match(labels['metric'], '(?i)(tokens|requests|calls|events|errors|messages|transactions?|count|bytes)$') AND countIf(mapContains(m, 'total')) > 0, sumIf(m['total'], mapContains(m, 'total')),
       if(countIf(mapContains(m, 'average')) > 0,
          sumIf(m['average'] * greatest(1, m['count']), mapContains(m, 'average')) / sumIf(greatest(1, m['count']), mapContains(m, 'average')),
          avg(multiIf(mapContains(m, 'total'), m['total'], mapContains(m, 'maximum'), m['maximum'], mapContains(m, 'minimum'), m['minimum'], m['count'])))) AS value,
    now64(3, 'UTC') AS computed_at
FROM
(
    SELECT
        mapFilter((k, v) -> v != '', map('metric', toString(event_name), 'gateway', toString(gateway), 'backend', toString(backend), 'deployment', toString(deployment),
            'model', toString(response_model), 'model_version', toString(model_version), 'region', toString(region), 'instance', toString(instance_id), 'state', toString(event_reason))) AS labels,
        assumeNotNull(e.started_at) AS started_at, any(CAST(measurements, 'Map(String, Float64)')) AS m
    FROM events AS e
    WHERE call_id = '' AND kind = 'metric' AND enqueued_at >= {from:DateTime64(3, 'UTC')} - INTERVAL 1 DAY
      AND e.started_at >= {from:DateTime64(3, 'UTC')} AND e.started_at < {to:DateTime64(3, 'UTC')}
    GROUP BY labels, started_at
)
GROUP BY labels, at;
