import { callId } from '../call_id.ts';
import { noFields, type Event } from '../event.ts';
import type { Format } from '../format.ts';
import { clientNetwork } from '../network.ts';
import type { Reader } from '../reader.ts';
import { ticksMs, wireTicks } from '../ticks.ts';
import { placeOf, regionName, resourceOf, timeOf, unknownOf } from './azure_resource.ts';

const source = 'azure_openai_request';

const ignored = new Set(['objectid', 'apiname', 'requesttime', 'responsetime', 'correlationid', 'streamtype']);

export const azureOpenaiRequest: Format = { source, category: 'requestresponse', decode };

/** The operation's name before its verb, by the names of OpenTelemetry `gen_ai.operation.name`. */
const operations: readonly (readonly [pattern: RegExp, operation: string])[] = [
  [/^chat_?completions?_|^(create_)?(model_)?responses?(_|$)|^messages_/i, 'chat'],
  [/^completions?_/i, 'text_completion'],
  [/^(get_)?embeddings?(_|$)/i, 'embeddings'],
];

/**
 * Azure OpenAI and AI Foundry, RequestResponse: what the account logged of a request; no tokens. `time` is when the log
 * was written: the call began at `requestTime`. A `durationMs` below 0 occurs and is computed again from the two times.
 * Its correlation id is what the service answered as `apim-request-id`: a gateway that logs this header links the two.
 * Source: elastic/integrations, packages/azure_openai (Elastic License 2.0; facts only).
 */
function decode(record: Reader): Event {
  const resource = resourceOf(record);
  if (resource === null) return rejected(record);
  const p = resource.properties;
  const { backend } = placeOf(record.text('resourceId'));
  const began = ticksMs(p.value('requestTime'));
  const status = record.status('resultSignature');
  const operation_id = record.text('operationName');
  const stream = p.text('streamType').toLowerCase();
  const fields = {
    ...noFields,
    call_id: callId(backend, resource.correlation_id),
    started_at: wireTicks(began) ?? timeOf(record),
    operation_id,
    operation_name: operations.find(([pattern]) => pattern.test(operation_id))?.[1] ?? '',
    provider_name: /openai/i.test(p.text('apiName')) ? 'azure.ai.openai' : '',
    response_model: p.text('modelName'),
    model_version: p.text('modelVersion'),
    deployment: p.text('modelDeploymentName'),
    backend,
    region: resource.region || regionName(record.text('Tenant')),
    error_type: status !== null && status >= 400 ? String(status) : '',
    throttled_by: status === 429 ? ('backend' as const) : ('' as const),
    client_network: clientNetwork(record.text('callerIpAddress')),
    http_response_status_code: status,
    backend_response_status_code: status,
    request_stream: stream === 'streaming' ? true : stream === 'non-streaming' ? false : null,
    duration_ms: duration(record, began, ticksMs(p.value('responseTime'))),
    request_bytes: p.count('requestLength'),
    response_bytes: p.count('responseLength'),
  };
  if (p.problem) record.fail(p.problem.reason, p.problem.detail);
  if (record.problem) return rejected(record);
  return { kind: 'backend', source, fields, unknown_fields: unknownOf(record, p, ignored) };
}

function duration(record: Reader, began: number | null, ended: number | null): number | null {
  const stated = Number(record.peek('durationMs') ?? Number.NaN);
  if (!(stated < 0)) return record.milliseconds('durationMs');
  if (began === null || ended === null || ended < began) return null;
  const between = Math.round(ended - began);
  // Two times that are further apart than a column of milliseconds holds, 49 days, are of no one request.
  return between > 0xffff_ffff ? null : between;
}

function rejected(record: Reader): Event {
  return { kind: 'rejected', source, ...(record.problem ?? { reason: 'wrong_type', detail: '' }) };
}
