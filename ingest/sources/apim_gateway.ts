import { callId, linkedIds } from '../call_id.ts';
import { noFields, type Event } from '../event.ts';
import type { Format } from '../format.ts';
import { callerOf, headersOf, remainingTokens, requestIds, requestSpan } from '../header.ts';
import { moderationOf } from '../moderation.ts';
import { clientNetwork } from '../network.ts';
import { address } from '../provider.ts';
import { headerFacts } from '../provider_headers.ts';
import { isObject, Reader, type Json } from '../reader.ts';
import { throttledBy } from '../throttle.ts';
import { resourceOf, timeOf, unknownOf } from './azure_resource.ts';

/** Known and not wanted: message text, headers and addresses, which must not reach a table. */
const ignored = new Set(
  (
    'requestbody backendrequestbody backendresponseheaders ' +
    'tracerecords clientprotocol backendprotocol clienttlsversion clienttlsciphersuite apirevision ' +
    'method backendmethod cachetime istracerequested istraceallowed istraceexpired ismastertrace workspaceid'
  ).split(' '),
);

/** Where header names may tell the provider; their values do not reach a field. */
const headerNames = ['backendRequestHeaders', 'backendResponseHeaders', 'requestHeaders', 'responseHeaders'];

export const apimGateway: Format = { source: 'apim_gateway', category: 'gatewaylogs', decode: gatewayEvent };

/**
 * API Management GatewayLogs: one record per request, with who called, how it ended and how long it took; no tokens.
 * Times in milliseconds. `time` is the start of the request. Wire: Azure Monitor resource log; camelCase since 2018,
 * PascalCase and `properties` as a text before.
 */
export function gatewayEvent(record: Reader): Event {
  const resource = resourceOf(record);
  const started_at = timeOf(record);
  if (resource === null) return rejected(record);
  const p = resource.properties;
  const backend = address(p.url('backendUrl'));
  const front = address(p.url('url'));
  const headers = headerFacts(headerNames.map((name) => p.peek(name)));
  const status = p.status('responseCode');
  const backend_status = p.status('backendResponseCode');
  const asked = headersOf(p.value('backendRequestHeaders'));
  const lastError = p.object('lastError');
  const reason = lastError?.text('reason') ?? '';
  const policy = lastError?.text('source') ?? '';
  const cache = p.text('cache').toLowerCase();
  const caller = p.text('callerIpAddress');
  const call_id = callId(resource.gateway, resource.correlation_id);
  const fields = {
    ...noFields,
    ...headerFields(p, asked, call_id),
    ...moderation(p),
    call_id,
    gateway: resource.gateway,
    started_at,
    consumer_id: p.text('apimSubscriptionId') || p.text('subscriptionId') || callerOf(asked),
    product_id: p.text('productId'),
    api_id: p.text('apiId'),
    operation_id: p.text('operationId'),
    operation_name: front.operation_name || backend.operation_name,
    provider_name: backend.provider_name || headers.provider_name,
    request_model: backend.request_model || front.request_model,
    deployment: backend.deployment || front.deployment || backend.service,
    backend: p.text('backendId') || backend.host,
    region: resource.region,
    routing_label: headers.routing_label,
    user_id: p.text('userId'),
    error_type: reason || (status !== null && status >= 400 ? String(status) : ''),
    cache_status: cache === 'hit' || cache === 'miss' ? cache : '',
    throttled_by: throttledBy({ reason, policy, status, backend_status }),
    client_network: clientNetwork(record.text('callerIpAddress') || caller),
    http_response_status_code: status,
    backend_response_status_code: backend_status,
    attempts: attempts(p, policy, backend_status),
    truncated: truncated(record),
    duration_ms: record.milliseconds('durationMs') ?? p.milliseconds('totalTime'),
    backend_ms: p.milliseconds('backendTime'),
    client_ms: p.milliseconds('clientTime'),
    request_bytes: p.count('requestSize'),
    response_bytes: p.count('responseSize'),
  };
  for (const part of [p, lastError]) if (part?.problem) record.fail(part.problem.reason, part.problem.detail);
  if (record.problem) return rejected(record);
  return { kind: 'gateway', source: 'apim_gateway', fields, unknown_fields: unknownOf(record, p, ignored) };
}

/** Only the headers that the diagnostic names are logged; the caller's limit is the one in what the caller got. */
function headerFields(p: Reader, asked: Reader, call_id: string) {
  const request = headersOf(p.value('requestHeaders'));
  const answered = headersOf(p.value('backendResponseHeaders'));
  const response = headersOf(p.value('responseHeaders'));
  const ids = [request, asked, answered, response].flatMap(requestIds);
  return {
    linked_ids: linkedIds(call_id, [...ids, requestSpan(request)]),
    quota_remaining_tokens: remainingTokens(response) ?? remainingTokens(answered),
  };
}

/** The body that the caller got, or the back end's if only that is logged. */
function moderation(p: Reader) {
  const body = p.value('responseBody');
  const asked = p.value('backendResponseBody');
  const found = moderationOf(body);
  return found.moderation_outcome === '' ? moderationOf(asked) : found;
}

/**
 * How often a back end was asked, where the record shows it: each failed attempt to forward leaves an entry in `errors`,
 * and an answer that is not the last error's is one more. Attempts that a back end answered with an error, as a retry on
 * 429 does, leave no trace; then the number is not known.
 */
function attempts(p: Reader, policy: string, backend_status: number | null): number | null {
  const errors = p.value('errors');
  const failed = Array.isArray(errors) ? errors.filter(isForward).length : 0;
  if (failed === 0 || failed > 1_000) return null;
  return failed + (backend_status !== null && policy !== 'forward-request' ? 1 : 0);
}

function isForward(error: Json): boolean {
  return isObject(error) && new Reader(error).peek('source') === 'forward-request';
}

/** 0 and 1 on the wire; a gateway that writes true means the same. */
function truncated(record: Reader): boolean | null {
  const value = record.peek('truncated');
  if (typeof value === 'boolean' || (typeof value === 'string' && /^(true|false)$/i.test(value)))
    return record.flag('truncated');
  const number = record.count('truncated', 1);
  return number === null ? null : number === 1;
}

function rejected(record: Reader): Event {
  return { kind: 'rejected', source: 'apim_gateway', ...(record.problem ?? { reason: 'wrong_type', detail: '' }) };
}
