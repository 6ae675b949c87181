-- The records that a call was sealed from, in the order of their positions; nothing is merged here.
CREATE OR REPLACE VIEW call_records AS
SELECT
    call_id, stream, sequence_number, record_index, enqueued_at, inserted_at, kind, source, reason, started_at, consumer_id,
    response_model, deployment, http_response_status_code, duration_ms, usage_input_tokens, usage_cache_read_input_tokens,
    usage_output_tokens, usage_reasoning_output_tokens, usage_total_tokens, usage_quality
FROM events
WHERE call_id IN (SELECT arrayJoin({call_ids:Array(String)}));
