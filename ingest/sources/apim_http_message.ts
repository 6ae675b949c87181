import { callId, linkedIds } from '../call_id.ts';
import { noFields, noUsage, type Event } from '../event.ts';
import type { Format } from '../format.ts';
import { headersOf, requestIds } from '../header.ts';
import { address } from '../provider.ts';
import type { Reader } from '../reader.ts';
import { recogniseUsage } from '../usage/recognise.ts';

const source = 'apim_http_message';

export const apimHttpMessage: Format = {
  source,
  recognises: (record) => record.peek('http_message') === 'request' || record.peek('http_message') === 'response',
  decode,
};

/**
 * The two messages of a call that the documentation's sample policy logs as HTTP text; the envelope has read what names
 * and measures them. Both have the id that the policy made up, so that they are one call, of which either half may be
 * missing. They say no time: the call then has that of its arrival.
 */
function decode(record: Reader): Event {
  const id = record.text('message_id');
  if (id === '') record.fail('missing_correlation_id', 'the message has no id');
  const call_id = callId('', id);
  const side = record.text('http_message');
  const target = record.url('url');
  const front = address(target.startsWith('/') ? `https://gateway${target}` : target);
  const usage = record.object('usage');
  const counted = usage === null ? noUsage : recogniseUsage(usage);
  if (usage?.problem) record.fail(usage.problem.reason, usage.problem.detail);
  const status = record.status('status');
  const model = record.text('model');
  const response_id = record.text('id');
  const answered = side === 'response';
  const missing = { ...noUsage, usage_quality: 'missing' as const };
  const fields = {
    ...noFields,
    ...(answered ? (usage === null ? missing : counted) : {}),
    call_id,
    linked_ids: linkedIds(call_id, requestIds(headersOf(record.value('headers')))),
    operation_name: front.operation_name,
    deployment: front.deployment,
    request_model: answered ? '' : model,
    response_model: answered ? model : '',
    response_id: answered ? response_id : '',
    error_type: status !== null && status >= 400 ? String(status) : '',
    http_response_status_code: status,
  };
  if (record.problem) return { kind: 'rejected', source, ...record.problem };
  return { kind: 'call', source, fields, unknown_fields: record.unknown(new Set(['method'])) };
}
