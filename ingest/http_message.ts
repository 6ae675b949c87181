import { isObject, parseJson, type Json, type JsonObject } from './reader.ts';

/** Headers by which systems name one request; the values of all others are never read. */
const idHeaders = new Set(['x-ms-client-request-id', 'x-kong-request-id', 'x-request-id', 'apim-request-id']);

/**
 * The text that the sample policy of Microsoft's documentation logs: `request:<guid>` or `response:<guid>`, a line break
 * and the HTTP message. Gives a record of what names and measures the call, or null if the text is none; of the headers
 * only ids, of the body only the provider's model, id and usage object, so that nothing else can be stored, not even
 * with a rejected record.
 * Source: MicrosoftDocs/azure-docs, api-management-log-to-eventhub-sample.md.
 */
export function httpMessageRecord(text: string): JsonObject | null {
  const first = /^\uFEFF?\s*(request|response):([^\s]{1,128})\r?\n/i.exec(text);
  if (first === null) return null;
  const [whole, side = '', id = ''] = first;
  const message = text.slice(whole.length);
  const blank = /\r?\n\r?\n/.exec(message);
  const head = (blank === null ? message : message.slice(0, blank.index)).split(/\r?\n/);
  const body = blank === null ? '' : message.slice(blank.index + blank[0].length);
  const line = startLine(head[0] ?? '');
  // Any text may begin with such a word; one of these has the policy's GUID or is HTTP.
  if (Object.keys(line).length === 0 && !/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(id)) return null;
  return {
    http_message: side.toLowerCase(),
    message_id: id,
    ...line,
    headers: ids(head.slice(1)),
    ...answer(body),
  };
}

function startLine(line: string): JsonObject {
  const status = /^HTTP\/[\d.]+\s+(\d{3})(?:\s|$)/i.exec(line)?.[1];
  if (status !== undefined) return { status };
  const [, method, url] = /^([A-Z]{1,16})\s+([^\s?#]{1,2048})\S*\s+HTTP\/[\d.]+$/.exec(line) ?? [];
  return method === undefined || url === undefined ? {} : { method, url };
}

function ids(lines: readonly string[]): JsonObject {
  const pairs = lines.flatMap((line) => {
    const [, name = '', value = ''] = /^([^:\s]{1,64}):\s*(\S{1,128})\s*$/.exec(line) ?? [];
    return idHeaders.has(name.toLowerCase()) ? [[name.toLowerCase(), value] as const] : [];
  });
  return Object.fromEntries(pairs);
}

/** What a provider's answer, or a request, says about itself beside its messages; streams are not read. */
export function answer(body: string): JsonObject {
  const parsed = body.trimStart().startsWith('{') ? parseJson(body) : undefined;
  if (parsed === undefined || !isObject(parsed)) return {};
  const { model, id, usage } = parsed;
  return {
    ...(isName(model) ? { model } : {}),
    ...(isName(id) ? { id } : {}),
    ...(usage !== undefined && isObject(usage) ? { usage: numbersOf(usage) } : {}),
  };
}

/** A body is the caller's or the model's: what is no short name in it is no name. */
function isName(value: Json | undefined): value is string {
  return typeof value === 'string' && /^[\w.:/@-]{1,128}$/.test(value);
}

/** A usage object is numbers in objects; whatever else stands in it is not ours to keep. */
function numbersOf(object: JsonObject): JsonObject {
  const kept: JsonObject = {};
  for (const [name, value] of Object.entries(object)) {
    if (typeof value === 'number') kept[name] = value;
    else if (isObject(value))
      kept[name] = Object.fromEntries(Object.entries(value).filter(([, count]) => typeof count === 'number'));
  }
  return kept;
}
