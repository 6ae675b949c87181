import { callId, linkedIds, spanId } from '../call_id.ts';
import { epochMs } from '../instant.ts';
import { noFields, noUsage, type Event, type Fields, type Usage } from '../event.ts';
import type { Format } from '../format.ts';
import type { Origin } from '../message.ts';
import { isObject, Reader, wireInstant } from '../reader.ts';
import { providerName } from '../provider_alias.ts';
import { regionName } from './azure_resource.ts';
import { asksModel, attributesOf, otlpRecord } from './otlp.ts';

export const otel: Format = {
  source: 'otel',
  recognises: (record) => record.has(otlpRecord) || isBareSpan(record),
  decode,
};

/** A span outside an export request, its attributes an object, as log shippers write it. */
function isBareSpan(record: Reader): boolean {
  const attributes = record.peek('attributes');
  return isObject(attributes) && Object.keys(attributes).some((name) => /^gen_ai\./i.test(name));
}

/**
 * A span of OpenTelemetry's GenAI conventions, by the names of v1.41.1 and by those before (`gen_ai.system`,
 * `prompt_tokens`). A call is the span that asks a model: agents, tools and workflows contain such spans and may repeat
 * their tokens, so they are dropped, and so is the outer one of two layers that report the same call. A trace has many
 * calls: the span's id with the trace's names one. The service that made the span is who called.
 * Source: open-telemetry/semantic-conventions v1.41.1 docs/registry/attributes/gen-ai.md.
 */
function decode(record: Reader, origin: Origin): Event {
  const span = record.has(otlpRecord) ? record.object(otlpRecord) : record;
  if (span === null) return { kind: 'rejected', source: 'otel', reason: 'wrong_type', detail: 'the span is no object' };
  const attributes = attributesOf(span, 'attributes');
  const around = record !== span && record.value('around_call') === true;
  if (around || !asksModel(attributes)) return { kind: 'dropped', source: 'otel', reason: 'not_a_call', call_id: '' };
  const holder = record.value('resource');
  const resource = attributesOf(new Reader(isObject(holder) ? holder : {}), 'attributes');
  const started = epochMs(span, 'startTimeUnixNano', 'ns');
  const ended = epochMs(span, 'endTimeUnixNano', 'ns');
  if (started === null && record !== span) span.fail('missing_time', 'startTimeUnixNano is missing');
  if (started !== null && ended !== null && ended < started)
    span.fail('negative_number', 'the span ends before it starts');
  const trace = span.text('traceId');
  const own = span.text('spanId');
  const call_id =
    trace === '' || own === ''
      ? `${origin.stream}/${origin.sequence_number}/${origin.record_index}`
      : callId('otel', spanId(trace, own));
  const fields: Fields = {
    ...noFields,
    ...usageOf(attributes),
    ...described(attributes),
    call_id,
    linked_ids: linkedIds(call_id, requestSpans(record, trace)),
    gateway: 'otel',
    started_at: started === null ? null : wireInstant(started),
    consumer_id: resource.text('service.name'),
    region: regionName(resource.text('cloud.region')),
    error_type: attributes.text('error.type') || (failed(span) ? 'error' : ''),
    duration_ms: started === null || ended === null ? null : Math.min(ended - started, 0xffff_ffff),
  };
  for (const part of [attributes, resource, span])
    if (part.problem) record.fail(part.problem.reason, part.problem.detail);
  if (record.problem) return { kind: 'rejected', source: 'otel', ...record.problem };
  const unknown = attributes.unknown(ignored).filter((name) => /^gen_ai\./i.test(name));
  return { kind: 'call', source: 'otel', fields, unknown_fields: unknown };
}

/** Messages, parameters and what is read under a newer name. */
const ignored = new Set(
  (
    'gen_ai.input.messages gen_ai.output.messages gen_ai.system_instructions gen_ai.tool.definitions gen_ai.prompt ' +
    'gen_ai.completion gen_ai.output.type gen_ai.response.finish_reasons gen_ai.conversation.id gen_ai.token.type ' +
    'gen_ai.request.max_tokens gen_ai.request.temperature gen_ai.request.top_p gen_ai.request.top_k gen_ai.request.seed ' +
    'gen_ai.request.choice.count gen_ai.request.stop_sequences gen_ai.request.frequency_penalty ' +
    'gen_ai.request.presence_penalty gen_ai.request.encoding_formats gen_ai.embeddings.dimension.count gen_ai.system ' +
    'gen_ai.agent.id gen_ai.agent.name gen_ai.agent.description gen_ai.agent.version gen_ai.usage.prompt_tokens ' +
    'gen_ai.usage.completion_tokens gen_ai.openai.request.service_tier gen_ai.openai.response.service_tier'
  ).split(' '),
);

function described(attributes: Reader): Partial<Fields> {
  const tier =
    attributes.text('openai.response.service_tier') || attributes.text('gen_ai.openai.response.service_tier');
  return {
    operation_name: attributes.text('gen_ai.operation.name').toLowerCase(),
    provider_name: providerName(attributes.text('gen_ai.provider.name') || attributes.text('gen_ai.system')),
    request_model: attributes.text('gen_ai.request.model'),
    response_model: attributes.text('gen_ai.response.model'),
    response_id: attributes.text('gen_ai.response.id'),
    service_tier: tier === 'auto' ? '' : tier,
    backend: attributes.text('server.address').toLowerCase(),
    user_id: attributes.text('enduser.id') || attributes.text('user.id'),
    request_stream: attributes.flag('gen_ai.request.stream'),
    http_response_status_code: attributes.status('http.response.status_code'),
    time_to_first_token_ms: firstTokenMs(attributes),
  };
}

/** `gen_ai.response.time_to_first_chunk` is in seconds, with a fraction. */
function firstTokenMs(attributes: Reader): number | null {
  const value = attributes.value('gen_ai.response.time_to_first_chunk');
  if (value === undefined || value === null) return null;
  const seconds = typeof value === 'string' && /^\d+(\.\d+)?$/.test(value) ? Number(value) : value;
  if (typeof seconds !== 'number' || !Number.isFinite(seconds) || seconds < 0) {
    attributes.fail('wrong_type', 'gen_ai.response.time_to_first_chunk is no time in seconds');
    return null;
  }
  return Math.min(Math.round(seconds * 1000), 0xffff_ffff);
}

/**
 * Cached and reasoning tokens are inside input and output. Instrumentations that hand on Anthropic's counts as they are
 * have more cached tokens than input: then they are outside, and what else is is not known.
 */
function usageOf(attributes: Reader): Usage {
  const count = (name: string): number | null => attributes.count(`gen_ai.usage.${name}`);
  const input = count('input_tokens') ?? count('prompt_tokens');
  const output = count('output_tokens') ?? count('completion_tokens');
  const read = count('cache_read.input_tokens') ?? count('cache_read_input_tokens');
  const written = count('cache_creation.input_tokens') ?? count('cache_creation_input_tokens');
  const reasoning = count('reasoning.output_tokens');
  const total = count('total_tokens') ?? attributes.count('llm.usage.total_tokens');
  if (input === null && output === null) return { ...noUsage, usage_quality: 'missing' };
  const inside = (read ?? 0) + (written ?? 0);
  const outside = inside > (input ?? 0);
  if ((reasoning ?? 0) > (output ?? 0)) {
    attributes.fail('number_out_of_range', 'reasoning tokens are more than output tokens');
    return noUsage;
  }
  const embeddings = attributes.text('gen_ai.operation.name').toLowerCase() === 'embeddings';
  return {
    ...noUsage,
    usage_input_tokens: input === null || outside ? input : input - inside,
    usage_cache_read_input_tokens: read,
    usage_cache_creation_5m_input_tokens: written,
    usage_output_tokens: output === null ? null : output - (reasoning ?? 0),
    usage_reasoning_output_tokens: reasoning,
    usage_total_tokens: total,
    usage_quality: outside || input === null || (output === null && !embeddings) ? 'partial' : 'exact',
  };
}

/** Ids of the spans below that sent the request: a gateway has them from `traceparent`. */
function requestSpans(record: Reader, trace: string): string[] {
  const requests = record.value('requests');
  if (!Array.isArray(requests) || trace === '') return [];
  return requests.flatMap((span) => (typeof span === 'string' ? [spanId(trace, span)] : []));
}

/** `STATUS_CODE_ERROR`, by its number or its name. */
function failed(span: Reader): boolean {
  const status = span.value('status');
  const code = isObject(status) ? new Reader(status).value('code') : null;
  return code === 2 || code === '2' || code === 'STATUS_CODE_ERROR';
}
