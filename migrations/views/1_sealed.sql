-- The calls that a range of one stream touched, each merged from all its records, whichever stream they came from.
-- Ingest inserts the answer into `calls`; the same records always give the same rows, in any order of arrival.
--
-- A call that several systems log under ids of their own is one call: `linked_ids` and `roots` say for each such id
-- which one stands for all (from the table `links`; any member will do). The row has the id of the record that names
-- the call, and all of them in `call_ids`.
--
-- Who names the call: a gateway's own log before a policy event; a usage or backend record alone names nobody and
-- waits. What was backfilled comes after everything that the hub delivered: it fills holes and overwrites nothing. `orphans` lists the waiting calls that are to be shown all the same (after 15 minutes), with `orphans_since`
-- not after their oldest record.
--
-- Why tombstones: a call's key is (consumer_id, started_at, call_id), and what an earlier sealing knew may have given
-- another key. Every key that some subset of the records could have produced is therefore withdrawn (is_deleted = 1) in the
-- same insert. That needs no look at `calls`, so two workers that seal the same call at once cannot leave two rows.
-- An orphan's key is withdrawn only if it can have been written: 14 of the 15 minutes had passed.
--
-- Why `since`: a record reaches the hub after its call began, so partitions before that cannot hold one (a day of
-- clock error is allowed; 90 days for a record that does not say when its call began).
--
-- Usage: within one gateway call a provider may have been asked several times (retries), each with its own response
-- id: the maximum within a response id, the sum over them. Better evidence wins as a whole: exact from the gateway's
-- log, exact from a policy or backend, exact from a backfill, partial, estimated, none.
CREATE OR REPLACE VIEW sealed AS
WITH
    touched AS
    (
        SELECT call_id, least(enqueued_at, ifNull(started_at, enqueued_at - INTERVAL 90 DAY)) AS reached_at
        FROM events
        WHERE stream = {stream:String} AND sequence_number > {after:Int64} AND sequence_number <= {through:Int64}
          AND call_id != ''
    ),
    -- Of no row, min is 1970: without the OrNull a sweep, which touches nothing, would read every day there is.
    (SELECT ifNull(least(minOrNull(reached_at), {orphans_since:DateTime64(3, 'UTC')}), {orphans_since:DateTime64(3, 'UTC')}) - INTERVAL 1 DAY FROM touched) AS since,
    records AS
    (
        SELECT
            *,
            transform(call_id, {linked_ids:Array(String)}, {roots:Array(String)}, call_id) AS root,
            startsWith(stream, 'backfill/') AS backfilled,
            kind IN ('gateway', 'call') AS names,
            multiIf(kind = 'gateway', 1, kind = 'call', 2, 3) + if(backfilled, 3, 0) AS rank,
            coalesce(started_at, enqueued_at) AS key_time,
            multiIf(usage_quality = 'exact', multiIf(backfilled, 3, kind = 'usage', 1, 2), usage_quality = 'partial', 4,
                    usage_quality = 'estimated', 5, 6) AS usage_rank
        FROM events
        WHERE enqueued_at >= since
          AND call_id IN (SELECT call_id FROM touched UNION DISTINCT SELECT arrayJoin(arrayConcat({orphans:Array(String)}, {linked_ids:Array(String)})))
          AND kind IN ('call', 'gateway', 'usage', 'backend')
    ),
    responses AS
    (
        SELECT
            root, usage_rank, response_id,
            max(usage_input_tokens)                   AS input_tokens,
            max(usage_cache_read_input_tokens)        AS cache_read_input_tokens,
            max(usage_cache_creation_5m_input_tokens) AS cache_creation_5m_input_tokens,
            max(usage_cache_creation_1h_input_tokens) AS cache_creation_1h_input_tokens,
            max(usage_audio_input_tokens)             AS audio_input_tokens,
            max(usage_output_tokens)                  AS output_tokens,
            max(usage_reasoning_output_tokens)        AS reasoning_output_tokens,
            max(usage_audio_output_tokens)            AS audio_output_tokens,
            max(usage_total_tokens)                   AS total_tokens
        FROM records
        WHERE usage_quality != ''
        GROUP BY root, usage_rank, response_id
    ),
    usage AS
    (
        SELECT root, argMin(kinds, usage_rank) AS kinds, min(usage_rank) AS best
        FROM
        (
            SELECT
                root, usage_rank,
                tuple(sum(input_tokens), sum(cache_read_input_tokens), sum(cache_creation_5m_input_tokens),
                      sum(cache_creation_1h_input_tokens), sum(audio_input_tokens), sum(output_tokens),
                      sum(reasoning_output_tokens), sum(audio_output_tokens), sum(total_tokens)) AS kinds
            FROM responses
            GROUP BY root, usage_rank
        )
        GROUP BY root
    ),
    merged AS
    (
        SELECT
            r.root AS root,
            countIf(r.names) AS anchors,
            count() AS records,
            uniqExact(r.record_hash) AS distinct_records,
            argMin(r.call_id, (r.rank, r.started_at IS NULL, r.key_time, r.call_id)) AS named_id,
            arraySort(groupUniqArray(r.call_id)) AS call_ids,
            arraySort(groupUniqArray(r.source)) AS sources,
            max(r.enqueued_at) AS last_enqueued_at,
            argMin(r.source, (r.rank, r.source)) AS source,
            argMin(r.key_time, (r.rank, r.started_at IS NULL, r.key_time)) AS started_at,
            argMinIf(r.consumer_id, (r.rank, r.consumer_id), r.names AND r.consumer_id != '') AS consumer_id,
            groupUniqArrayIf(r.consumer_id, r.names) AS consumers,
            groupUniqArrayIf(r.key_time, r.names) AS times,
            groupUniqArrayIf(r.key_time, NOT r.names) AS waiting_times,
            minIf(r.inserted_at, NOT r.names) + INTERVAL 14 MINUTE < minIf(r.inserted_at, r.names) AS waited,
            argMinIf(r.gateway, (r.rank, r.gateway), r.gateway != '') AS gateway,
            argMinIf(r.product_id, (r.rank, r.product_id), r.product_id != '') AS product_id,
            argMinIf(r.api_id, (r.rank, r.api_id), r.api_id != '') AS api_id,
            argMinIf(r.operation_id, (r.rank, r.operation_id), r.operation_id != '') AS operation_id,
            argMinIf(r.operation_name, (r.rank, r.operation_name), r.operation_name != '') AS operation_name,
            argMinIf(r.provider_name, (r.rank, r.provider_name), r.provider_name != '') AS provider_name,
            argMinIf(r.request_model, (r.rank, r.request_model), r.request_model != '') AS request_model,
            argMinIf(r.response_model, (r.usage_rank, r.rank, r.response_model), r.response_model != '') AS response_model,
            argMinIf(r.response_id, (r.usage_rank, r.rank, r.response_id), r.response_id != '') AS response_id,
            argMinIf(r.deployment, (r.rank, r.deployment), r.deployment != '') AS deployment,
            argMinIf(r.backend, (r.rank, r.backend), r.backend != '') AS backend,
            argMinIf(r.region, (r.rank, r.region), r.region != '') AS region,
            argMinIf(r.service_tier, (r.rank, r.service_tier), r.service_tier != '') AS service_tier,
            argMinIf(r.user_id, (r.rank, r.user_id), r.user_id != '') AS user_id,
            argMinIf(r.error_type, (r.rank, r.error_type), r.error_type != '') AS error_type,
            argMinIf(r.cache_status, (r.rank, r.cache_status), r.cache_status != '') AS cache_status,
            argMinIf(r.model_version, (r.usage_rank, r.rank, r.model_version), r.model_version != '') AS model_version,
            argMinIf(r.routing_label, (r.rank, r.routing_label), r.routing_label != '') AS routing_label,
            argMaxIf((r.moderation_outcome, r.moderation_category, r.moderation_severity), (indexOf(['passed', 'annotated', 'blocked'], r.moderation_outcome), indexOf(['safe', 'low', 'medium', 'high'], r.moderation_severity), r.moderation_category), r.moderation_outcome != '') AS moderation,
            argMinIf(r.throttled_by, (r.rank, r.throttled_by), r.throttled_by != '') AS throttled_by,
            argMinIf(r.client_network, (r.rank, r.client_network), r.client_network != '') AS client_network,
            argMinIf(r.instance_id, (r.rank, r.instance_id), r.instance_id != '') AS instance_id,
            argMin(r.http_response_status_code, (r.rank, r.http_response_status_code)) AS http_response_status_code,
            argMin(r.backend_response_status_code, (r.rank, r.backend_response_status_code)) AS backend_response_status_code,
            argMinIf(r.request_stream, (r.names, NOT r.request_stream), r.request_stream IS NOT NULL) AS request_stream,
            argMin(r.duration_ms, (r.rank, r.duration_ms)) AS duration_ms,
            argMin(r.backend_ms, (r.rank, r.backend_ms)) AS backend_ms,
            argMin(r.client_ms, (r.rank, r.client_ms)) AS client_ms,
            argMin(r.time_to_first_token_ms, (r.rank, r.time_to_first_token_ms)) AS time_to_first_token_ms,
            argMin(r.request_bytes, (r.rank, r.request_bytes)) AS request_bytes,
            argMin(r.response_bytes, (r.rank, r.response_bytes)) AS response_bytes,
            max(r.attempts) AS attempts,
            max(r.throttled_ms) AS throttled_ms,
            min(r.quota_remaining_tokens) AS quota_remaining_tokens,
            max(r.truncated) AS truncated,
            min(r.sample_fraction) AS sample_fraction
        FROM records AS r
        GROUP BY r.root
        HAVING anchors > 0 OR hasAny(call_ids, {orphans:Array(String)})
    )
SELECT
    key.3 AS call_id,
    m.call_ids AS call_ids,
    toUInt32(m.records) AS version,
    toUInt8(key != (m.consumer_id, m.started_at, m.named_id)) AS is_deleted,
    multiIf(m.anchors = 0, 'orphan', u.best = 0 OR u.best = 6, 'no_usage', 'complete') AS completeness,
    toUInt32(m.records) AS records,
    toUInt32(m.records - m.distinct_records) AS duplicates,
    m.sources AS sources,
    m.last_enqueued_at AS last_enqueued_at,
    m.gateway AS gateway,
    m.source AS source,
    key.2 AS started_at,
    key.1 AS consumer_id,
    m.product_id AS product_id,
    m.api_id AS api_id,
    m.operation_id AS operation_id,
    m.operation_name AS operation_name,
    m.provider_name AS provider_name,
    m.request_model AS request_model,
    m.response_model AS response_model,
    m.response_id AS response_id,
    m.deployment AS deployment,
    m.backend AS backend,
    m.region AS region,
    m.service_tier AS service_tier,
    m.user_id AS user_id,
    m.error_type AS error_type,
    m.cache_status AS cache_status,
    m.model_version AS model_version,
    m.routing_label AS routing_label,
    m.moderation.1 AS moderation_outcome,
    m.moderation.2 AS moderation_category,
    m.moderation.3 AS moderation_severity,
    m.throttled_by AS throttled_by,
    m.client_network AS client_network,
    m.instance_id AS instance_id,
    m.http_response_status_code AS http_response_status_code,
    m.backend_response_status_code AS backend_response_status_code,
    m.request_stream AS request_stream,
    m.duration_ms AS duration_ms,
    m.backend_ms AS backend_ms,
    m.client_ms AS client_ms,
    m.time_to_first_token_ms AS time_to_first_token_ms,
    m.request_bytes AS request_bytes,
    m.response_bytes AS response_bytes,
    m.attempts AS attempts,
    m.throttled_ms AS throttled_ms,
    m.quota_remaining_tokens AS quota_remaining_tokens,
    m.truncated AS truncated,
    m.sample_fraction AS sample_fraction,
    u.kinds.1 AS usage_input_tokens,
    u.kinds.2 AS usage_cache_read_input_tokens,
    u.kinds.3 AS usage_cache_creation_5m_input_tokens,
    u.kinds.4 AS usage_cache_creation_1h_input_tokens,
    u.kinds.5 AS usage_audio_input_tokens,
    u.kinds.6 AS usage_output_tokens,
    u.kinds.7 AS usage_reasoning_output_tokens,
    u.kinds.8 AS usage_audio_output_tokens,
    u.kinds.9 AS usage_total_tokens,
    multiIf(u.best BETWEEN 1 AND 3, 'exact', u.best = 4, 'partial', u.best = 5, 'estimated', 'missing') AS usage_quality,
    usage_quality = 'exact' AND ifNull(usage_total_tokens !=
        ifNull(usage_input_tokens, 0) + ifNull(usage_cache_read_input_tokens, 0)
        + ifNull(usage_cache_creation_5m_input_tokens, 0) + ifNull(usage_cache_creation_1h_input_tokens, 0)
        + ifNull(usage_audio_input_tokens, 0) + ifNull(usage_output_tokens, 0)
        + ifNull(usage_reasoning_output_tokens, 0) + ifNull(usage_audio_output_tokens, 0), false) AS usage_disagrees
FROM merged AS m
LEFT JOIN usage AS u ON u.root = m.root
ARRAY JOIN arrayDistinct(arrayFlatten(arrayMap(id -> arrayConcat(
    arrayFlatten(arrayMap(c -> arrayMap(t -> (c, t, id), m.times), m.consumers)),
    if(m.anchors = 0 OR (m.waited AND notEmpty(m.waiting_times)), arrayMap(t -> ('', t, id), m.waiting_times), [])), m.call_ids))) AS key;
