import { callId, linkedIds } from '../call_id.ts';
import { epochMs } from '../instant.ts';
import { noFields, noUsage, type Event, type Fields, type Usage } from '../event.ts';
import type { Format } from '../format.ts';
import type { Origin } from '../message.ts';
import { within } from '../nested.ts';
import { clientNetwork } from '../network.ts';
import { address } from '../provider.ts';
import { providerName } from '../provider_alias.ts';
import { wireInstant, type Reader } from '../reader.ts';
import { recogniseUsage } from '../usage/recognise.ts';

/** Messages, answers, tracebacks and costs by LiteLLM's own prices; none of them is wanted. */
const ignored = new Set(
  (
    'messages response error_str model_parameters response_cost cost_breakdown saved_cache_cost cache_key request_tags ' +
    'response_cost_failure_debug_info model_map_information trace_id session_id response_time call_id litellm_call_id error_information guardrail_information'
  ).split(' '),
);

export const litellm: Format = {
  source: 'litellm',
  recognises: (record) => record.has('call_type') && record.has('startTime'),
  decode,
};

/**
 * LiteLLM's StandardLoggingPayload, as its callbacks post it (one, an array, or one per line). Times are seconds since
 * 1970 with a fraction. `trace_id` may be of many calls and is not a link; `call_id` (the header x-litellm-call-id) is.
 * The status of the answer is not logged; what an error carries is the provider's.
 * Source: BerriAI/litellm litellm/types/utils.py, class StandardLoggingPayload.
 */
function decode(record: Reader, origin: Origin): Event {
  const started = epochMs(record, 'startTime', 's');
  if (started === null) record.fail('missing_time', 'startTime is missing');
  const id = record.text('id');
  const uuid = record.text('call_id') || record.text('litellm_call_id');
  const own = id || uuid;
  const call_id =
    own === '' ? `${origin.stream}/${origin.sequence_number}/${origin.record_index}` : callId('litellm', own);
  const provider = record.text('custom_llm_provider').toLowerCase();
  const api = address(record.url('api_base'));
  const request_stream = record.flag('stream');
  const cached = record.flag('cache_hit');
  const failed = record.text('status').toLowerCase() === 'failure';
  const caller = within(record, 'metadata', callerOf);
  const hidden = within(record, 'hidden_params', (params) => ({ usage: params.peek('usage_object') ?? null }));
  const failure = within(record, 'error_information', failureOf);
  const call = {
    provider,
    streamed: request_stream === true,
    usage: caller.has_usage ? 'metadata' : hidden.usage === null ? '' : 'hidden_params',
  };
  const fields: Fields = {
    ...noFields,
    ...withoutCached(usageOf(record, call), cached === true),
    ...within(record, 'status_fields', (states) => moderation(states, failed)),
    call_id,
    linked_ids: linkedIds(call_id, [uuid]),
    gateway: 'litellm',
    started_at: started === null ? null : wireInstant(started),
    consumer_id: caller.consumer_id,
    product_id: caller.product_id,
    operation_name: operationOf(record.text('call_type')),
    provider_name: providerName(provider) || api.provider_name,
    request_model: modelOf(record.text('model'), provider),
    response_id: responseId(id),
    deployment: record.text('model_id'),
    backend: api.host,
    routing_label: record.text('model_group'),
    user_id: record.text('end_user') || caller.user_id,
    error_type: failed ? failure.error_class || failure.code || 'failure' : '',
    cache_status: cached === true ? 'hit' : cached === false ? 'miss' : '',
    throttled_by: failure.error_class === 'BudgetExceededError' ? 'quota' : failure.code === '429' ? 'backend' : '',
    client_network: clientNetwork(record.text('requester_ip_address')),
    backend_response_status_code: failed && /^[1-9]\d\d$/.test(failure.code) ? Number(failure.code) : null,
    request_stream,
    ...timesOf(record, started, request_stream === true),
  };
  if (record.problem) return { kind: 'rejected', source: 'litellm', ...record.problem };
  return { kind: 'call', source: 'litellm', fields, unknown_fields: record.unknown(ignored) };
}

/**
 * Who called: the key by its alias, else by its hash, else its team. A key itself (`sk-…`) is never taken, wherever it
 * stands: `user_api_key` was one in some versions and is not read.
 */
function callerOf(metadata: Reader) {
  const text = (name: string): string => {
    const value = metadata.text(name);
    return /(?:^|[^a-z0-9])sk-/i.test(value) ? '' : value;
  };
  const team = text('user_api_key_team_alias') || text('user_api_key_team_id');
  return {
    consumer_id: text('user_api_key_alias') || text('user_api_key_hash') || team,
    product_id: team,
    user_id: text('user_api_key_end_user_id') || text('user_api_key_user_id'),
    has_usage: (metadata.peek('usage_object') ?? null) !== null,
  };
}

function failureOf(error: Reader): { code: string; error_class: string } {
  const name = (field: string): string => {
    const text = error.text(field);
    return /^\w{1,64}$/.test(text) ? text : '';
  };
  return { code: name('error_code'), error_class: name('error_class') };
}

/** Providers whose streams always end with a count; of the others LiteLLM may have counted with a tokenizer itself. */
const counting = /^(?:anthropic|bedrock|vertex|gemini|cohere)/;

/**
 * The provider's usage object where there is one (since 2025), else the three counts. A count that LiteLLM does not know
 * is 0 there. A stream whose provider need not say its counts is `estimated`, unless it has a detail that only the
 * provider knows. Source: BerriAI/litellm litellm/litellm_core_utils/streaming_chunk_builder_utils.py, calculate_usage.
 */
function usageOf(record: Reader, call: { provider: string; streamed: boolean; usage: string }): Usage {
  const input = record.count('prompt_tokens');
  const output = record.count('completion_tokens');
  const total = record.count('total_tokens');
  if ((input ?? 0) + (output ?? 0) === 0) return { ...noUsage, usage_quality: 'missing' };
  const plain: Usage = {
    ...noUsage,
    usage_input_tokens: input,
    usage_output_tokens: output,
    usage_total_tokens: total,
    usage_quality: 'exact',
  };
  const read =
    call.usage === '' ? plain : within(record, call.usage, (part) => within(part, 'usage_object', recogniseUsage));
  const usage = read.usage_quality === 'missing' ? plain : read;
  const proven = (usage.usage_cache_read_input_tokens ?? 0) + (usage.usage_reasoning_output_tokens ?? 0) > 0;
  const estimated = call.streamed && !counting.test(call.provider) && !proven;
  return estimated ? { ...usage, usage_quality: 'estimated' } : usage;
}

/** An answer from the cache used no tokens: its counts are those of the answer that is in the cache. */
function withoutCached(usage: Usage, cached: boolean): Usage {
  if (!cached || usage.usage_quality === 'missing') return usage;
  const none = Object.entries(usage).map(([name, count]) => [name, typeof count === 'number' ? 0 : count]);
  return { ...(Object.fromEntries(none) as Usage), usage_quality: 'exact' };
}

/** Since 2025 the payload says in one word what its guardrails did. */
function moderation(states: Reader, failed: boolean): Pick<Fields, 'moderation_outcome'> {
  const state = states.text('guardrail_status').toLowerCase();
  if (state === 'guardrail_intervened') return { moderation_outcome: failed ? 'blocked' : 'annotated' };
  return { moderation_outcome: state === 'success' ? 'passed' : '' };
}

/** Only a stream has a first token before its end; of any other answer the time is that of the whole. */
function timesOf(record: Reader, started: number | null, streamed: boolean) {
  const ended = epochMs(record, 'endTime', 's');
  const first = epochMs(record, 'completionStartTime', 's');
  const since = (at: number | null): number | null => {
    if (at === null || started === null) return null;
    if (at >= started) return Math.min(at - started, 0xffff_ffff);
    record.fail('negative_number', 'a time is before startTime');
    return null;
  };
  return { duration_ms: since(ended), time_to_first_token_ms: streamed ? since(first) : null };
}

/** LiteLLM's names for what was called; `a` is the asynchronous one. */
function operationOf(call_type: string): string {
  const type = call_type.toLowerCase().replace(/^_?a(?=completion|text|embedding|responses|generate)/, '');
  if (/^(?:completion|responses|anthropic_messages)$/.test(type)) return 'chat';
  if (type === 'text_completion') return 'text_completion';
  if (type === 'embedding') return 'embeddings';
  if (type.startsWith('generate_content')) return 'generate_content';
  return type === 'call_mcp_tool' ? 'execute_tool' : '';
}

/** `azure/gpt-4o` and `gpt-4o` are one model of one provider. */
function modelOf(model: string, provider: string): string {
  return model.toLowerCase().startsWith(`${provider}/`) && provider !== '' ? model.slice(provider.length + 1) : model;
}

/** The provider's id of the answer; a cached one has its original's with a suffix, a failure LiteLLM's own id. */
function responseId(id: string): string {
  const bare = id.replace(/_cache_hit[\d.]*$/, '');
  return /^[\da-f]{8}-[\da-f]{4}-/i.test(bare) ? '' : bare;
}
