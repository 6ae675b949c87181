import { callId } from '../call_id.ts';
import { noFields, type Event } from '../event.ts';
import type { Format } from '../format.ts';
import type { Origin } from '../message.ts';
import type { Reader } from '../reader.ts';

const names = ['apiid', 'responsestatuscode', 'backendresponsetime'] as const;

export const apimPolicyMinimal: Format = {
  source: 'apim_policy_minimal',
  recognises: (record) => names.every((name) => record.has(name)),
  decode,
};

/**
 * The minimal published log-to-eventhub policy, `{ApiId, ResponseStatusCode, BackendResponseTime}` in any casing, with
 * whatever the operator added. Without a request id the call's only identity is its place in the hub: then a second
 * delivery counts as a second call, which no reader of such a record can tell apart.
 */
function decode(record: Reader, origin: Origin): Event {
  const requestId = record.text('requestId') || record.text('correlationId');
  const gateway = record.text('serviceName').toLowerCase();
  const status = record.status('responseStatusCode');
  const fields = {
    ...noFields,
    call_id:
      requestId === ''
        ? `${origin.stream}/${origin.sequence_number}/${origin.record_index}`
        : callId(gateway, requestId),
    gateway,
    started_at: record.instant('time') ?? record.instant('timestamp'),
    consumer_id: record.text('subscriptionId'),
    product_id: record.text('productId'),
    api_id: record.text('apiId'),
    operation_id: record.text('operationId'),
    error_type: status !== null && status >= 400 ? String(status) : '',
    http_response_status_code: status,
    backend_ms: record.milliseconds('backendResponseTime'),
  };
  if (record.problem) return { kind: 'rejected', source: 'apim_policy_minimal', ...record.problem };
  return { kind: 'call', source: 'apim_policy_minimal', fields, unknown_fields: record.unknown(new Set()) };
}
