-- What is known to be missing of the window [from, to), by what is lost and whose log lost it; a loss that did not
-- happen has no row. Each is a count of calls, but for lost messages, truncated records and silent streams.
--
-- truncated              the gateway or the hub's policy cut a record: rejected for it, or decoded and marked
-- usage_without_gateway  tokens of which nobody said who used them, 15 minutes after they came
-- record_without_gateway the same without tokens: most often what a back end logged of a call that came by no gateway, or
--                        under an id that no gateway's log has
-- gateway_without_usage  a call of a model that succeeded, and no log says its tokens
-- chunks_without_usage   parts of a call's messages came, the row with its tokens did not
-- missing_chunks         parts of a call's messages between the first and the last that came
-- sampled                a log that mentions only a share of its calls; counted are those it does not mention
-- lost_in_hub            messages that the hub dropped before they were read
-- silent                 a stream or source that was heard of in the day before, and not in the last hour of the window; archives,
--                        backfills and replays come when someone starts them
CREATE OR REPLACE VIEW losses AS
WITH
    window_calls AS
    (
        SELECT call_id, source, started_at, completeness, operation_name, http_response_status_code, usage_quality, truncated, sample_fraction
        FROM calls FINAL
        WHERE started_at >= {from:DateTime64(3, 'UTC')} AND started_at < {to:DateTime64(3, 'UTC')}
    ),
    heard AS
    (
        SELECT stream, source, max(enqueued_at) AS newest
        FROM events
        WHERE enqueued_at >= {from:DateTime64(3, 'UTC')} - INTERVAL 1 DAY AND enqueued_at < {to:DateTime64(3, 'UTC')} AND source != ''
          AND splitByChar('/', toString(stream))[1] NOT IN ('import', 'backfill', 'poll', 'replay')
        GROUP BY stream, source
    )
SELECT loss, toString(losing) AS source, toUInt64(n) AS affected, last AS last_at
FROM
(
    SELECT 'truncated' AS loss, source AS losing, count() AS n, max(enqueued_at) AS last
    FROM events
    WHERE enqueued_at >= {from:DateTime64(3, 'UTC')} AND enqueued_at < {to:DateTime64(3, 'UTC')}
      AND (truncated OR (kind = 'rejected' AND reason = 'truncated'))
    GROUP BY losing
    UNION ALL
    SELECT if(usage_quality = 'missing', 'record_without_gateway', 'usage_without_gateway') AS missed, source, count(), max(started_at)
    FROM window_calls
    WHERE completeness = 'orphan'
    GROUP BY missed, source
    UNION ALL
    SELECT 'gateway_without_usage', source, count(), max(started_at)
    FROM window_calls
    WHERE completeness = 'no_usage' AND operation_name IN ('chat', 'text_completion', 'embeddings', 'generate_content')
      AND ifNull(http_response_status_code < 400, true)
    GROUP BY source
    UNION ALL
    SELECT 'chunks_without_usage', source, uniqExact(call_id), max(enqueued_at)
    FROM events
    WHERE enqueued_at >= {from:DateTime64(3, 'UTC')} AND enqueued_at < {to:DateTime64(3, 'UTC')}
      AND kind = 'dropped' AND reason = 'message_text' AND call_id != ''
      AND call_id NOT IN (SELECT call_id FROM events WHERE enqueued_at >= {from:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR AND kind = 'usage')
    GROUP BY source
    UNION ALL
    SELECT 'missing_chunks', source, sum(gone), max(newest)
    FROM
    (
        SELECT source, call_id, max(measurements['chunk']) - uniqExactIf(measurements['chunk'], measurements['chunk'] > 0) AS gone, max(enqueued_at) AS newest
        FROM events
        WHERE enqueued_at >= {from:DateTime64(3, 'UTC')} AND enqueued_at < {to:DateTime64(3, 'UTC')}
          AND kind = 'dropped' AND reason = 'message_text' AND mapContains(measurements, 'chunk')
        GROUP BY source, call_id
    )
    GROUP BY source
    UNION ALL
    SELECT 'sampled', source, round(sum(1 / sample_fraction - 1)), max(started_at)
    FROM window_calls
    WHERE sample_fraction < 1 AND sample_fraction > 0
    GROUP BY source
    UNION ALL
    SELECT 'lost_in_hub', stream, sum(last - first + 1), max(noticed_at)
    FROM gaps FINAL
    WHERE noticed_at >= {from:DateTime64(3, 'UTC')} AND noticed_at < {to:DateTime64(3, 'UTC')}
    GROUP BY stream
    UNION ALL
    SELECT 'silent', source, 1, max(newest)
    FROM heard
    GROUP BY source
    HAVING max(newest) < {to:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR
    UNION ALL
    SELECT 'silent', stream, 1, max(newest)
    FROM heard
    WHERE splitByChar('/', toString(stream))[1] != 'intake'
    GROUP BY stream
    HAVING max(newest) < {to:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR
)
WHERE n > 0;
