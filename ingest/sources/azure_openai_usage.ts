import { callId } from '../call_id.ts';
import { noFields, noUsage, type Event, type Usage } from '../event.ts';
import type { Format } from '../format.ts';
import type { Reader } from '../reader.ts';
import { recogniseUsage } from '../usage/recognise.ts';
import { placeOf, resourceOf, timeOf, unknownOf } from './azure_resource.ts';

const source = 'azure_openai_usage';

const ignored = new Set([
  'objectid',
  'apiname',
  'requesttime',
  'responsetime',
  'correlationid',
  'requestlength',
  'responselength',
]);

export const azureOpenaiUsage: Format = { source, category: 'azureopenairequestusage', decode };

/**
 * Azure OpenAI, AzureOpenAIRequestUsage. No sample of it is public and its fields are not documented: what has the names
 * that Azure's other logs and metrics give to tokens is read, and a record without any is kept as not understood. The
 * counts are exact only where they add up to a stated total; else it is not known what is inside what.
 */
function decode(record: Reader): Event {
  const resource = resourceOf(record);
  const started_at = timeOf(record);
  if (resource === null) return rejected(record);
  const p = resource.properties;
  const { backend } = placeOf(record.text('resourceId'));
  const usage = tokens(p);
  if (p.problem) record.fail(p.problem.reason, p.problem.detail);
  if (usage === null) record.fail('wrong_type', 'no field is known to hold tokens');
  const stream = p.text('streamType').toLowerCase();
  const fields = {
    ...noFields,
    ...usage,
    call_id: callId(backend, resource.correlation_id),
    started_at,
    operation_id: record.text('operationName'),
    response_model: p.text('modelName'),
    model_version: p.text('modelVersion'),
    deployment: p.text('modelDeploymentName') || p.text('deploymentName'),
    backend,
    region: resource.region,
    request_stream: stream === 'streaming' ? true : stream === 'non-streaming' ? false : null,
  };
  if (p.problem) record.fail(p.problem.reason, p.problem.detail);
  if (record.problem) return rejected(record);
  return { kind: 'usage', source, fields, unknown_fields: unknownOf(record, p, ignored) };
}

/** An OpenAI usage object, or counts beside the other members; null where there is neither. */
function tokens(p: Reader): Usage | null {
  const nested = p.object('usage');
  if (nested !== null) {
    const usage = recogniseUsage(nested);
    if (nested.problem) p.fail(nested.problem.reason, nested.problem.detail);
    return usage.usage_quality === 'missing' ? null : usage;
  }
  const input = count(p, ['promptTokens', 'inputTokens', 'prompt_tokens', 'processedPromptTokens']);
  const output = count(p, ['completionTokens', 'outputTokens', 'generatedTokens', 'completion_tokens']);
  const cached = count(p, ['promptCachedTokens', 'cachedTokens', 'cached_tokens']);
  const total = count(p, ['totalTokens', 'total_tokens']);
  if (input === null && output === null && total === null) return null;
  // Cached tokens are inside the prompt where prompt and output alone make the total.
  const inside = total !== null && total === (input ?? 0) + (output ?? 0) && (cached ?? 0) <= (input ?? 0);
  return {
    ...noUsage,
    usage_input_tokens: inside && input !== null ? input - (cached ?? 0) : input,
    usage_cache_read_input_tokens: cached,
    usage_output_tokens: output,
    usage_total_tokens: total,
    usage_quality: inside ? 'exact' : 'partial',
  };
}

function count(p: Reader, names: readonly string[]): number | null {
  for (const name of names) if (p.has(name)) return p.count(name);
  return null;
}

function rejected(record: Reader): Event {
  return { kind: 'rejected', source, ...(record.problem ?? { reason: 'wrong_type', detail: '' }) };
}
