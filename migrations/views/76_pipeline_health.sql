-- What is wrong with the books themselves. These read the state of ingest as it is, which has no past: they are asked for
-- now and not replayed.
--
-- pipeline_lag        messages wait in the hub, and the newest that was read is old
-- pipeline_gap        the hub dropped messages before they were read, in the last hour
-- pipeline_rejects    records of the last hour that no decoder understood
-- pipeline_imbalance  a stream whose records do not add up, or with a hole
-- silent_source       a gateway's log that came yesterday and does not come now
-- upstream_loss       calls of the last hour of which something is missing before it came here
CREATE OR REPLACE VIEW pipeline_health AS
WITH
    (SELECT (values, versions) FROM detector_values(at = {at:DateTime64(3, 'UTC')})) AS v,
    v.1 AS p
SELECT
    f.1 AS rule, toUInt32(v.2[f.1]) AS version, f.2 AS labels, 'firing' AS state, f.3 AS severity, f.4 AS started_at, f.5 AS observed, f.6 AS expected, f.7 AS unit,
    round(f.5 / greatest(1, f.6), 3) AS score, CAST(NULL, 'Nullable(Decimal(76, 24))') AS cost_per_hour, [f.8] AS affected, f.9 AS evidence, 1. AS confidence
FROM
(
    SELECT ('pipeline_lag', map('stream', toString(stream)), 'page', complete_through, toFloat64(dateDiff('second', complete_through, {at:DateTime64(3, 'UTC')})),
            toFloat64(p['pipeline_lag.seconds']), 'seconds behind', toString(stream), toJSONString(map('waiting', toString(waiting), 'state', state, 'owner', owner))) AS f
    FROM pipeline
    WHERE way = 'hub' AND waiting > 0 AND dateDiff('second', complete_through, {at:DateTime64(3, 'UTC')}) > p['pipeline_lag.seconds']
    UNION ALL
    SELECT ('pipeline_imbalance', map('stream', toString(stream)), 'page', newest_enqueued_at, toFloat64(records), toFloat64(call_records + part_records + dropped + rejected),
            'records', toString(stream), toJSONString(map('missing', toString(missing), 'lost', toString(lost), 'received', toString(received))))
    FROM pipeline
    WHERE NOT balanced
    UNION ALL
    SELECT ('pipeline_gap', map('stream', toString(stream)), 'page', min(noticed_at), toFloat64(sum(last - first + 1)), 0., 'messages lost', toString(stream),
            toJSONString(map('first', toString(min(first)), 'last', toString(max(last)))))
    FROM gaps FINAL
    WHERE noticed_at >= {at:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR AND noticed_at < {at:DateTime64(3, 'UTC')}
    GROUP BY stream
    UNION ALL
    SELECT ('pipeline_rejects', map('source', toString(source), 'reason', toString(reason)), 'ticket', min(enqueued_at), toFloat64(count()), toFloat64(p['pipeline_rejects.records_min']),
            'rejected records', toString(any(stream)), toJSONString(map('example', any(detail))))
    FROM events
    WHERE enqueued_at >= {at:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR AND enqueued_at < {at:DateTime64(3, 'UTC')} AND kind = 'rejected'
    GROUP BY source, reason
    HAVING count() >= p['pipeline_rejects.records_min']
    UNION ALL
    SELECT (if(loss = 'silent', 'silent_source', 'upstream_loss'), map('loss', loss, 'source', source), if(loss = 'silent', 'page', 'ticket'), last_at, toFloat64(affected),
            0., if(loss = 'silent', 'silent', 'calls'), source, toJSONString(map('loss', loss, 'last_at', toString(last_at))))
    FROM losses(`from` = {at:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR, `to` = {at:DateTime64(3, 'UTC')})
    WHERE loss NOT IN ('lost_in_hub', 'record_without_gateway') AND (loss = 'silent' OR affected >= p['upstream_loss.calls_min'])
);
