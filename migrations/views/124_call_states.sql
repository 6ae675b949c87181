-- What the calls of some windows are, as a hash each: it changes with any call that comes, goes or is known better. The
-- windows may overlap; `starts` and `ends` are milliseconds since 1970.
CREATE OR REPLACE VIEW call_states AS
SELECT month, hex(sum(sipHash64(toString((consumer_id, call_id, started_at, records, product_id, api_id, provider_name, region, service_tier, request_model, response_model, deployment, usage_quality,
    usage_input_tokens, usage_cache_read_input_tokens, usage_cache_creation_5m_input_tokens, usage_cache_creation_1h_input_tokens,
    usage_audio_input_tokens, usage_output_tokens, usage_reasoning_output_tokens, usage_audio_output_tokens))))) AS state
FROM
(
    SELECT * FROM calls FINAL
    WHERE started_at >= fromUnixTimestamp64Milli(arrayMin({starts:Array(Int64)}), 'UTC') AND started_at < fromUnixTimestamp64Milli(arrayMax({ends:Array(Int64)}), 'UTC')
)
ARRAY JOIN arrayFilter((m, s, e) -> toUnixTimestamp64Milli(started_at) >= s AND toUnixTimestamp64Milli(started_at) < e, {months:Array(String)}, {starts:Array(Int64)}, {ends:Array(Int64)}) AS month
GROUP BY month;
