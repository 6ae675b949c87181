import { isObject, parseJson, Reader, type Json } from './reader.ts';

/**
 * Headers whose value names this one request: what a client, a Kong in front or a proxy called it, and what an Azure AI
 * service answered that its own log calls it. Not `traceparent`: a trace spans all calls of a conversation or an agent's
 * run, and linking by it would make one call of them.
 */
const idHeaders = [
  'x-ms-client-request-id',
  'x-kong-request-id',
  'x-request-id',
  'x-correlation-id',
  'apim-request-id',
];

const remainingHeaders = ['x-ratelimit-remaining-tokens', 'x-ms-ratelimit-remaining-tokens', 'remaining-tokens'];

/**
 * Logged headers: an object, or its JSON text, with names in any case and values as texts or lists of one. Whoever
 * called wrote them, so that whatever is wrong with them is no problem of the record: they say nothing then.
 */
export function headersOf(value: Json | undefined): Reader {
  const object = typeof value === 'string' ? parseJson(value) : value;
  return new Reader(object !== undefined && isObject(object) ? object : {});
}

/** The ids by which others know the request. */
export function requestIds(headers: Reader): string[] {
  return idHeaders.map((name) => headerText(headers, name)).filter((id) => id !== '');
}

/** Tokens that a limit leaves to the caller, or null. */
export function remainingTokens(headers: Reader): number | null {
  for (const name of remainingHeaders) {
    const text = headerText(headers, name);
    if (/^\d{1,15}$/.test(text)) return Number(text);
  }
  return null;
}

function headerText(headers: Reader, name: string): string {
  const value = headers.peek(name);
  const [first = null] = Array.isArray(value) ? value : [value];
  if (typeof first !== 'string' && typeof first !== 'number') return '';
  const text = String(first).trim();
  return text.length <= 128 ? text : '';
}
