-- How long after its beginning a call is known here, of what came in the last ten minutes: up to the watermark less this,
-- a window has its calls. Gateways differ (a policy sends at once, diagnostic logs take minutes), and the slowest counts,
-- because the end of its traffic would look like silence. One source that is later than a quarter of an hour does not
-- stop the alerts of all others. Where all are, as when logs of hours are sent at once, nothing is looked at before they
-- are in, for two hours at most. 0 where nothing came. What is imported or filled in later is of another time.
CREATE OR REPLACE VIEW arrival_delay AS
SELECT toUInt32(greatest(0, multiIf(
    countIf(s.usual <= 900) > 0, ifNull(maxIf(s.usual, s.usual <= 900), 0),
    count() > 0, least(7200, ifNull(max(s.longest), 0)),
    0))) AS seconds
FROM
(
    SELECT
        quantileExact(0.99)(dateDiff('second', e.started_at, e.enqueued_at)) AS usual,
        max(dateDiff('second', e.started_at, e.enqueued_at)) AS longest
    FROM events AS e
    WHERE e.inserted_at >= now64(3) - INTERVAL 10 MINUTE AND isNotNull(e.started_at) AND e.kind IN ('call', 'gateway')
      AND splitByChar('/', toString(e.stream))[1] NOT IN ('import', 'backfill', 'poll', 'replay')
    GROUP BY e.source
) AS s;
