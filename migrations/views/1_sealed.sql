-- The calls that ranges of streams touched, each merged from all its records, whichever stream they came from. A range
-- is the messages (after, through] of a stream; the three arrays have one element for each. Ingest inserts the answer
-- into `calls`; the same records always give the same rows, in any order of arrival.
--
-- A call that several systems log under ids of their own is one call. For each id that is linked with others
-- (`linked_ids`), `parts` says by what its records are merged, `roots` what stands for all ids that can have been merged
-- with it (another value than the part where these are several calls), and `weights` how much is known of its links. The
-- row has the id of the record that names the call, and all of them in `call_ids`.
--
-- Who names the call: a gateway's own log before a policy event; a usage or backend record alone names nobody and
-- waits. Of two gateways the one that knows of the other, then the one that had the call first. In the same order
-- records are believed in all else that they say. `orphans` lists the waiting calls that are to be shown all the same
-- (after 15 minutes). Where linked ids turned out to be several calls, none of them waits: what was shown as part of
-- another call must not vanish.
--
-- What was backfilled fills holes and overwrites nothing: whatever a record of the hub says stands, and a backfilled
-- count of tokens is taken only where the hub has none of its quality.
--
-- Why tombstones: a call's key is (consumer_id, started_at, call_id), and what an earlier sealing knew may have given
-- another key. Every key that some subset of the records could have produced is therefore withdrawn (is_deleted = 1) in
-- the same insert. That needs no look at `calls`, so two workers that seal the same call at once cannot leave two rows.
-- Where linked ids turned out to be several calls, each withdraws, under its own ids, what a merge of all of them could
-- have written. An orphan's key is withdrawn only if it can have been written: 14 of the 15 minutes had passed, or it has
-- an id of its own and was not known to be of this call.
--
-- Why the version is 1,000,000 times the weight of the id and the number of records: both only grow with what is known,
-- and a call that falls apart has fewer records than the row that it was part of.
--
-- Why `since`, which the view `touched` finds: a record reaches the hub after its call began, so partitions before that
-- cannot hold one. A day of clock error is allowed.
--
-- Usage: better evidence wins as a whole: exact from the gateway's log, exact from a policy or backend, exact from a
-- backfill, partial, estimated, none. Within one source, a provider may have been asked several times (retries), each
-- with its own response id: the largest mention of each response, and the sum over them. Several sources may have counted
-- the same tokens, and not all know the response's id, so exactly one is taken: the one that counted most; of equal ones
-- the one that tells more kinds apart, then the first by name. It is computed from arrays and not by a second reading of
-- the records: planning costs more than the work, and each reading is planned anew.
CREATE OR REPLACE VIEW sealed AS
WITH
    records AS
    (
        SELECT
            *,
            transform(call_id, {linked_ids:Array(String)}, {roots:Array(String)}, call_id) AS root,
            transform(call_id, {linked_ids:Array(String)}, {parts:Array(String)}, call_id) AS part,
            startsWith(stream, 'backfill/') AS backfilled,
            kind IN ('gateway', 'call') AS names,
            2 * multiIf(kind = 'gateway', 1, kind = 'call', 2, 3) - notEmpty(linked_ids) + if(backfilled, 6, 0) AS rank,
            coalesce(started_at, enqueued_at) AS key_time,
            -- One number to compare by: the rank, then whether the record says when the call began, then when it did.
            bitShiftLeft(toUInt64(rank), 48) + bitShiftLeft(toUInt64(started_at IS NULL), 47) + toUInt64(greatest(toUnixTimestamp64Milli(key_time), 0)) AS place,
            place + bitShiftLeft(toUInt64(NOT names), 52) AS naming_place,
            place + bitShiftLeft(toUInt64(usage_rank + 16 * backfilled), 52) AS evidence_place,
            multiIf(usage_quality = 'exact', multiIf(backfilled, 3, kind = 'usage', 1, 2), usage_quality = 'partial', 4 + backfilled,
                    usage_quality = 'estimated', 6 + backfilled, 8) AS usage_rank,
            [usage_input_tokens, usage_cache_read_input_tokens, usage_cache_creation_5m_input_tokens,
             usage_cache_creation_1h_input_tokens, usage_audio_input_tokens, usage_output_tokens,
             usage_reasoning_output_tokens, usage_audio_output_tokens, usage_total_tokens] AS tokens
        FROM events
        WHERE enqueued_at >= {since:DateTime64(3, 'UTC')} - INTERVAL 1 DAY
          AND call_id IN
            (
                SELECT call_id FROM events
                WHERE call_id != '' AND (stream, sequence_number) IN
                    (
                        SELECT s, arrayJoin(range(a + 1, t + 1)) FROM system.one
                        ARRAY JOIN {streams:Array(String)} AS s, {afters:Array(Int64)} AS a, {throughs:Array(Int64)} AS t
                    )
                UNION DISTINCT SELECT arrayJoin(arrayConcat({orphans:Array(String)}, {linked_ids:Array(String)}))
            )
          AND kind IN ('call', 'gateway', 'usage', 'backend')
    ),
    merged AS
    (
        SELECT
            r.part AS part,
            any(r.root) AS root,
            countIf(r.names) AS anchors,
            count() AS records,
            uniqExact(r.record_hash) AS distinct_records,
            argMin(r.call_id, (r.naming_place, r.call_id)) AS named_id,
            arraySort(groupUniqArray(r.call_id)) AS call_ids,
            arraySort(groupUniqArray(r.source)) AS sources,
            max(r.enqueued_at) AS last_enqueued_at,
            argMin(r.source, (r.naming_place, r.source)) AS source,
            argMin(r.key_time, r.naming_place) AS started_at,
            argMinIf(r.consumer_id, (r.place, r.consumer_id), r.names AND r.consumer_id != '') AS consumer_id,
            groupUniqArrayIf(r.consumer_id, r.names) AS consumers,
            groupUniqArrayIf(r.key_time, r.names) AS times,
            groupUniqArrayIf(r.key_time, NOT r.names) AS waiting_times,
            uniqExact(r.call_id) > 1 OR minIf(r.inserted_at, NOT r.names) + INTERVAL 14 MINUTE < minIf(r.inserted_at, r.names) AS waited,
            argMinIf(r.gateway, (r.place, r.gateway), r.gateway != '') AS gateway,
            argMinIf(r.product_id, (r.place, r.product_id), r.product_id != '') AS product_id,
            argMinIf(r.api_id, (r.place, r.api_id), r.api_id != '') AS api_id,
            argMinIf(r.operation_id, (r.place, r.operation_id), r.operation_id != '') AS operation_id,
            argMinIf(r.operation_name, (r.place, r.operation_name), r.operation_name != '') AS operation_name,
            argMinIf(r.provider_name, (r.place, r.provider_name), r.provider_name != '') AS provider_name,
            argMinIf(r.request_model, (r.place, r.request_model), r.request_model != '') AS request_model,
            argMinIf(r.response_model, (r.evidence_place, r.response_model), r.response_model != '') AS response_model,
            argMinIf(r.response_id, (r.evidence_place, r.response_id), r.response_id != '') AS response_id,
            argMinIf(r.deployment, (r.place, r.deployment), r.deployment != '') AS deployment,
            argMinIf(r.backend, (r.place, r.backend), r.backend != '') AS backend,
            argMinIf(r.region, (r.place, r.region), r.region != '') AS region,
            argMinIf(r.service_tier, (r.place, r.service_tier), r.service_tier != '') AS service_tier,
            argMinIf(r.user_id, (r.place, r.user_id), r.user_id != '') AS user_id,
            argMinIf(r.error_type, (r.place, r.error_type), r.error_type != '') AS error_type,
            argMinIf(r.cache_status, (r.place, r.cache_status), r.cache_status != '') AS cache_status,
            argMinIf(r.model_version, (r.evidence_place, r.model_version), r.model_version != '') AS model_version,
            argMinIf(r.routing_label, (r.place, r.routing_label), r.routing_label != '') AS routing_label,
            argMaxIf((r.moderation_outcome, r.moderation_category, r.moderation_severity), (NOT r.backfilled, indexOf(['passed', 'annotated', 'blocked'], r.moderation_outcome), indexOf(['safe', 'low', 'medium', 'high'], r.moderation_severity), r.moderation_category), r.moderation_outcome != '') AS moderation,
            argMinIf(r.throttled_by, (r.place, r.throttled_by), r.throttled_by != '') AS throttled_by,
            argMinIf(r.client_network, (r.place, r.client_network), r.client_network != '') AS client_network,
            argMinIf(r.instance_id, (r.place, r.instance_id), r.instance_id != '') AS instance_id,
            argMin(r.http_response_status_code, (r.place, r.http_response_status_code)) AS http_response_status_code,
            argMin(r.backend_response_status_code, (r.place, r.backend_response_status_code)) AS backend_response_status_code,
            argMinIf(r.request_stream, (r.backfilled, r.names, NOT r.request_stream), r.request_stream IS NOT NULL) AS request_stream,
            argMin(r.duration_ms, (r.place, r.duration_ms)) AS duration_ms,
            argMin(r.backend_ms, (r.place, r.backend_ms)) AS backend_ms,
            argMin(r.client_ms, (r.place, r.client_ms)) AS client_ms,
            argMin(r.time_to_first_token_ms, (r.place, r.time_to_first_token_ms)) AS time_to_first_token_ms,
            argMin(r.request_bytes, (r.place, r.request_bytes)) AS request_bytes,
            argMin(r.response_bytes, (r.place, r.response_bytes)) AS response_bytes,
            argMax(r.attempts, (NOT r.backfilled, r.attempts)) AS attempts,
            argMax(r.throttled_ms, (NOT r.backfilled, r.throttled_ms)) AS throttled_ms,
            argMin(r.quota_remaining_tokens, (r.backfilled, r.quota_remaining_tokens)) AS quota_remaining_tokens,
            argMax(r.truncated, (NOT r.backfilled, r.truncated)) AS truncated,
            argMin(r.sample_fraction, (r.backfilled, r.sample_fraction)) AS sample_fraction,
            groupArrayIf((r.usage_rank, r.response_id, r.tokens, r.source), r.usage_quality != '') AS usages
        FROM records AS r
        GROUP BY r.part
        HAVING anchors > 0 OR root != part OR hasAny(call_ids, {orphans:Array(String)})
    ),
    counted AS
    (
        SELECT
            *,
            arrayMin(arrayMap(u -> u.1, usages)) AS best,
            arrayFilter(u -> u.1 = best, usages) AS counts,
            arrayMap(by -> (by, arrayReduce('sumForEach', arrayMap(
                response -> arrayReduce('maxForEach', arrayMap(u -> u.3, arrayFilter(u -> u.4 = by AND u.2 = response, counts))),
                arrayDistinct(arrayMap(u -> u.2, arrayFilter(u -> u.4 = by, counts)))))), arrayDistinct(arrayMap(u -> u.4, counts))) AS counted_by,
            arraySort(c -> (-toInt128(arraySum(arrayMap(n -> ifNull(n, 0), arraySlice(c.2, 1, 8)))), arrayCount(n -> ifNull(n, 0) = 0, c.2), c.1), counted_by)[1].2 AS tokens,
            groupUniqArrayArray(consumers) OVER (PARTITION BY root) AS all_consumers,
            groupUniqArrayArray(times) OVER (PARTITION BY root) AS all_times,
            groupUniqArrayArray(waiting_times) OVER (PARTITION BY root) AS all_waiting_times
        FROM merged
    )
SELECT
    key.3 AS call_id,
    m.call_ids AS call_ids,
    1000000 * transform(key.3, {linked_ids:Array(String)}, {weights:Array(UInt64)}, toUInt64(0)) + least(m.records, 999999) AS version,
    toUInt8(key != (m.consumer_id, m.started_at, m.named_id)) AS is_deleted,
    multiIf(m.anchors = 0, 'orphan', m.best IN (0, 8), 'no_usage', 'complete') AS completeness,
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
    m.tokens[1] AS usage_input_tokens,
    m.tokens[2] AS usage_cache_read_input_tokens,
    m.tokens[3] AS usage_cache_creation_5m_input_tokens,
    m.tokens[4] AS usage_cache_creation_1h_input_tokens,
    m.tokens[5] AS usage_audio_input_tokens,
    m.tokens[6] AS usage_output_tokens,
    m.tokens[7] AS usage_reasoning_output_tokens,
    m.tokens[8] AS usage_audio_output_tokens,
    m.tokens[9] AS usage_total_tokens,
    multiIf(m.best BETWEEN 1 AND 3, 'exact', m.best IN (4, 5), 'partial', m.best IN (6, 7), 'estimated', 'missing') AS usage_quality,
    usage_quality = 'exact' AND ifNull(usage_total_tokens !=
        ifNull(usage_input_tokens, 0) + ifNull(usage_cache_read_input_tokens, 0)
        + ifNull(usage_cache_creation_5m_input_tokens, 0) + ifNull(usage_cache_creation_1h_input_tokens, 0)
        + ifNull(usage_audio_input_tokens, 0) + ifNull(usage_output_tokens, 0)
        + ifNull(usage_reasoning_output_tokens, 0) + ifNull(usage_audio_output_tokens, 0), false) AS usage_disagrees
FROM counted AS m
ARRAY JOIN arrayDistinct(arrayFlatten(arrayMap(id -> arrayConcat(
    arrayFlatten(arrayMap(c -> arrayMap(t -> (c, t, id), m.all_times), m.all_consumers)),
    if(m.anchors = 0 OR m.root != m.part OR (m.waited AND notEmpty(m.waiting_times)), arrayMap(t -> ('', t, id), m.all_waiting_times), [])), m.call_ids))) AS key;
