import { callId } from '../call_id.ts';
import { noFields, noUsage, type Event, type Usage } from '../event.ts';
import type { Format } from '../format.ts';
import type { Reader } from '../reader.ts';
import { regionName, resourceOf, unknownOf } from './azure_resource.ts';

const ignored = new Set(
  'requestmessages responsemessages apiversion operationname sequencenumber correlationid'.split(' '),
);

/** Far more than two texts of 2 MB have parts: the highest number of a call says how many of its parts are missing. */
const rowsMax = 100_000;

export const apimLlm: Format = { source: 'apim_llm', category: 'gatewayllmlogs', decode: llmEvent };

/**
 * API Management GatewayLlmLogs: tokens and model of a call, without the caller. A call is several rows: row 0 has the
 * counts, the others chunks of message text, which is not wanted. Health probes (no model, no request, no tokens) are
 * most of the rows on some gateways and say nothing.
 */
export function llmEvent(record: Reader): Event {
  const resource = resourceOf(record);
  const started_at = record.instant('time');
  if (resource === null) return rejected(record);
  const p = resource.properties;
  const call_id = callId(resource.gateway, resource.correlation_id);
  const row = p.count('sequenceNumber', rowsMax) ?? 0;
  const response_model = p.text('modelName');
  const deployment = p.text('deploymentName');
  const response_id = p.text('requestId');
  const usage = tokens(p, response_model || deployment, response_id);
  const request_stream = p.flag('isStreamCompletion');
  const region = resource.region || regionName(p.text('region'));
  if (p.problem) record.fail(p.problem.reason, p.problem.detail);
  if (record.problem) return rejected(record);

  const messages = p.has('requestMessages') || p.has('responseMessages');
  if (usage.usage_quality === 'missing') {
    if (messages ? row > 0 || response_id === '' : row > 0 && response_id === '')
      return { ...dropped('message_text', call_id), chunk: row };
    if (response_id === '' && response_model === '' && deployment === '') return dropped('probe', call_id);
  }
  if (started_at === null) return rejected(record, 'missing_time');
  const fields = {
    ...noFields,
    ...usage,
    call_id,
    gateway: resource.gateway,
    started_at,
    response_model,
    response_id,
    deployment,
    region,
    request_stream,
  };
  return { kind: 'usage', source: 'apim_llm', fields, unknown_fields: unknownOf(record, p, ignored) };
}

/**
 * `promptTokens` is OpenAI's, with the cached tokens inside, except for Anthropic's models: there it is the uncached
 * input alone and cache writes are in no field, so the usage is partial. Counts of 0 without a provider's request id
 * mean that no answer came (throttled, refused): the usage is missing, not 0.
 */
function tokens(p: Reader, model: string, response_id: string): Usage {
  const prompt = p.count('promptTokens');
  const completion = p.count('completionTokens');
  const cached = p.count('promptCachedTokens');
  const total = p.count('totalTokens');
  const counted = (prompt ?? 0) + (completion ?? 0) + (cached ?? 0) + (total ?? 0) > 0;
  if ((prompt === null && completion === null) || (!counted && response_id === ''))
    return { ...noUsage, usage_quality: 'missing' };
  const outside = /claude|anthropic/i.test(model) || (cached ?? 0) > (prompt ?? 0);
  return {
    ...noUsage,
    usage_input_tokens: outside || prompt === null ? prompt : prompt - (cached ?? 0),
    usage_cache_read_input_tokens: cached,
    usage_output_tokens: completion,
    usage_total_tokens: total,
    usage_quality: outside ? 'partial' : 'exact',
  };
}

function dropped(reason: 'message_text' | 'probe', call_id: string): Event & { kind: 'dropped' } {
  return { kind: 'dropped', source: 'apim_llm', reason, call_id };
}

function rejected(record: Reader, reason: 'wrong_type' | 'missing_time' = 'wrong_type'): Event {
  return { kind: 'rejected', source: 'apim_llm', ...(record.problem ?? { reason, detail: 'time is missing' }) };
}
