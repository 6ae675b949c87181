import { clientNetwork } from './network.ts';
import { isObject, parseJson, type Json, type JsonObject } from './reader.ts';
import {
  holdsText,
  isAddressName,
  isHeadersName,
  isResponseName,
  isSecretName,
  isTextName,
  maskSecrets,
} from './secret.ts';
import { responseBody } from './usage/stream.ts';

/** Deeper than any log record; what is below is not kept, so that no nesting overflows a stack. */
const depthMax = 64;

/** No id, model, region or error reason is longer; what is, is a text. */
const textCharactersMax = 256;

/** Where a value stands: in a record, in headers, or inside what people and models said. */
type Place = 'record' | 'headers' | 'text';

/**
 * A rejected record as it may be kept: what a later decoder needs (numbers, ids, times, names, usage objects, addresses
 * without their query strings) is there, and what people and models said, and keys, are not.
 */
export function redactJson(value: Json): Json {
  return redacted(value, '', 'record', 0);
}

function redacted(value: Json, name: string, place: Place, depth: number): Json {
  if (value === null || typeof value === 'boolean' || typeof value === 'number') return value;
  if (typeof value === 'string') return redactedText(value, name, place, depth);
  if (depth >= depthMax) return `[redacted: nested deeper than ${depthMax}]`;
  const within = placeInside(name, place);
  if (Array.isArray(value)) return value.map((item) => redacted(item, name, within, depth + 1));
  return within === 'headers' ? redactedHeaders(value) : redactedObject(value, within, depth);
}

/** Usage objects are needed for a replay, and have no texts. */
function placeInside(name: string, place: Place): Place {
  if (/^usage(?:_?metadata)?$/i.test(name)) return 'record';
  if (place === 'text' || holdsText(name) || isSecretName(name)) return 'text';
  return isHeadersName(name) ? 'headers' : place;
}

function redactedObject(object: JsonObject, place: Place, depth: number): JsonObject {
  const { columns, rows, ...rest } = object;
  if (Array.isArray(columns) && Array.isArray(rows)) {
    return {
      ...redactedObject(rest, place, depth),
      columns: redacted(columns, '', place, depth + 1),
      rows: redactedRows(columns, rows, place, depth),
    };
  }
  // Attributes of OpenTelemetry and headers of some gateways are pairs: the name stands beside the value.
  const pair = object['key'] ?? object['name'] ?? object['Name'];
  const called = typeof pair === 'string' && ('value' in object || 'Value' in object) ? pair : null;
  const entries = Object.entries(object).map(([name, value], index): [string, Json] => {
    const isName = called !== null && /^(?:key|name)$/i.test(name);
    if (isName) return [name, redactedName(called, index)];
    const ofPair = called !== null && /^value$/i.test(name);
    if (!ofPair) return [redactedName(name, index), redacted(value, name, place, depth + 1)];
    const inside = placeInside(called, place);
    return [name, redacted(value, called, inside === 'record' && !isTextName(called) ? place : 'text', depth + 1)];
  });
  return Object.fromEntries(entries);
}

/** The rows of a query's answer, whose names stand aside. */
function redactedRows(columns: readonly Json[], rows: readonly Json[], place: Place, depth: number): Json[] {
  const names = columns.map((column) => (isObject(column) && typeof column['name'] === 'string' ? column['name'] : ''));
  return rows.map((row) =>
    Array.isArray(row)
      ? row.map((cell, index) => redacted(cell, names[index] || 'text', place, depth + 1))
      : redacted(row, '', place, depth + 1),
  );
}

/** A name is one of a field, unless it is long or has blanks: then it is data. */
function redactedName(name: string, index: number): string {
  return /^[\w.$:@/-]{1,128}$/.test(name) ? maskSecrets(name) : `[redacted name ${index}]`;
}

/** Headers that say who a request is or how long it is, and nothing that opens a door. */
const safeHeaders =
  /^(?:[\w-]*(?:request|correlation|trace|activity|call)-?id|traceparent|content-(?:type|length)|retry-after|x-cache(?:-status)?|[\w-]*ratelimit-[\w-]*|[\w-]*remaining-tokens|azureml-model-deployment|x-gatemeter-consumer|x-caller-oid|anthropic-version|x-amzn-bedrock-[\w-]*)$/i;

/** `text/event-stream; charset=utf-8` tells a stream, and nothing of anybody. */
const mediaType = /^[\w.+-]{1,64}\/[\w.+-]{1,64}(?:;\s?charset=[\w-]{1,32})?$/;

function redactedHeaders(headers: JsonObject): JsonObject {
  const entries = Object.entries(headers);
  const kept = entries.flatMap(([name, value]): [string, Json][] => {
    const [first = null] = Array.isArray(value) ? value : [value];
    const isSafe =
      typeof first === 'number' || (typeof first === 'string' && (isIdLike(first) || mediaType.test(first)));
    return isSafe && safeHeaders.test(name) ? [[name, first]] : [];
  });
  const gone = entries.length - kept.length;
  return Object.fromEntries(gone === 0 ? kept : [...kept, [`[redacted ${gone} headers]`, '']]);
}

/** What bodies say of themselves, by the names of providers; everything else in them is somebody's. */
const facts =
  /^(?:id|object|model|role|type|finish_?reason|stop_?reason|service_?tier|system_?fingerprint|(?:response|request|correlation)_?id|model_?version|traffic_?type|modality|created(?:_?at)?)$/i;

function isIdLike(text: string): boolean {
  return /^[\w.:@/+;=-]{0,128}$/.test(text) && maskSecrets(text) === text;
}

/** `request:<guid>` begins a message that API Management's sample policy writes as text. */
function isUniqueId(text: string): boolean {
  return /^[\da-f]{8}-?(?:[\da-f]{4}-?){3}[\da-f]{12}$/i.test(text);
}

function redactedText(text: string, name: string, place: Place, depth: number): Json {
  // Counts and flags come as texts too, and are no secrets: `"prompt_token": "61"`.
  const isNumber = /^(?:-?\d{1,15}(?:\.\d{1,9})?|true|false)$/i.test(text);
  if (text === '' || (isNumber && place === 'record' && !holdsText(name))) return text;
  if (isSecretName(name)) return '[redacted]';
  if (isAddressName(name)) return clientNetwork(text);
  if (place === 'text') return facts.test(name) && /^[\w.:@/+-]{1,128}$/.test(text) ? maskSecrets(text) : gone(text);
  if (isTextName(name)) return isResponseName(name) ? responseText(text, depth) : gone(text);
  if (place === 'headers' || isHeadersName(name)) return headersText(text);
  return plainText(text, name, depth);
}

/** Headers that are written as the JSON text of an object. */
function headersText(text: string): string {
  const headers = parseJson(text);
  return headers !== undefined && isObject(headers) ? JSON.stringify(redactedHeaders(headers)) : gone(text);
}

/** A text of no telling name: JSON is read and written again, anything else is kept if it is short and no sentence. */
function plainText(text: string, name: string, depth: number): string {
  if (/^\s*[{[]/.test(text)) {
    const inner = parseJson(text);
    return inner === undefined ? gone(text) : JSON.stringify(redacted(inner, '', 'record', depth + 1));
  }
  const masked = maskSecrets(text);
  if (masked.length > textCharactersMax) return gone(text);
  const isSaid = name === '' ? text.search(words) >= 0 : sentence.test(text) && !naming.test(name);
  return isSaid ? gone(text) : masked;
}

/** Three words in a row, or four characters of a script without blanks: under a name that nobody knows, somebody's. */
const sentence =
  /(?<!\S)["'(¿¡]?\p{L}[\p{L}\p{M}\p{N}'’-]{0,40}[,;:]?(?:\s+\p{L}[\p{L}\p{M}\p{N}'’-]{0,40}[,;:.!?)"']{0,3}){2}(?!\S)|[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}\p{sc=Thai}]{4}/u;

/** Names of what may have as many words and is no text: `Azure OpenAI API version 2024-02-15`, `West Central US`. */
const naming =
  /(?:name|id|region|location|zone|alias|label|sku|tier|team|department|group|requester|consumer|application|product|service|user|tenant|time|timestamp|date)$/i;

/** Words of a text that is no JSON, two in a row at least, or letters beyond ASCII. */
const words =
  /(?<!\S)["'(]?\p{L}[\p{L}\p{N}'’-]{0,40}[,;.!?]?(?:[ \t]+[("']?\p{L}[\p{L}\p{N}'’-]{0,40}[,;:.!?)"'}\]]{0,4}(?!\S)){1,}|[\u0080-\uffff]{2,}/gu;

/** Of a logged response its usage, model and id are kept: without them no replay could count its call. */
function responseText(text: string, depth: number): string {
  const inner = depth < depthMax ? responseBody(text) : null;
  return inner === null ? gone(text) : JSON.stringify(redacted(inner, 'body', 'text', depth + 1));
}

function gone(text: string): string {
  return `[redacted ${text.length} characters]`;
}

/** Names whose short values are kept where a broken text no longer tells what is around them. */
const telling =
  /(?:id|time|timestamp|_at|model|region|location|category|status|version|schema|source|(?:model|deployment|operation|service|gateway)_?name)$/i;

/** Names of fields before a value, as JSON and JavaScript write them, also escaped inside another text. */
const quoted = /"([^"\\]*(?:\\[^][^"\\]*)*)("?)(\s{0,8}:)?/g;

/**
 * A text that is no JSON, as it may be kept: names of fields, numbers and ids stay; what is quoted, long, or behind an
 * empty line (the body of an HTTP message) does not.
 */
export function redactText(text: string): string {
  const blank = /\r?\n[ \t]*\r?\n/.exec(text);
  const head = blank === null ? text : text.slice(0, blank.index);
  const body = blank === null ? '' : `\n\n${gone(text.slice(blank.index))}`;
  let last = '';
  const lines = head
    .replaceAll(/^([\w-]{1,64}):[ \t]*([^\r\n"]*)$/gm, (line, name: string, value: string) =>
      safeHeaders.test(name) ||
      isUniqueId(value) ||
      (!isSecretName(name) && !isTextName(name) && value.length <= 64 && isIdLike(value))
        ? line
        : `${name}: ${gone(value)}`,
    )
    .replaceAll(quoted, (_whole, value: string, end: string, colon: string | undefined) => {
      if (colon !== undefined) {
        last = value;
        return `"${redactedName(value, 0)}"${colon}`;
      }
      const before = last;
      last = '';
      const isKept = end !== '' && telling.test(before) && !isTextName(before) && !isSecretName(before);
      return isKept && /^[\w.:@/+-]{0,64}$/.test(value) ? `"${maskSecrets(value)}"` : `"${gone(value)}${end}`;
    });
  const short = maskSecrets(lines).replaceAll(/[^\s"]{65,}|[^"\r\n]{65,}/g, (run) => gone(run));
  return short.replaceAll(words, (run) => gone(run)) + body;
}

/** Of a text that is no JSON no more than this is looked at: rows keep less. */
const brokenCharactersMax = 256 * 1024;

/** What is kept of a message or record that was rejected: as JSON where it is, each line for itself, else as text. */
export function redactKept(kept: string): string {
  const parsed = parseJson(kept);
  if (parsed !== undefined) return JSON.stringify(redactJson(parsed));
  const lines = kept.split('\n').map((line) => {
    const value = /^\s*[{[]/.test(line) ? parseJson(line) : undefined;
    return { line, record: value !== undefined && isObject(value) ? redactJson(value) : null };
  });
  // Lines of which none is a record are one text: what is quoted may go on in the next line.
  if (lines.every(({ record }) => record === null)) return redactText(kept.slice(0, brokenCharactersMax));
  return lines.map(({ line, record }) => (record === null ? redactText(line) : JSON.stringify(record))).join('\n');
}
