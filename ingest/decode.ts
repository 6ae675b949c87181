import { breaksOff, cutBytesMin, openAll, openMessage, recordsPerMessageMax, type Part } from './envelope.ts';
import type { Event, RejectReason } from './event.ts';
import type { Envelope, Format } from './format.ts';
import type { Message, Origin } from './message.ts';
import { isObject, Reader, type Json, type JsonObject } from './reader.ts';
import { fieldName } from './secret.ts';
import { aiHub } from './sources/ai_hub.ts';
import { apimGateway } from './sources/apim_gateway.ts';
import { apimHttpMessage } from './sources/apim_http_message.ts';
import { apimLlm } from './sources/apim_llm.ts';
import { apimMcp } from './sources/apim_mcp.ts';
import { apimPolicy } from './sources/apim_policy.ts';
import { apimPolicyChunks } from './sources/apim_policy_chunks.ts';
import { apimPolicyMinimal } from './sources/apim_policy_minimal.ts';
import { apimPolicyPublished } from './sources/apim_policy_published.ts';
import { apimWebsocket } from './sources/apim_websocket.ts';
import { azureMetric } from './sources/azure_metric.ts';
import { azureOpenaiAudit } from './sources/azure_openai_audit.ts';
import { azureOpenaiRequest } from './sources/azure_openai_request.ts';
import { azureOpenaiUsage } from './sources/azure_openai_usage.ts';
import { azuremlConsole } from './sources/azureml_console.ts';
import { azuremlEvent } from './sources/azureml_event.ts';
import { azuremlTraffic } from './sources/azureml_traffic.ts';
import { logAnalyticsGateway } from './sources/log_analytics_gateway.ts';
import { logAnalyticsLlm } from './sources/log_analytics_llm.ts';
import { moesif } from './sources/moesif.ts';
import { queryResponse } from './table_row.ts';
import { apipark } from './sources/apipark.ts';
import { kong } from './sources/kong.ts';
import { litellm } from './sources/litellm.ts';
import { otel } from './sources/otel.ts';
import { otlpSpans } from './sources/otlp.ts';
import { databricksUsage } from './sources/databricks_usage.ts';

/** A record and the text it was read from, as far as it must be kept: only rejected records keep theirs. */
export type Decoded = { readonly event: Event; readonly rejectedText: string | Uint8Array };

/** Every format, the more telling ones first. */
const builtin: readonly Format[] = [
  apimGateway,
  apimLlm,
  apimMcp,
  apimWebsocket,
  azureOpenaiRequest,
  azureOpenaiUsage,
  azureOpenaiAudit,
  azuremlTraffic,
  azuremlEvent,
  azuremlConsole,
  apimPolicy,
  otel,
  kong,
  apipark,
  litellm,
  logAnalyticsGateway,
  logAnalyticsLlm,
  azureMetric,
  databricksUsage,
  apimHttpMessage,
  moesif,
  apimPolicyChunks,
  aiHub,
  apimPolicyMinimal,
  apimPolicyPublished,
];

/** Shapes of a message beside `records`, an array, one object or one object per line. */
const envelopes: readonly Envelope[] = [queryResponse, otlpSpans];

const openingBrace = 0x7b;
const recordsPerPart = 1_000;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * The records of a message, each decoded, dropped or rejected; at least one. `declared` are the formats of mapping
 * files, tried before the built-in ones. Never throws: whatever the bytes are, they have a row.
 */
export function decodeMessage(message: Message, declared: readonly Format[] = []): Decoded[] {
  if (message.body.length === 0) return [refused(message, 'empty', 'the message has no bytes')];
  const text = textIn(message.body);
  if (text === null) return [refused(message, 'not_utf8', 'the bytes are not UTF-8')];
  const opened = openMessage(text, envelopes);
  if (opened.kind === 'refused') return [refused(message, opened.reason, opened.detail)];
  if (opened.records.length === 0) {
    return [{ event: { kind: 'dropped', source: '', reason: 'no_records', call_id: '' }, rejectedText: '' }];
  }
  const { stream, sequence_number } = message;
  const place = message.origin ?? { stream, sequence_number, record_index: 0 };
  const choose = chooser(declared, message.source);
  return opened.records.map((part, record_index) => {
    const origin = { ...place, record_index: place.record_index + record_index };
    const event = decodePart(part, origin, choose);
    return { event, rejectedText: event.kind === 'rejected' ? textOf(part, message) : '' };
  });
}

/**
 * A text as one text for each record in it; itself where it is one record, none, or not understood, and where it has
 * more spans than are looked at in one message: it is refused as a whole then.
 */
export function recordTexts(text: string): readonly string[] {
  const opened = openAll(text, envelopes);
  if (opened.kind === 'refused' || opened.records.length <= 1) return [text];
  if (opened.records.length > recordsPerMessageMax && /"resourceSpans"/i.test(text)) return [text];
  try {
    return opened.records.map((part) => ('broken' in part ? part.broken : JSON.stringify(part.value)));
  } catch {
    // Some nestings can be parsed and not written.
    return [text];
  }
}

/** A part of a body, and how many records stand before it there. */
type BodyPart = { readonly body: Uint8Array; readonly from: number };

/** Bodies of few enough records each that together say what this one does; itself where it has few enough. */
export function messagesOf(body: Uint8Array): readonly BodyPart[] {
  // Each record is an object, so that most bodies need no second reading.
  let objects = 0;
  for (let at = body.indexOf(openingBrace); at >= 0; at = body.indexOf(openingBrace, at + 1)) objects += 1;
  const text = objects > recordsPerMessageMax ? textIn(body) : null;
  const texts = text === null ? [] : recordTexts(text);
  if (texts.length <= recordsPerMessageMax) return [{ body, from: 0 }];
  const parts: BodyPart[] = [];
  for (let from = 0; from < texts.length; from += recordsPerPart)
    parts.push({ body: Buffer.from(texts.slice(from, from + recordsPerPart).join('\n')), from });
  return parts;
}

/** The text of UTF-8 bytes, or null; a policy cuts between bytes, so that a long text may end within a character. */
function textIn(body: Uint8Array): string | null {
  const ends = body.length < cutBytesMin ? [0] : [0, 1, 2, 3];
  for (const cut of ends) {
    try {
      return utf8.decode(body.subarray(0, body.length - cut));
    } catch {
      // The next shorter text may be whole; if none is, the bytes are of another encoding.
    }
  }
  return null;
}

/** A decoder that fails is a bug of ours, yet one record must not hold up all that follow it: it is kept and counted. */
function decodePart(part: Part, origin: Origin, choose: Chooser): Event {
  if ('broken' in part) return rejected('not_json', 'the line is not JSON');
  if (!isObject(part.value)) return rejected('not_an_object', 'a record is not an object');
  try {
    const record = new Reader(part.value);
    const format = choose(record);
    if (part.cut !== undefined) return decodeCut(part.cut, format?.decode(record, origin));
    if (format !== null) return format.decode(record, origin);
    const category = categoryOf(record);
    return category !== null
      ? rejected('unknown_category', `category ${fieldName(category.slice(0, 64))} has no decoder`)
      : rejected('unknown_format', `fields: ${fieldNames(part.value)}`);
  } catch (error) {
    return rejected('decoder_failed', String(error).slice(0, 200));
  }
}

/**
 * What stood behind the cut of a message is unknown: so are counts that were to be complete. A record that is not
 * understood without it is kept whole.
 */
function decodeCut(text: string, event: Event | undefined): Event {
  if (event === undefined || event.kind === 'rejected')
    return { kind: 'rejected', source: event?.source ?? '', reason: 'truncated', detail: breaksOff(text) };
  if (event.kind === 'dropped') return event;
  const { usage_quality } = event.fields;
  const quality = usage_quality === 'exact' ? 'partial' : usage_quality;
  return { ...event, fields: { ...event.fields, truncated: true, usage_quality: quality } };
}

function fieldNames(object: JsonObject): string {
  const names = Object.keys(object).slice(0, 8);
  return names
    .map((name) => fieldName(name.slice(0, 64)))
    .join(', ')
    .slice(0, 200);
}

/** Azure Monitor's `category`, or `type`, by which a few services name it; any other value is none. */
function categoryOf(record: Reader): string | null {
  const category = record.peek('category') ?? record.peek('type');
  return typeof category === 'string' ? category : null;
}

type Chooser = (record: Reader) => Format | null;

/** The choice among all formats, or among those of the source that the way in names. */
function chooser(declared: readonly Format[], source: string | undefined): Chooser {
  if (source === undefined && declared.length === 0) return chooseBuiltin;
  const formats = [...declared, ...builtin];
  return chooserOf(source === undefined ? formats : formats.filter((format) => isOf(format, source)));
}

function isOf(format: Format, source: string): boolean {
  return format.source === source || format.source.startsWith(`${source}_`);
}

/** Whether a way in may name this source. */
export function isSource(source: string, declared: readonly Format[]): boolean {
  return [...declared, ...builtin].some((format) => isOf(format, source));
}

const chooseBuiltin = chooserOf(builtin);

function chooserOf(formats: readonly Format[]): Chooser {
  const byCategory = new Map(formats.flatMap((format) => ('category' in format ? [[format.category, format]] : [])));
  const others = formats.flatMap((format) => ('recognises' in format ? [format] : []));
  const mapped = others.filter((format) => format.source.startsWith('generic_'));
  return (record) => {
    // Whoever writes a mapping for records of a known category means it.
    const declared = mapped.find((format) => format.recognises(record));
    if (declared !== undefined) return declared;
    const known = byCategory.get(categoryOf(record)?.toLowerCase() ?? '');
    // Rows of Log Analytics have the category too, and their own column names instead of properties.
    if (known !== undefined && record.has('properties')) return known;
    return others.find((format) => format.recognises(record)) ?? known ?? null;
  };
}

/** What can be parsed cannot always be written: some nestings are too deep. Then the whole message is kept instead. */
function textOf(part: Part, message: Message): string | Uint8Array {
  if ('broken' in part) return part.broken;
  if (part.cut !== undefined) return part.cut;
  try {
    return JSON.stringify(part.value satisfies Json);
  } catch {
    return message.body;
  }
}

function rejected(reason: RejectReason, detail: string): Event {
  return { kind: 'rejected', source: '', reason, detail };
}

function refused(message: Message, reason: RejectReason, detail: string): Decoded {
  return { event: rejected(reason, detail), rejectedText: message.body };
}
