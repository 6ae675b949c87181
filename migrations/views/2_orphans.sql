-- Calls of which only usage or backend records have come, first seen in [inserted_from, inserted_to): the ones that the
-- next sweep shows as orphans. `since` bounds their records for the view `sealed`.
CREATE OR REPLACE VIEW orphans AS
SELECT call_id, min(least(enqueued_at, ifNull(started_at, enqueued_at))) AS since
FROM events
WHERE call_id IN
    (
        SELECT call_id FROM events
        WHERE kind IN ('usage', 'backend') AND call_id != ''
          AND inserted_at >= {inserted_from:DateTime64(3, 'UTC')} AND inserted_at < {inserted_to:DateTime64(3, 'UTC')}
    )
  AND kind IN ('call', 'gateway', 'usage', 'backend')
GROUP BY call_id
HAVING countIf(kind IN ('call', 'gateway')) = 0;
