import { callId, linkedIds } from '../call_id.ts';
import { epochMs } from '../instant.ts';
import { attemptsMax, noFields, type Event, type Fields } from '../event.ts';
import type { Format } from '../format.ts';
import type { Origin } from '../message.ts';
import { members, within } from '../nested.ts';
import { clientNetwork } from '../network.ts';
import { address } from '../provider.ts';
import { wireInstant, type Reader } from '../reader.ts';
import { regionName } from './azure_resource.ts';
import { cacheStatus, modelCallOf, type Around } from './kong_ai.ts';
import { answeredIds, askedIds, header, remainingTokens, streamedBy, throttledBy } from './kong_headers.ts';
import { remoteCallOf } from './kong_rpc.ts';

/** Known and not wanted: the trace, which has many calls, and the names of what is read under another name. */
const ignored = new Set(['trace_id', 'workspace', 'authenticated_entity']);

export const kong: Format = {
  source: 'kong',
  recognises: (record) =>
    (record.has('request') && (record.has('latencies') || (record.has('started_at') && record.has('response')))) ||
    // APIPark's event has its tokens under `ai`, too.
    (record.has('ai') && !record.has('request_id')),
  decode,
};

/**
 * Kong Gateway's log record, as HTTP Log, File Log and Kafka Log write it: one per request, times in milliseconds,
 * `started_at` the start. A record with an AI block of a model's call is the whole call; any other, tools and agents
 * included, tells who called and how it went. The request's own id (since 3.5) names the call, so a record that a log
 * queue sends again is the same call.
 * Sources: Kong/kong kong/pdk/log.lua, Kong/developer.konghq.com app/_includes/plugins/logging/log-format.md.
 */
function decode(record: Reader, origin: Origin): Event {
  const started = epochMs(record, 'started_at', 'ms');
  if (started === null) record.fail('missing_time', 'started_at is missing');
  const gateway = gatewayOf(record);
  const asked = within(record, 'request', requestOf);
  const answered = within(record, 'response', (response) => responseOf(response, record));
  const times = within(record, 'latencies', timesOf);
  const correlation_id = record.text('correlation_id');
  const own = asked.id || answered.id || correlation_id;
  const call_id =
    own === '' ? `${origin.stream}/${origin.sequence_number}/${origin.record_index}` : callId(gateway, own);
  const upstream_path = record.url('upstream_uri');
  const around = { ...answered.around, upstream_path };
  const service = within(record, 'service', serviceOf);
  const route = within(record, 'route', routeOf);
  const ai = within(record, 'ai', (block) => ({ call: modelCallOf(block, around), remote: remoteCallOf(block) }));
  const there = address(`https://${service.host || 'unknown.invalid'}${upstream_path}`);
  const tries = [members(record, 'tries').length, answered.statuses.length, ai.call?.attempts ?? 0];
  const most = Math.max(...tries);
  const attempts = most === 0 || most > attemptsMax ? null : most;
  const fields: Fields = {
    ...noFields,
    operation_name: ai.remote?.operation_name || there.operation_name || asked.operation_name,
    provider_name: there.provider_name,
    deployment: there.deployment,
    backend: ai.call === null ? service.host : '',
    ...answered.fields,
    cache_status: answered.around.cache_status,
    request_stream: ai.remote?.request_stream ?? answered.around.streamed,
    ...withoutUnset(ai.call),
    call_id,
    linked_ids: linkedIds(call_id, [...asked.ids, ...answered.ids, correlation_id]),
    gateway,
    started_at: started === null ? null : wireInstant(started),
    consumer_id: within(record, 'consumer', consumerOf) || within(record, 'authenticated_entity', entityOf),
    api_id: service.id || route.service,
    operation_id: ai.remote?.operation_id || route.id,
    region: regionName(record.text('region')),
    error_type: ai.remote?.error_type || answered.fields.error_type,
    client_network: clientNetwork(record.text('client_ip')),
    ...times,
    request_bytes: asked.bytes,
    attempts,
  };
  if (record.problem) return { kind: 'rejected', source: 'kong', ...record.problem };
  const kind = ai.call === null ? 'gateway' : 'call';
  return { kind, source: 'kong', fields, unknown_fields: record.unknown(ignored) };
}

/**
 * Kong does not name itself. A custom field `gateway` does (docs/kong sets it), so that two installations are told
 * apart; without it the workspace is the name, since 3.7.
 */
function gatewayOf(record: Reader): string {
  const workspace = record.text('workspace_name') || record.text('workspace');
  return record.text('gateway') || (workspace === '' ? 'kong' : `kong/${workspace}`);
}

function requestOf(request: Reader) {
  return within(request, 'headers', (headers) => ({
    id: request.text('id'),
    ids: askedIds(headers),
    bytes: size(request),
    operation_name: address(request.url('url')).operation_name,
  }));
}

function responseOf(response: Reader, record: Reader) {
  const status = response.status('status');
  const statuses = record
    .text('upstream_status')
    .split(/[,:]/)
    .map((part) => part.trim())
    .filter((part) => part !== '');
  const last = Number(statuses.findLast((part) => /^[1-9]\d\d$/.test(part)) ?? 0) || null;
  const source = record.text('source').toLowerCase();
  // Before 3.6 the record does not say who answered; without an upstream it was Kong.
  const byKong = source === '' ? statuses.length === 0 : source === 'kong';
  const refused = status !== null && status >= 400;
  return within(response, 'headers', (headers) => ({
    id: header(headers, 'x-kong-request-id'),
    ids: answeredIds(headers),
    statuses,
    around: {
      streamed: streamedBy(headers),
      refused,
      cache_status: cacheStatus(header(headers, 'x-cache-status')),
    } satisfies Omit<Around, 'upstream_path'>,
    fields: {
      http_response_status_code: status,
      backend_response_status_code: last,
      error_type: refused ? `${byKong ? 'kong_' : ''}${status}` : '',
      throttled_by: throttledBy(status, byKong, headers),
      quota_remaining_tokens: remainingTokens(headers),
      response_bytes: size(response),
    },
  }));
}

/** In bytes; a text that is no number is how Kong says that it could not tell. */
function size(message: Reader): number | null {
  const value = message.peek('size');
  return typeof value === 'string' && !/^\s*\d+\s*$/.test(value) ? null : message.count('size');
}

/**
 * `request` is the whole, `proxy` the wait for the upstream's first byte and -1 without one, `receive` the time until
 * its last. Before 3.7 there is no `receive` (it was inside `kong`), so a stream's back end seems faster there.
 */
function timesOf(latencies: Reader): Pick<Fields, 'duration_ms' | 'backend_ms'> {
  const without = Number(latencies.peek('proxy')) === -1;
  const waited = without ? null : latencies.milliseconds('proxy');
  const received = latencies.milliseconds('receive');
  return {
    duration_ms: latencies.milliseconds('request'),
    backend_ms: waited === null ? null : Math.min(waited + (received ?? 0), 0xffff_ffff),
  };
}

function serviceOf(service: Reader) {
  return { id: service.text('name') || service.text('id'), host: service.text('host').toLowerCase() };
}

function routeOf(route: Reader) {
  const service = within(route, 'service', (own) => own.text('id'));
  return { id: route.text('name') || route.text('id'), service };
}

/** What the operator calls the consumer outlives Kong's database; its id does not. */
function consumerOf(consumer: Reader): string {
  return consumer.text('custom_id') || consumer.text('username') || consumer.text('id');
}

/** Who was let in: the credential's consumer, or the credential itself by its id. */
function entityOf(entity: Reader): string {
  return entity.text('consumer_id') || entity.text('id');
}

/** A model's call says more than the request around it, but what it leaves open the request may know. */
function withoutUnset(call: Partial<Fields> | null): Partial<Fields> {
  return Object.fromEntries(Object.entries(call ?? {}).filter(([, value]) => value !== null && value !== ''));
}
