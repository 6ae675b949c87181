import type { RejectReason } from './event.ts';
import type { Envelope } from './format.ts';
import { httpMessageRecord } from './http_message.ts';
import { isObject, parseJson, type Json } from './reader.ts';

/** A message's records, or the reason why it has none that can be told apart. */
export type Opened =
  | { readonly kind: 'records'; readonly records: readonly Part[] }
  | { readonly kind: 'refused'; readonly reason: RejectReason; readonly detail: string };

/**
 * One record; a line that is not JSON is kept as it stands beside those that are. `cut` is the text of a message that
 * breaks off, of which `value` has the members before the cut.
 */
export type Part = { readonly value: Json; readonly cut?: string } | { readonly broken: string };

/** A message with more records than this is refused whole: a batch must stay one block of the database. */
export const recordsPerMessageMax = 10_000;

/** API Management cuts policy events at 200 KB; whether of 1,000 or 1,024 bytes is not documented. */
export const cutBytesMin = 199_000;

/**
 * Azure sends `{"records": […]}`, policies a bare object, log shippers a bare array or one object per line, the sample
 * policy of the documentation an HTTP message as text. `envelopes` know the other shapes.
 */
export function openMessage(text: string, envelopes: readonly Envelope[]): Opened {
  const opened = openAll(text, envelopes);
  return opened.kind === 'records' ? bounded(opened.records) : opened;
}

/** The same without the bound. */
export function openAll(text: string, envelopes: readonly Envelope[]): Opened {
  const parsed = parseJson(text);
  if (parsed !== undefined)
    return { kind: 'records', records: recordsOf(parsed, envelopes).map((value) => ({ value })) };
  const message = httpMessageRecord(text);
  if (message !== null) return { kind: 'records', records: [{ value: message }] };
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  if (lines.length > 1 && areListed(text, lines)) {
    const parts = lines.flatMap((line): Part[] => {
      const value = parseJson(line);
      return value === undefined
        ? [{ broken: line }]
        : recordsOf(value, envelopes).map((record) => ({ value: record }));
    });
    // A document that is merely broken over lines has no line that is a record.
    if (parts.some((part) => 'value' in part && isObject(part.value))) return { kind: 'records', records: parts };
  }
  if (/^\s*[{[]/.test(text) && new TextEncoder().encode(text).length >= cutBytesMin) {
    const value = beforeCut(text);
    if (value !== null) return { kind: 'records', records: [{ value, cut: text }] };
    return { kind: 'refused', reason: 'truncated', detail: breaksOff(text) };
  }
  return { kind: 'refused', reason: 'not_json', detail: 'the text is not JSON' };
}

/** The first line may be what is left of one that was cut; yet a single line of JSON may stand in any text. */
function areListed(text: string, lines: readonly string[]): boolean {
  const opening = /^\s*[{[]/;
  return opening.test(text) || lines.filter((line) => opening.test(line)).length * 2 >= lines.length;
}

export function breaksOff(text: string): string {
  return `the JSON breaks off after ${text.length} characters`;
}

/**
 * The members of an object whose text breaks off, as far as they are whole: up to the last comma between two members,
 * because a number before the cut may lack its last digits. Null if there are none.
 */
function beforeCut(text: string): Json {
  let depth = 0;
  let quoted = false;
  let comma = -1;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (quoted) {
      if (character === '\\') at += 1;
      else if (character === '"') quoted = false;
    } else if (character === '"') quoted = true;
    else if (character === '{' || character === '[') depth += 1;
    else if (character === '}' || character === ']') depth -= 1;
    else if (character === ',' && depth === 1) comma = at;
  }
  const value = comma === -1 ? undefined : parseJson(`${text.slice(0, comma)}}`);
  return value !== undefined && isObject(value) ? value : null;
}

function recordsOf(parsed: Json, envelopes: readonly Envelope[]): readonly Json[] {
  // Stream Analytics hands on what it read as an array of messages, each with its records.
  if (Array.isArray(parsed)) return parsed.some(listed) ? parsed.flatMap((one) => listed(one) ?? [one]) : parsed;
  if (!isObject(parsed)) return [parsed];
  const records = listed(parsed);
  if (records !== null) return records;
  for (const envelope of envelopes) {
    const inside = envelope(parsed);
    if (inside !== null) return inside;
  }
  return [parsed];
}

function listed(value: Json): Json[] | null {
  if (!isObject(value)) return null;
  // Without a Reader, which costs as much as decoding: every record of a bare array comes by here.
  for (const name of Object.keys(value)) {
    if (name.length !== 7 || name.toLowerCase() !== 'records') continue;
    const records = value[name] ?? null;
    if (records !== null) return Array.isArray(records) ? records : null;
  }
  return null;
}

function bounded(records: readonly Part[]): Opened {
  if (records.length <= recordsPerMessageMax) return { kind: 'records', records };
  const detail = `${records.length} records, more than ${recordsPerMessageMax}`;
  return { kind: 'refused', reason: 'too_many_records', detail };
}
