import { callId } from '../call_id.ts';
import { noFields, type Event } from '../event.ts';
import type { Format } from '../format.ts';
import { address } from '../provider.ts';
import { headerFacts } from '../provider_headers.ts';
import type { Reader } from '../reader.ts';
import { resourceOf } from './azure_resource.ts';

/** Known and not wanted: message text, headers and addresses, which must not reach a table. */
const ignored = new Set(
  (
    'requestbody responsebody backendrequestbody backendresponsebody requestheaders responseheaders backendrequestheaders ' +
    'backendresponseheaders tracerecords errors clientprotocol backendprotocol clienttlsversion clienttlsciphersuite apirevision ' +
    'method backendmethod cachetime istracerequested istraceallowed istraceexpired ismastertrace workspaceid calleripaddress'
  ).split(' '),
);

/** Where header names may tell the provider; their values do not reach a field. */
const headerNames = ['backendRequestHeaders', 'backendResponseHeaders', 'requestHeaders', 'responseHeaders'];

export const apimGateway: Format = { source: 'apim_gateway', category: 'gatewaylogs', decode };

/**
 * API Management GatewayLogs: one record per request, with who called, how it ended and how long it took; no tokens.
 * Times in milliseconds. `time` is the start of the request. Wire: Azure Monitor resource log; camelCase since 2018,
 * PascalCase and `properties` as a text before.
 */
function decode(record: Reader): Event {
  const resource = resourceOf(record);
  const started_at = record.instant('time');
  if (started_at === null) record.fail('missing_time', 'time is missing');
  if (resource === null) return rejected(record);
  const p = resource.properties;
  const backend = address(p.url('backendUrl'));
  const front = address(p.url('url'));
  const headers = headerFacts(headerNames.map((name) => p.peek(name)));
  const status = p.status('responseCode');
  const lastError = p.object('lastError');
  const cache = p.text('cache').toLowerCase();
  const fields = {
    ...noFields,
    call_id: callId(resource.gateway, resource.correlation_id),
    gateway: resource.gateway,
    started_at,
    consumer_id: p.text('apimSubscriptionId') || p.text('subscriptionId'),
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
    error_type: lastError?.text('reason') || (status !== null && status >= 400 ? String(status) : ''),
    cache_status: cache === 'hit' || cache === 'miss' ? cache : '',
    http_response_status_code: status,
    backend_response_status_code: p.status('backendResponseCode'),
    duration_ms: record.milliseconds('durationMs') ?? p.milliseconds('totalTime'),
    backend_ms: p.milliseconds('backendTime'),
    client_ms: p.milliseconds('clientTime'),
    request_bytes: p.count('requestSize'),
    response_bytes: p.count('responseSize'),
  };
  for (const part of [p, lastError]) if (part?.problem) record.fail(part.problem.reason, part.problem.detail);
  if (record.problem) return rejected(record);
  return { kind: 'gateway', source: 'apim_gateway', fields, unknown_fields: p.unknown(ignored) };
}

function rejected(record: Reader): Event {
  return { kind: 'rejected', source: 'apim_gateway', ...(record.problem ?? { reason: 'wrong_type', detail: '' }) };
}
