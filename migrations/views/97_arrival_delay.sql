-- How long after its beginning a call is known here, of what came in the last ten minutes: up to the watermark less this,
-- a window has nearly all its calls. Gateways differ (a policy sends at once, diagnostic logs take minutes), and the
-- slowest counts, because the end of its traffic would look like silence. At most 15 minutes, so that one source that is
-- late by hours does not stop the alerts of all others; 0 where nothing came. What is imported or filled in later is of
-- another time.
CREATE OR REPLACE VIEW arrival_delay AS
SELECT toUInt32(least(900, greatest(0, ifNull(max(s.delay), 0)))) AS seconds
FROM
(
    SELECT quantileExact(0.95)(dateDiff('second', e.started_at, e.enqueued_at)) AS delay
    FROM events AS e
    WHERE e.inserted_at >= now64(3) - INTERVAL 10 MINUTE AND isNotNull(e.started_at) AND e.kind IN ('call', 'gateway')
      AND splitByChar('/', toString(e.stream))[1] NOT IN ('import', 'backfill', 'poll', 'replay')
    GROUP BY e.source
) AS s;
