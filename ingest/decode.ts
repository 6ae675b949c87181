import { openMessage, type Part } from './envelope.ts';
import type { Event, RejectReason } from './event.ts';
import type { Envelope, Format } from './format.ts';
import type { Message, Origin } from './message.ts';
import { isObject, Reader, type Json } from './reader.ts';
import { apimGateway } from './sources/apim_gateway.ts';
import { apimLlm } from './sources/apim_llm.ts';
import { apimPolicy } from './sources/apim_policy.ts';
import { apimPolicyMinimal } from './sources/apim_policy_minimal.ts';
import { databricksUsage } from './sources/databricks_usage.ts';

/** A record and the text it was read from, as far as it must be kept: only rejected records keep theirs. */
export type Decoded = { readonly event: Event; readonly rejectedText: string | Uint8Array };

/** Every format, the more telling ones first. */
const builtin: readonly Format[] = [apimGateway, apimLlm, apimPolicy, databricksUsage, apimPolicyMinimal];

/** Shapes of a message beside `records`, an array, one object or one object per line. */
const envelopes: readonly Envelope[] = [];

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * The records of a message, each decoded, dropped or rejected; at least one. `declared` are the formats of mapping
 * files, tried before the built-in ones. Never throws: whatever the bytes are, they have a row.
 */
export function decodeMessage(message: Message, declared: readonly Format[] = []): Decoded[] {
  if (message.body.length === 0) return [refused(message, 'empty', 'the message has no bytes')];
  let text: string;
  try {
    text = utf8.decode(message.body);
  } catch {
    return [refused(message, 'not_utf8', 'the bytes are not UTF-8')];
  }
  const opened = openMessage(text, envelopes);
  if (opened.kind === 'refused') return [refused(message, opened.reason, opened.detail)];
  if (opened.records.length === 0) {
    return [{ event: { kind: 'dropped', source: '', reason: 'no_records', call_id: '' }, rejectedText: '' }];
  }
  const choose = chooser(declared, message.source);
  return opened.records.map((part, record_index) => {
    const origin = { stream: message.stream, sequence_number: message.sequence_number, record_index };
    const event = decodePart(part, message.origins?.[record_index] ?? origin, choose);
    return { event, rejectedText: event.kind === 'rejected' ? textOf(part, message) : '' };
  });
}

/** A decoder that fails is a bug of ours, yet one record must not hold up all that follow it: it is kept and counted. */
function decodePart(part: Part, origin: Origin, choose: Chooser): Event {
  if ('broken' in part) return rejected('not_json', 'the line is not JSON');
  if (!isObject(part.value)) return rejected('not_an_object', 'a record is not an object');
  try {
    const record = new Reader(part.value);
    const format = choose(record);
    if (format !== null) return format.decode(record, origin);
    const category = record.peek('category');
    return typeof category === 'string'
      ? rejected('unknown_category', `category ${category.slice(0, 64)} has no decoder`)
      : rejected('unknown_format', `fields: ${Object.keys(part.value).slice(0, 8).join(', ').slice(0, 200)}`);
  } catch (error) {
    return rejected('decoder_failed', String(error).slice(0, 200));
  }
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
  return (record) => {
    const category = record.peek('category');
    const known = typeof category === 'string' ? byCategory.get(category.toLowerCase()) : undefined;
    return known ?? others.find((format) => format.recognises(record)) ?? null;
  };
}

/** What can be parsed cannot always be written: some nestings are too deep. Then the whole message is kept instead. */
function textOf(part: Part, message: Message): string | Uint8Array {
  if ('broken' in part) return part.broken;
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
