import { callId } from '../call_id.ts';
import { noFields, type Event } from '../event.ts';
import type { Format } from '../format.ts';
import type { Reader } from '../reader.ts';
import { uncounted } from '../usage/counts.ts';
import { recogniseUsage } from '../usage/recognise.ts';
import { serviceTier } from '../usage/service_tier.ts';
import { gatewayName, regionName } from './azure_resource.ts';

/** The schema that docs/apim/gatemeter-call.fragment.xml writes. */
export const apimPolicySchema = 'gatemeter.call.v1';
/** A policy that was written before it, with the gateway and the API as objects; sites that have it keep it. */
const nestedSchema = 'aigw.usage.v1';

export const apimPolicy: Format = {
  source: 'apim_policy',
  recognises: (record) => [apimPolicySchema, nestedSchema].some((schema) => record.peek('schema') === schema),
  decode,
};

/**
 * The event of Gatemeter's own API Management policy: a whole call in one record. `requestId` is the correlation id of
 * the diagnostic logs and `gateway` the service's name, so both mentions become one call. A streamed answer cannot be
 * read by a policy without buffering it: its `usage` is absent and comes from GatewayLlmLogs.
 */
function decode(record: Reader): Event {
  const [service, api] = [record.object('apim'), record.object('api')];
  const gateway = gatewayName(record.text('gateway') || (service?.text('service') ?? ''));
  const requestId = record.text('requestId');
  if (requestId === '') record.fail('missing_correlation_id', 'requestId is missing');
  const started_at = record.instant('time');
  if (started_at === null) record.fail('missing_time', 'time is missing');
  const usage = record.object('usage');
  const counted = usage === null ? uncounted : recogniseUsage(usage, record.text('providerName'));
  const [subscriptionId, consumerId] = [record.text('subscriptionId'), record.text('consumerId')];
  const status = record.status('status');
  const fields = {
    ...noFields,
    ...counted,
    call_id: callId(gateway, requestId),
    gateway,
    started_at,
    consumer_id: subscriptionId || consumerId,
    product_id: record.text('productId'),
    api_id: record.text('apiId') || (api?.text('id') ?? ''),
    operation_id: record.text('operationId') || (api?.text('operationId') ?? ''),
    operation_name: record.text('operationName'),
    provider_name: record.text('providerName'),
    request_model: record.text('requestModel'),
    response_model: record.text('responseModel') || record.text('model'),
    response_id: record.text('responseId'),
    deployment: record.text('deployment'),
    backend: record.text('backendId'),
    region: regionName(record.text('region') || (service?.text('region') ?? '')),
    user_id: record.text('userId'),
    error_type: record.text('errorReason') || (status !== null && status >= 400 ? String(status) : ''),
    http_response_status_code: status,
    request_stream: record.flag('stream'),
    duration_ms: record.milliseconds('elapsedMs'),
    service_tier: serviceTier(record.text('serviceTier')) || counted.service_tier,
  };
  for (const part of [usage, service, api]) if (part?.problem) record.fail(part.problem.reason, part.problem.detail);
  if (record.problem) return { kind: 'rejected', source: 'apim_policy', ...record.problem };
  return { kind: 'call', source: 'apim_policy', fields, unknown_fields: record.unknown(new Set(['schema'])) };
}
