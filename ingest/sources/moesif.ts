import { callId } from '../call_id.ts';
import { noFields, noUsage, type Event, type Usage } from '../event.ts';
import type { Format } from '../format.ts';
import { answer } from '../http_message.ts';
import { clientNetwork } from '../network.ts';
import { address } from '../provider.ts';
import { isObject, Reader, type Json } from '../reader.ts';
import { recogniseUsage } from '../usage/recognise.ts';

const source = 'moesif';

export const moesif: Format = {
  source,
  recognises: (record) => record.has('message-id') && record.has('event_type'),
  decode,
};

const ignored = new Set(['request_headers', 'response_headers', 'metadata', 'method', 'transfer_encoding']);

/**
 * Events of the policy for Moesif: one for the request and one for the response, with a common message-id that the
 * policy makes up, so that they are one call. `company_id` is whom the operator bills, `user_id` the person. Bodies are
 * JSON as text, or its base64; of a response's only the usage, model and id are read.
 * Source: Moesif/ApimEventProcessor, ApimMessageParams.cs.
 */
function decode(record: Reader): Event {
  const id = record.text('message-id');
  if (id === '') record.fail('missing_correlation_id', 'message-id is missing');
  const side = record.text('event_type').toLowerCase();
  if (side !== 'request' && side !== 'response')
    record.fail('wrong_type', 'event_type is neither request nor response');
  const user = record.text('contextRequestUser');
  const front = address(record.url('uri'));
  const answered = side === 'response';
  const asked = new Reader(answer(textOf(record.value('request_body'))));
  const response = new Reader(answer(textOf(record.value('response_body'))));
  const status = record.status('status_code');
  const fields = {
    ...noFields,
    ...(answered ? usageOf(response, record) : {}),
    call_id: callId('', id),
    consumer_id: record.text('company_id'),
    user_id: record.text('user_id') || user,
    operation_name: front.operation_name,
    deployment: front.deployment,
    request_model: asked.text('model'),
    response_model: response.text('model'),
    response_id: response.text('id'),
    client_network: clientNetwork(record.text('ip_address')),
    error_type: status !== null && status >= 400 ? String(status) : '',
    http_response_status_code: status,
  };
  if (record.problem) return { kind: 'rejected', source, ...record.problem };
  return { kind: 'call', source, fields, unknown_fields: record.unknown(ignored) };
}

function usageOf(response: Reader, record: Reader): Usage {
  const usage = response.object('usage');
  if (usage === null) return { ...noUsage, usage_quality: 'missing' };
  const counted = recogniseUsage(usage);
  if (usage.problem) record.fail(usage.problem.reason, usage.problem.detail);
  return counted;
}

/** A body as its text; the policy writes base64 where a body may be binary. */
function textOf(body: Json | undefined): string {
  if (isObject(body)) return JSON.stringify(body);
  if (typeof body !== 'string') return '';
  if (!/^[A-Za-z0-9+/]{8,}={0,2}$/.test(body)) return body;
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(body), (character) => character.charCodeAt(0)));
  } catch {
    return '';
  }
}
