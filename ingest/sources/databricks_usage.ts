import { callId, linkedIds } from '../call_id.ts';
import { noFields, type Event } from '../event.ts';
import type { Format } from '../format.ts';
import { instantOf } from '../instant.ts';
import { address } from '../provider.ts';
import { isObject, parseJson, Reader, type Json } from '../reader.ts';
import { countOf, sum, uncounted, type Counted } from '../usage/counts.ts';
import { recogniseResponse, type ResponseFacts } from '../usage/response.ts';

/** Known and not wanted, or of no column. */
const ignored = new Set(
  (
    'account_id schema_version request_date date input_character_count output_character_count usage_context request_tags ' +
    'endpoint_id endpoint_tags endpoint_metadata endpoint_version invocation_id destination_id destination_type ' +
    'requester_type ip_address user_agent service_type response_content_type request logging_error_codes ' +
    'request_metadata token_details entity_version served_entity_version url total_tokens time_to_first_byte_ms'
  ).split(' '),
);

/** Tags by which callers commonly say for what they call, in the order in which the first counts. */
const purposes = ['application', 'app', 'project', 'team', 'agent', 'use_case'];

export const databricksUsage: Format = { source: 'databricks_usage', recognises, decode };

/** Names of the three tables that no other source has together. */
function recognises(record: Reader): boolean {
  if (record.has('databricks_request_id')) {
    return ['input_token_count', 'request_time', 'execution_duration_ms', 'timestamp_ms'].some((n) => record.has(n));
  }
  return record.has('event_time') && record.has('destination_model') && record.has('requester');
}

/**
 * Rows of Databricks' own tables, one per call, exported as JSON: `system.serving.endpoint_usage` (Model Serving),
 * `system.ai_gateway.usage` (Unity AI Gateway) and the inference table of an endpoint. A row is a whole call. The
 * consumer is the requester, whom Databricks knows; what callers say of themselves in `usage_context` (request body) or
 * `request_tags` (header) is their word only and becomes the product, so that a rule may tell the applications of one
 * service principal apart, and nobody can charge a call to another requester. The served entity or destination that
 * answered is the routing label. Of the inference table's bodies the usage, model and id are read, no text.
 * Sources: docs.databricks.com, Track model usage, Inference tables and the AI Gateway dashboard's queries. Not
 * documented: whether input counts include cached tokens; where caches are counted and no total tells, usage is partial.
 */
function decode(record: Reader): Event {
  const workspace = record.text('workspace_id');
  const gateway = workspace === '' ? 'databricks' : `databricks-${workspace}`;
  const id = record.text('databricks_request_id') || record.text('request_id') || record.text('event_id');
  if (id === '') record.fail('missing_correlation_id', 'the row has no databricks_request_id or request_id');
  const started_at = startOf(record);
  if (started_at === null) record.fail('missing_time', 'request_time, event_time and timestamp_ms are missing');
  const status = record.status('status_code');
  const response = recogniseResponse(record.value('response'), record);
  const call_id = callId(gateway, id);
  const metadata = mapOf(record.value('request_metadata'));
  const stream = streamed(record);
  const at = address(record.url('url'));
  const served = record.text('served_entity_name') || record.text('served_entity_id');
  const fields = {
    ...noFields,
    ...counts(record, response, status),
    call_id,
    linked_ids: linkedIds(call_id, [record.text('client_request_id')]),
    gateway,
    started_at,
    consumer_id: record.text('requester'),
    product_id: purpose(record),
    api_id: record.text('api_type'),
    operation_name: address(`https://databricks/${record.text('api_type')}`).operation_name || at.operation_name,
    provider_name: 'databricks',
    request_model: requestModel(record) || metadata.text('model_name'),
    response_model: response.response_model || record.text('destination_model') || record.text('entity_name'),
    response_id: response.response_id,
    deployment: record.text('endpoint_name') || metadata.text('endpoint_name') || at.deployment || served,
    model_version: metadata.text('model_version'),
    backend: record.text('destination_name'),
    routing_label: served,
    error_type: status !== null && status >= 400 ? String(status) : '',
    http_response_status_code: status,
    request_stream: stream,
    duration_ms:
      record.milliseconds('latency_ms') ??
      record.milliseconds('execution_duration_ms') ??
      record.milliseconds('execution_time_ms'),
    // The first byte of an answer that is not streamed is its last one too, and no first token.
    time_to_first_token_ms: stream === true ? record.milliseconds('time_to_first_byte_ms') : null,
    attempts: attempts(record),
    truncated: cut(record),
    sample_fraction: fraction(record),
  };
  if (record.problem) return { kind: 'rejected', source: 'databricks_usage', ...record.problem };
  return { kind: 'call', source: 'databricks_usage', fields, unknown_fields: record.unknown(ignored) };
}

/** An instant as ISO 8601, or as the milliseconds that data frames write; cut off or absent is null. */
function startOf(record: Reader): string | null {
  return (
    instantOf(record, 'request_time') ?? instantOf(record, 'event_time') ?? instantOf(record, 'timestamp_ms', 'ms')
  );
}

/** The row's own counts, else those of the logged response. A refused call with counts of 0 was not counted. */
function counts(record: Reader, response: ResponseFacts, status: number | null): Counted {
  const input = countOf(record, ['input_token_count', 'input_tokens']);
  const output = countOf(record, ['output_token_count', 'output_tokens']);
  const total = record.count('total_tokens');
  const details = record.object('token_details');
  const read = details?.count('cache_read_input_tokens') ?? null;
  const written = details?.count('cache_creation_input_tokens') ?? null;
  const reasoning = details === null ? null : countOf(details, ['output_reasoning_tokens', 'reasoning_tokens']);
  if (details?.problem) record.fail(details.problem.reason, details.problem.detail);
  if (input === null && output === null) return response.usage;
  if (sum([input, output, total]) === 0 && (status ?? 0) >= 400) return uncounted;
  const caches = sum([read, written]);
  const outside = caches > 0 && total === sum([input, output]) + caches;
  const within = reasoning !== null && reasoning <= (output ?? 0);
  if (reasoning !== null && !within) record.fail('number_out_of_range', 'reasoning tokens are more than output tokens');
  return {
    ...uncounted,
    usage_input_tokens: input,
    usage_cache_read_input_tokens: outside || caches === 0 ? read : null,
    usage_cache_creation_5m_input_tokens: outside || caches === 0 ? written : null,
    usage_output_tokens: within && output !== null ? output - reasoning : output,
    usage_reasoning_output_tokens: reasoning,
    usage_total_tokens: total,
    usage_quality: input === null || (caches > 0 && !outside) ? 'partial' : 'exact',
    service_tier: response.usage.service_tier,
  };
}

/** For what the caller says that it calls; '' where it says nothing short. */
function purpose(record: Reader): string {
  for (const name of ['usage_context', 'request_tags']) {
    const tags = mapOf(record.value(name));
    for (const tag of purposes) {
      const value = tags.peek(tag);
      if (typeof value === 'string' && value.length <= 128) return new Reader({ [tag]: value }).text(tag);
    }
  }
  return '';
}

/** A map, also as the JSON text that exports make of it; its names and values are the caller's, so nothing in it fails. */
function mapOf(value: Json | undefined): Reader {
  const map = typeof value === 'string' ? parseJson(value) : value;
  return new Reader(map !== undefined && isObject(map) ? map : {});
}

/** The model of the logged request, which is a text of any length and is not kept. */
function requestModel(record: Reader): string {
  const model = mapOf(record.value('request')).peek('model');
  return typeof model === 'string' && model.length <= 128 ? new Reader({ model }).text('model') : '';
}

function streamed(record: Reader): boolean | null {
  const type = record.value('response_content_type');
  return record.flag('request_streaming') ?? (type === 'text/event-stream' ? true : null);
}

/** How many destinations the gateway asked, where it lists them. */
function attempts(record: Reader): number | null {
  const list = mapOf(record.value('routing_information')).peek('attempts');
  return Array.isArray(list) && list.length > 0 && list.length < 1_000 ? list.length : null;
}

/** The inference table says of a body that was too large to be logged whole. */
function cut(record: Reader): boolean | null {
  const codes = record.value('logging_error_codes');
  const list = typeof codes === 'string' ? parseJson(codes) : codes;
  return Array.isArray(list) && list.some((code) => typeof code === 'string' && /SIZE_EXCEEDED/.test(code))
    ? true
    : null;
}

/** The share of calls that the inference table logs, in (0, 1]. */
function fraction(record: Reader): number | null {
  const value = record.value('sampling_fraction');
  if (value === undefined || value === null || value === '') return null;
  const share = typeof value === 'string' ? Number(value) : value;
  if (typeof share === 'number' && share > 0 && share <= 1) return share;
  record.fail('number_out_of_range', 'sampling_fraction is not above 0 and at most 1');
  return null;
}
