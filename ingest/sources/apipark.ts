import { callId } from '../call_id.ts';
import { epochMs } from '../instant.ts';
import { attemptsMax, noFields, noUsage, type Event, type Fields, type Usage } from '../event.ts';
import type { Format } from '../format.ts';
import type { Origin } from '../message.ts';
import { members, shortText, within } from '../nested.ts';
import { clientNetwork } from '../network.ts';
import { address } from '../provider.ts';
import { providerName } from '../provider_alias.ts';
import { wireInstant, type Reader } from '../reader.ts';

/** The constant by which docs/apipark/formatter.json marks its records. */
export const apiparkSchema = 'gatemeter.apipark.v1';

export const apipark: Format = {
  source: 'apipark',
  recognises: (record) =>
    record.peek('schema') === apiparkSchema ||
    (record.has('request_id') &&
      (record.has('ai_provider') || record.has('ai') || (record.has('msec') && record.has('proxy_status')))),
  decode: (record, origin) =>
    record.has('ai') && !record.has('status') ? usageEvent(record, origin) : access(record, origin),
};

/** Bodies, headers and credentials of APIPark's own formatter, and what is said twice. */
const ignored = new Set(
  (
    'schema request_body proxy_body response_body proxy_response_body request_header request_headers proxy_header ' +
    'proxy_headers response_header authorization content_type remote_addr request_uri request_host request_scheme ' +
    'request_method proxy_method proxy_addr node ai_model_cost ai_key ai_model_mode service_name api_name ' +
    'provider proxy_scheme proxy_path proxy_uri path msec service api application ai_model_input_token ' +
    'ai_model_output_token ai_model_total_token'
  ).split(' '),
);

/**
 * The access log of apinto, the gateway of APIPark, with the formatter that APIPark ships or with ours. What a formatter
 * asks for and the call does not have is '' there. A service is what an application subscribes to (the product), an api
 * one of its routes; `provider` is the service again, `ai_provider` who runs the model.
 * Sources: eolinker/apinto entries/http-entry/reader.go, APIParkLab/APIPark module/log/iml.go.
 */
function access(record: Reader, origin: Origin): Event {
  const started = epochMs(record, 'started_at_ms', 'ms') ?? acceptedMs(record);
  if (started === null) record.fail('missing_time', 'neither started_at_ms nor msec is there');
  const cluster = record.text('cluster');
  const gateway = cluster === '' ? 'apinto' : `apinto/${cluster}`;
  const status = record.status('status');
  const duration = record.milliseconds('duration_ms') ?? record.milliseconds('request_time');
  const proxied = record.status('proxy_status');
  const request_stream = streamed(record);
  const path = record.url('proxy_path') || record.url('proxy_uri') || record.url('path');
  const there = address(`https://${record.text('proxy_host') || 'unknown.invalid'}${path}`);
  const outcome = outcomeOf(record);
  const refused = status !== null && status >= 400;
  const most = Math.max(outcome.targets, members(record, 'proxies').length);
  const attempts = most === 0 || most > attemptsMax ? null : most;
  const fields: Fields = {
    ...noFields,
    ...(isModelCall(record) ? usageOf(record, refused, request_stream) : noUsage),
    call_id: identity(record, gateway, origin),
    gateway,
    started_at: started === null ? null : wireInstant(started),
    consumer_id: record.text('application_id') || record.text('application'),
    product_id: record.text('service_id') || record.text('service') || record.text('provider'),
    api_id: record.text('api_id') || record.text('api'),
    operation_name: there.operation_name,
    provider_name: providerName(record.text('ai_provider')) || there.provider_name,
    request_model: record.text('ai_model'),
    deployment: there.deployment,
    backend: there.host === 'unknown.invalid' ? '' : there.host,
    routing_label: record.text('strategy'),
    error_type: refused ? outcome.failure || String(status) : '',
    throttled_by: status !== 429 ? '' : proxied === 429 || outcome.failure !== '' ? 'backend' : 'rate_limit',
    client_network: clientNetwork(record.text('src_ip')),
    http_response_status_code: status,
    backend_response_status_code: proxied,
    request_stream,
    duration_ms: duration,
    backend_ms: record.milliseconds('backend_ms') ?? answeredMs(record, duration),
    request_bytes: record.count('request_bytes') ?? record.count('request_length'),
    response_bytes: record.count('response_bytes') ?? record.count('response_length'),
    attempts,
  };
  if (record.problem) return { kind: 'rejected', source: 'apipark', ...record.problem };
  const kind = isModelCall(record) ? 'call' : 'gateway';
  return { kind, source: 'apipark', fields, unknown_fields: record.unknown(ignored) };
}

/**
 * The event that APIPark sends itself for its statistics: tokens of a request, neither who asked nor how it ended. It
 * does not say whether the answer was a stream, of which apinto may have guessed the tokens: they are `estimated`, and
 * those of the access log are taken instead where there is one.
 * Source: APIParkLab/APIPark scripts/resource/init_config.sh, app/ai-event-handler/nsq.go.
 */
function usageEvent(record: Reader, origin: Origin): Event {
  const outcome = within(record, 'ai', (ai) => ({
    ...outcomeOf(ai),
    usage: usageOf(ai, false, null),
    provider_name: providerName(ai.text('ai_provider')),
    request_model: ai.text('ai_model'),
  }));
  const fields: Fields = {
    ...noFields,
    ...outcome.usage,
    usage_quality: outcome.usage.usage_quality === 'exact' ? 'estimated' : outcome.usage.usage_quality,
    call_id: identity(record, 'apinto', origin),
    gateway: 'apinto',
    started_at: record.instant('time_iso8601'),
    product_id: record.text('provider'),
    api_id: record.text('api'),
    provider_name: outcome.provider_name,
    request_model: outcome.request_model,
    attempts: outcome.targets === 0 || outcome.targets > attemptsMax ? null : outcome.targets,
  };
  if (record.problem) return { kind: 'rejected', source: 'apipark', ...record.problem };
  return { kind: 'usage', source: 'apipark', fields, unknown_fields: record.unknown(ignored) };
}

function identity(record: Reader, gateway: string, origin: Origin): string {
  const request_id = record.text('request_id');
  if (request_id !== '') return callId(gateway, request_id);
  return `${origin.stream}/${origin.sequence_number}/${origin.record_index}`;
}

function isModelCall(record: Reader): boolean {
  return ['ai_provider', 'ai_model', 'ai_model_total_token'].some((name) => (record.peek(name) ?? '') !== '');
}

/**
 * apinto counts the prompt with a tokenizer before it asks, and the answer of a stream chunk by chunk; what the provider
 * says replaces both. Of a stream it is not logged whether the provider said anything, so it is `estimated`; so is what
 * does not add up (chunks are added to the total more than once) and a prompt without an answer. A refused call without
 * an answer used nothing that is known.
 * Source: eolinker/apinto ai-convert/openai.go.
 */
function usageOf(labels: Reader, refused: boolean, streamed: boolean | null): Usage {
  const input = labels.count('ai_model_input_token');
  const output = labels.count('ai_model_output_token');
  const total = labels.count('ai_model_total_token');
  const answered = (output ?? 0) > 0;
  if ((input ?? 0) + (output ?? 0) === 0 || (refused && !answered)) return { ...noUsage, usage_quality: 'missing' };
  const adds = total === null || total === (input ?? 0) + (output ?? 0);
  return {
    ...noUsage,
    usage_input_tokens: input,
    usage_output_tokens: output,
    usage_total_tokens: total,
    usage_quality: streamed === true || output === null || !adds ? 'estimated' : input === null ? 'partial' : 'exact',
  };
}

/**
 * Which targets were asked, and how the last of them failed. Each attempt is written twice (when it is converted and
 * when its body ends), so a provider, model and key of a pool are one target however often they stand there.
 */
function outcomeOf(labels: Reader): { targets: number; failure: string } {
  const statuses = members(labels, 'ai_provider_statuses');
  const targets = new Set(
    statuses.map((status) => ['provider', 'model', 'key'].map((p) => shortText(status, p)).join('\n')),
  );
  const last =
    labels.text('ai_model_status') || (statuses.length > 0 ? shortText(statuses.at(-1) ?? labels, 'status') : '');
  const failure = /^[a-z ]{1,32}$/i.test(last) ? last.trim().toLowerCase().replaceAll(' ', '_') : '';
  return { targets: targets.size, failure: failure === 'normal' ? '' : failure };
}

/** By the answer's content type: our formatter asks for it, the shipped one logs all of the answer's headers. */
function streamed(record: Reader): boolean | null {
  const headers = record.has('response_headers')
    ? within(record, 'response_headers', (all) => shortText(all, 'content-type'))
    : '';
  const type = (record.text('response_content_type') || headers).toLowerCase();
  return type === '' ? null : type.startsWith('text/event-stream');
}

/** `msec` is when the request was accepted, in milliseconds; in seconds before apinto wrote numbers as numbers. */
function acceptedMs(record: Reader): number | null {
  const inSeconds = Number(record.peek('msec')) < 1e11;
  return epochMs(record, 'msec', inSeconds ? 's' : 'ms');
}

/**
 * `response_time` has no stated unit: milliseconds in old versions, a Go duration (nanoseconds) in new ones. The back
 * end cannot have taken longer than the whole call, which leaves one reading; where it leaves none, the time is unknown.
 * A fraction is of neither unit: unknown, too, and no fault of the record.
 */
function answeredMs(record: Reader, duration: number | null): number | null {
  const stated = record.value('response_time');
  if (typeof stated === 'number' && stated > 0 && !Number.isInteger(stated)) return null;
  if (typeof stated === 'string' && /^\s*\d{1,19}\.\d{1,19}\s*$/.test(stated)) return null;
  const time = record.count('response_time');
  if (time === null || time === 0 || duration === null) return null;
  if (time <= duration) return time;
  const ms = Math.round(time / 1e6);
  return ms <= duration + 1 ? ms : null;
}
