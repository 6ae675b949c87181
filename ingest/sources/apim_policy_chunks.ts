import { callId } from '../call_id.ts';
import { captureColumns } from '../capture.ts';
import { noFields, type Event } from '../event.ts';
import type { Format } from '../format.ts';
import type { Reader } from '../reader.ts';

const source = 'apim_policy_chunks';

const parts = new Set(['summary', 'request-body', 'response-body', 'skip']);

export const apimPolicyChunks: Format = {
  source,
  recognises: (record) => {
    const kind = record.peek('kind');
    return typeof kind === 'string' && parts.has(kind.toLowerCase());
  },
  decode,
};

/** Lengths are those of texts in characters, not of what went over the wire. */
const ignored = new Set([
  'kind',
  'requestlength',
  'responselength',
  'requestchunks',
  'responsechunks',
  'chunkindex',
  'chunktotal',
  'payload',
  ...captureColumns,
]);

/**
 * Events of the policy that logs bodies in pieces, to stay below the size at which events are cut: a summary of the
 * call, then the pieces, which are message text, and stubs, because an empty event makes the policy fail. A summary has
 * no tokens, and its correlation id is what the operator chose.
 * Source: neallee2012/AI-Gateway, labs/request-response-logging.
 */
function decode(record: Reader): Event {
  const kind = record.text('kind').toLowerCase();
  const id = record.text('correlationId');
  const call_id = id === '' ? '' : callId('', id);
  if (kind === 'skip') return { kind: 'dropped', source, reason: 'placeholder', call_id };
  if (id === '') record.fail('missing_correlation_id', 'correlationId is missing');
  const status = record.status('status');
  const fields = {
    ...noFields,
    call_id,
    started_at: record.dotnetInstant('timestamp'),
    error_type: status !== null && status >= 400 ? String(status) : '',
    http_response_status_code: status,
    duration_ms: record.milliseconds('durationMs'),
  };
  if (record.problem) return { kind: 'rejected', source, ...record.problem };
  if (kind !== 'summary') return { kind: 'dropped', source, reason: 'message_text', call_id };
  return { kind: 'call', source, fields, unknown_fields: record.unknown(ignored) };
}
