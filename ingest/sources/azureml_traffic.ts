import { callId, linkedIds } from '../call_id.ts';
import { noFields, type Event, type Fields } from '../event.ts';
import type { Format } from '../format.ts';
import type { Origin } from '../message.ts';
import { address } from '../provider.ts';
import type { Reader } from '../reader.ts';
import { membersOf, placeOf, regionName, timeOf, unknownOf } from './azure_resource.ts';

const source = 'azureml_traffic';

/** What a column of milliseconds holds. */
const durationMaxMs = 0xffff_ffff;

/** `identityData` is a person's or a service's object id, and the user agent tells people apart. */
const ignored = new Set(
  (
    'method subscriptionid azuremlworkspaceid azuremlworkspacename protocol operationname authtype identitydata useragent ' +
    'responsecodereason modelstatusreason requestdurationms category resourceid'
  ).split(' '),
);

export const azuremlTraffic: Format = { source, category: 'amlonlineendpointtrafficlog', decode };

/**
 * Azure ML online endpoints, traffic log: one record per request, as the endpoint saw it. A gateway that sends its own
 * correlation id as `x-ms-client-request-id` names the same call with it; without one the call has the endpoint's id.
 * `duration_ms` is the whole stay at the endpoint, from the first byte to the last. The first byte of the model's
 * answer is the first token where the answer is a stream, and there is none where no model answered. Delays are those
 * of the bandwidth limit.
 * Source: MicrosoftDocs/azure-ai-docs, includes/endpoint-monitor-traffic-reference.md; casing on the wire is not
 * documented.
 */
function decode(record: Reader, origin: Origin): Event {
  const p = membersOf(record);
  const started_at = timeOf(record);
  if (p === null) return rejected(record);
  const place = placeOf(record.text('resourceId'));
  const backend = p.text('endpointName') || place.backend;
  const own = p.text('XRequestId');
  const client = callId('', p.text('XMSClientRequestId'));
  // An id that is not unique in the world is what the client likes to call its request, not a call's name.
  const call_id = client.startsWith('/') ? named(backend, own, origin) : client;
  const model_status = p.status('modelStatusCode');
  const status = p.status('responseCode');
  const delays = [p.milliseconds('requestThrottlingDelayMs'), p.milliseconds('responseThrottlingDelayMs')];
  const throttled_ms = sum(delays);
  if (throttled_ms !== null && throttled_ms > durationMaxMs)
    record.fail('number_out_of_range', `the throttling delays together are above ${durationMaxMs}`);
  const first_byte = p.milliseconds('responseDurationMs');
  const fields = {
    ...noFields,
    call_id,
    linked_ids: linkedIds(call_id, [own]),
    started_at,
    operation_name: address(`https://endpoint${p.url('path')}`).operation_name,
    deployment: p.text('deploymentName') || place.deployment,
    backend,
    region: regionName(p.text('location') || record.text('location')),
    error_type: status !== null && status >= 400 ? String(status) : '',
    throttled_by: throttledBy(status, throttled_ms),
    http_response_status_code: status,
    backend_response_status_code: model_status,
    duration_ms: p.milliseconds('totalDurationMs'),
    time_to_first_token_ms: model_status === null ? null : first_byte,
    throttled_ms,
    request_bytes: p.count('requestPayloadSize'),
    response_bytes: p.count('responsePayloadSize'),
  };
  if (p.problem) record.fail(p.problem.reason, p.problem.detail);
  if (record.problem) return rejected(record);
  return { kind: 'backend', source, fields, unknown_fields: unknownOf(record, p, ignored) };
}

/** Null where none is known. */
function sum(delays: readonly (number | null)[]): number | null {
  const known = delays.filter((delay) => delay !== null);
  return known.length === 0 ? null : known.reduce((total, delay) => total + delay, 0);
}

/** A 429 is the endpoint's own limit; a delay alone is the bandwidth's. */
function throttledBy(status: number | null, throttled_ms: number | null): Fields['throttled_by'] {
  if (status === 429) return 'backend';
  return throttled_ms !== null && throttled_ms > 0 ? 'bandwidth' : '';
}

function named(backend: string, own: string, origin: Origin): string {
  return own === '' ? `${origin.stream}/${origin.sequence_number}/${origin.record_index}` : callId(backend, own);
}

function rejected(record: Reader): Event {
  return { kind: 'rejected', source, ...(record.problem ?? { reason: 'wrong_type', detail: '' }) };
}
