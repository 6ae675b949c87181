import { callId, linkedIds } from './call_id.ts';
import { attemptsMax, noFields, type Event, type Fields } from './event.ts';
import type { Format } from './format.ts';
import { parsePath, peekAt, valueAt, type Path } from './mapping_path.ts';
import { columns, mappingSchema, type Counts, type Mapping } from './mapping_schema.ts';
import { columnValue, countValue, textValue, urlValue } from './mapping_value.ts';
import type { Origin } from './message.ts';
import { address, providerOfModel } from './provider.ts';
import { isObject, parseJson, Reader, type Json } from './reader.ts';
import { sum, uncounted, without, type Counted } from './usage/counts.ts';
import { recogniseUsage } from './usage/recognise.ts';
import { recogniseResponse, type ResponseFacts } from './usage/response.ts';

/** A mapping as a format like any other, or everything that is wrong with it. */
export type ReadMapping =
  | { readonly kind: 'format'; readonly format: Format }
  | { readonly kind: 'problems'; readonly problems: readonly string[] };

/**
 * Reads the JSON of a mapping file, by which records of a gateway that this program does not know are decoded without
 * code. Each problem names its place in the file, what is wrong and what to write instead.
 */
export function readMapping(json: unknown): ReadMapping {
  const read = mappingSchema.safeParse(json);
  if (read.success) return { kind: 'format', format: formatOf(read.data) };
  const problems = read.error.issues.map((issue) => {
    const place = placeOf(issue.path, json);
    if (issue.code !== 'unrecognized_keys') return `${place} ${issue.message}`;
    return `${place} has the unknown name ${issue.keys.join(', ')}; correct or remove it`;
  });
  return { kind: 'problems', problems: [...new Set(problems)] };
}

/** The place as it stands in the file: a single value is no list there, and a path no object, although they are read so. */
function placeOf(path: readonly PropertyKey[], json: unknown): string {
  let at = json;
  let place = '';
  for (const step of path) {
    const isMember = typeof step === 'number';
    if ((isMember && !Array.isArray(at)) || typeof at === 'string') continue;
    place += isMember ? `[${step}]` : `${place === '' ? '' : '.'}${String(step)}`;
    at = typeof at === 'object' && at !== null ? (at as Record<PropertyKey, unknown>)[step] : undefined;
  }
  return place === '' ? 'the file' : place;
}

function formatOf(mapping: Mapping): Format {
  const constants = Object.entries(mapping.recognise.constants).map(([text, value]): [Path, Json] => [
    parsePath(text) ?? [],
    value,
  ]);
  const present = mapping.recognise.present.map(({ path }) => path);
  const ignored = new Set(mapping.ignore.map((name) => name.toLowerCase()));
  // A name that only tells the format apart is known.
  for (const [first] of [...constants.map(([path]) => path), ...present]) ignored.add(String(first).toLowerCase());
  return {
    source: `generic_${mapping.name}`,
    recognises: (record) =>
      constants.every(([path, value]) => peekAt(record, path) === value) &&
      present.every((path) => (peekAt(record, path) ?? null) !== null),
    decode: (record, origin) => decode(mapping, ignored, record, origin),
  };
}

function decode(mapping: Mapping, ignored: ReadonlySet<string>, record: Reader, origin: Origin): Event {
  const source = `generic_${mapping.name}`;
  const gateway = textValue(record, mapping.gateway).toLowerCase();
  const id = mapping.id === undefined ? '' : textValue(record, mapping.id);
  if (mapping.id !== undefined && id === '')
    record.fail('missing_correlation_id', `${mapping.id.map((one) => one.path?.text).join(', ')} is missing`);
  // A record without an identity has its place in the stream: delivered twice it is two calls.
  const call_id = id === '' ? `${origin.stream}/${origin.sequence_number}/${origin.record_index}` : callId(gateway, id);
  const read = Object.entries(mapping.fields).map(([name, sources]) => [
    name,
    columnValue(record, name, columns.get(name) ?? 'text', sources),
  ]);
  const given = Object.fromEntries(read) as Partial<Fields>;
  if ((given.attempts ?? 0) > attemptsMax) record.fail('number_out_of_range', `attempts are above ${attemptsMax}`);
  const { usage, response } = tokens(mapping, record, given.provider_name ?? '');
  const fields: Fields = {
    ...noFields,
    ...derived(mapping, record),
    ...stated({ response_model: response?.response_model ?? '', response_id: response?.response_id ?? '' }),
    ...stated({ service_tier: usage?.service_tier ?? '' }),
    ...stated(given),
    ...kinds(usage),
    call_id,
    gateway,
    linked_ids: linkedIds(
      call_id,
      mapping.linked_ids.map(({ path }) => idAt(record, path)),
    ),
  };
  const status = fields.http_response_status_code;
  const error_type = fields.error_type || (status !== null && status >= 400 ? String(status) : '');
  const provider_name = fields.provider_name || providerOfModel(fields.request_model || fields.response_model);
  if (record.problem) return { kind: 'rejected', source, ...record.problem };
  return {
    kind: mapping.kind,
    source,
    fields: { ...fields, error_type, provider_name },
    unknown_fields: record.unknown(ignored),
  };
}

/** What says something; the rest leaves what an address or a response said. */
function stated(fields: Partial<Fields>): Partial<Fields> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== '' && value !== null));
}

/** What the addresses of the gateway and of its backend say. */
function derived(mapping: Mapping, record: Reader): Partial<Fields> {
  const front = address(mapping.url === undefined ? '' : urlValue(record, mapping.url));
  const back = address(mapping.backend_url === undefined ? '' : urlValue(record, mapping.backend_url));
  return {
    provider_name: back.provider_name,
    operation_name: front.operation_name || back.operation_name,
    request_model: back.request_model || front.request_model,
    deployment: back.deployment || front.deployment || back.service,
    backend: back.host === 'unknown' ? '' : back.host,
  };
}

/** A caller wrote some of these ids, so that one which is none is no fault of the record. */
function idAt(record: Reader, path: Path): string {
  const value = valueAt(record, path);
  return typeof value === 'string' && value.length <= 128 ? value.trim() : '';
}

/** The columns of tokens alone; none where the mapping is not about usage. */
function kinds(usage: Counted | null): Partial<Fields> {
  if (usage === null) return {};
  const { service_tier: _tier, ...counts } = usage;
  return counts;
}

type Tokens = { readonly usage: Counted | null; readonly response: ResponseFacts | null };

function tokens({ usage }: Mapping, record: Reader, provider_name: string): Tokens {
  if (usage === undefined) return { usage: null, response: null };
  const provider = usage.provider ?? provider_name;
  if (usage.response !== undefined) {
    const response = recogniseResponse(valueAt(record, usage.response.path), record, provider);
    return { usage: asGood(response.usage, usage.quality), response };
  }
  if (usage.counts !== undefined) return { usage: counted(usage, usage.counts, record), response: null };
  const value = usage.path === undefined ? undefined : valueAt(record, usage.path.path);
  const object = typeof value === 'string' ? parseJson(value) : value;
  if (object === undefined || !isObject(object)) {
    if (value !== undefined && value !== null && value !== '')
      record.fail('wrong_type', `${usage.path?.text} is not an object`);
    return { usage: uncounted, response: null };
  }
  const reader = new Reader(object);
  const read = recogniseUsage(reader, provider);
  if (reader.problem) record.fail(reader.problem.reason, reader.problem.detail);
  return { usage: asGood(read, usage.quality), response: null };
}

/** A mapping may say that its gateway's counts are worse than the provider's; it cannot make them better. */
function asGood(usage: Counted, quality: 'exact' | 'estimated' | 'partial' | undefined): Counted {
  return usage.usage_quality === 'exact' && quality !== undefined ? { ...usage, usage_quality: quality } : usage;
}

/** Single counts, made disjoint by what the mapping says of them. */
function counted(usage: NonNullable<Mapping['usage']>, paths: Counts, record: Reader): Counted {
  const at = (name: keyof Counts): number | null => countValue(record, paths[name]);
  const [input, output] = [at('input'), at('output')];
  const [read, minutes, hour] = [at('cache_read_input'), at('cache_creation_5m_input'), at('cache_creation_1h_input')];
  const [audioIn, reasoning, audioOut] = [at('audio_input'), at('reasoning_output'), at('audio_output')];
  if (input === null && output === null) return uncounted;
  const caches = usage.input_includes_cached === true ? sum([read, minutes, hour]) : 0;
  const heard = usage.input_includes_audio === true ? audioIn : 0;
  const thought = usage.output_includes_reasoning === true ? reasoning : 0;
  const spoken = usage.output_includes_audio === true ? audioOut : 0;
  return {
    usage_input_tokens: without(record, 'input', input, [caches, heard]),
    usage_cache_read_input_tokens: read,
    usage_cache_creation_5m_input_tokens: minutes,
    usage_cache_creation_1h_input_tokens: hour,
    usage_audio_input_tokens: audioIn,
    usage_output_tokens: without(record, 'output', output, [thought, spoken]),
    usage_reasoning_output_tokens: reasoning,
    usage_audio_output_tokens: audioOut,
    usage_total_tokens: at('total'),
    usage_quality: input === null ? 'partial' : (usage.quality ?? 'exact'),
    service_tier: '',
  };
}
