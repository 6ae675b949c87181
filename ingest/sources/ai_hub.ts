import { callId } from '../call_id.ts';
import { captureColumns } from '../capture.ts';
import { noFields, noUsage, type Event, type Usage } from '../event.ts';
import type { Format } from '../format.ts';
import type { Origin } from '../message.ts';
import { clientNetwork } from '../network.ts';
import { address } from '../provider.ts';
import type { Reader } from '../reader.ts';
import { gatewayName, regionName } from './azure_resource.ts';

const source = 'ai_hub';

const names = ['promptTokens', 'responseTokens', 'totalTokens'] as const;

export const aiHub: Format = {
  source,
  recognises: (record) =>
    isPersonal(record) ||
    (names.some((name) => record.has(name)) &&
      ['gatewayName', 'appId', 'productName'].some((name) => record.has(name))),
  decode,
};

const ignored = new Set([
  'aigatewayid',
  'sessionid',
  'routelocation',
  'customdimension1',
  'customdimension2',
  ...captureColumns,
]);

/**
 * Events of the AI Hub Gateway accelerator: a usage record per answered call (`frag-openai-usage`, `frag-ai-usage`, the
 * citadel branch with cached and audio tokens), the hourly sums that its logic app makes of metrics, and what its
 * `frag-pii-state-saving` writes. Sums are no calls: they are kept as a metric, because the calls are counted already.
 * The last have the text that was to be hidden and are dropped.
 * Source: Azure-Samples/ai-hub-gateway-solution-accelerator, branches main and citadel-v1 (MIT).
 */
function decode(record: Reader, origin: Origin): Event {
  if (isPersonal(record)) return { kind: 'dropped', source, reason: 'personal_data', call_id: '' };
  return isSum(record) ? sum(record) : call(record, origin);
}

function isPersonal(record: Reader): boolean {
  const type = record.peek('type');
  return typeof type === 'string' && type.toLowerCase() === 'pii_processing';
}

/** A sum has the dimensions of its metric; if they are cut off, its id and the lack of a caller still tell. */
function isSum(record: Reader): boolean {
  if (record.has('customDimension1') || record.has('customDimension2')) return true;
  const id = record.peek('id');
  return typeof id === 'string' && id.startsWith('llm-') && !record.has('subscriptionId') && !record.has('sessionId');
}

function call(record: Reader, origin: Origin): Event {
  const gateway = gatewayName(set(record.text('gatewayName')));
  const id = set(record.text('id'));
  const asked = record.text('requestId') || record.text('correlationId') || id;
  const route = address(record.url('routeUrl'));
  const application = set(record.text('appId'));
  const fields = {
    ...noFields,
    ...tokens(record),
    call_id:
      asked === '' ? `${origin.stream}/${origin.sequence_number}/${origin.record_index}` : callId(gateway, asked),
    gateway,
    started_at: record.dotnetInstant('timestamp'),
    consumer_id: set(record.text('subscriptionId')) || application,
    product_id: set(record.text('productName')),
    operation_id: set(record.text('operationName')),
    operation_name: operationOf(record.text('targetService')),
    provider_name: route.provider_name,
    response_model: set(record.text('model')),
    response_id: isGuid(id) ? '' : id,
    deployment: set(record.text('deploymentName')),
    backend: set(record.text('backendId')) || route.host,
    routing_label: set(record.text('routeName')),
    region: regionName(set(record.text('gatewayRegion'))),
    user_id: set(record.text('endUserId')),
    client_network: clientNetwork(record.text('RequestIp')),
  };
  if (record.problem) return { kind: 'rejected', source, ...record.problem };
  return { kind: 'call', source, fields, unknown_fields: record.unknown(ignored) };
}

/**
 * Tokens as the fragment took them from the answer, cached and audio ones inside the prompt. It writes 1, 0 and 1 where
 * the answer has none, so that a 1 which contradicts the other counts is no count, and a call of nothing but these has
 * no usage that can be told from an answer without any.
 */
function tokens(record: Reader): Usage {
  const prompt = record.count('promptTokens');
  const output = record.count('responseTokens');
  const total = record.count('totalTokens');
  const cached = record.count('cachedTokens');
  const audio = record.count('audioTokens');
  const missing = { ...noUsage, usage_quality: 'missing' as const };
  if ((prompt ?? 1) <= 1 && (output ?? 0) === 0 && (total ?? 1) <= 1) return missing;
  const usage_total_tokens = total === 1 && (prompt ?? 0) + (output ?? 0) !== 1 ? null : total;
  const defaulted = prompt === 1 && usage_total_tokens !== 1 + (output ?? 0);
  const input = defaulted ? null : prompt;
  const inside = (cached ?? 0) + (audio ?? 0);
  if (input !== null && inside > input) {
    record.fail('number_out_of_range', `cached and audio tokens (${inside}) are more than promptTokens (${input})`);
    return noUsage;
  }
  const whole = input !== null && output !== null && usage_total_tokens !== null;
  return {
    ...noUsage,
    usage_input_tokens: input === null ? null : input - inside,
    usage_cache_read_input_tokens: cached,
    usage_audio_input_tokens: audio,
    usage_output_tokens: input === null && output === 0 ? null : output,
    usage_total_tokens,
    usage_quality: whole ? 'exact' : 'partial',
  };
}

/** The hour's sums, under the names of the metrics that they are made of. */
function sum(record: Reader): Event {
  const started_at = record.dotnetInstant('timestamp');
  if (started_at === null) record.fail('missing_time', 'timestamp is missing');
  const sums = names.map((name) => [name, record.count(name)] as const);
  for (const name of [
    'id',
    'appId',
    'subscriptionId',
    'targetService',
    'RequestIp',
    'operationName',
    'sessionId',
    'endUserId',
  ])
    record.value(name);
  const fields = {
    ...noFields,
    gateway: gatewayName(set(record.text('gatewayName'))),
    started_at,
    product_id: set(record.text('productName')),
    response_model: set(record.text('model')),
    deployment: set(record.text('deploymentName')),
    backend: set(record.text('backendId')),
    region: regionName(set(record.text('gatewayRegion'))),
    event_name: 'hourly_tokens',
    measurements: Object.fromEntries(sums.flatMap(([name, value]) => (value === null ? [] : [[name, value]]))),
  };
  if (record.problem) return { kind: 'rejected', source, ...record.problem };
  return { kind: 'metric', source, fields, unknown_fields: record.unknown(ignored) };
}

/** "Portal-Admin" stands for a call without a subscription or product. */
function set(text: string): string {
  return /^portal-admin(-sub)?$/i.test(text) ? '' : text;
}

/** An id that the fragment made up, with or without a prefix, is not the provider's. */
function isGuid(id: string): boolean {
  return /[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(id);
}

/** `targetService` is the `object` of an OpenAI answer, or what the operator calls the service. */
function operationOf(object: string): string {
  if (/^(chat\.completion(\.chunk)?|response)$/i.test(object)) return 'chat';
  return /^text_completion$/i.test(object) ? 'text_completion' : '';
}
