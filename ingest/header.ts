import { callingSpan } from './call_id.ts';
import { isObject, parseJson, Reader, type Json } from './reader.ts';

/**
 * Headers whose value names this one request: what a client, a Kong in front or a proxy called it, and what an Azure AI
 * service or a LiteLLM behind answered that its own log calls it. `kong-request-id` is how Kong's Correlation ID plugin
 * calls its header if not told otherwise.
 */
const idHeaders = [
  'x-ms-client-request-id',
  'x-kong-request-id',
  'kong-request-id',
  'x-request-id',
  'x-correlation-id',
  'apim-request-id',
  'x-litellm-call-id',
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

/**
 * The span of the client that made the request, by `traceparent`, or ''. A trace spans all calls of a conversation or an
 * agent's run, and linking by its id would make one call of them; a span of a client sends one request.
 */
export function requestSpan(headers: Reader): string {
  return callingSpan(headerText(headers, 'traceparent'));
}

/** Headers by which a policy hands on who called, where the caller has no subscription: docs/connect-apim.md. */
const callerHeaders = ['x-gatemeter-consumer', 'x-caller-oid'];

/**
 * The caller by a header that the gateway set for the back end, or ''. Only of what the back end was sent: what the
 * client sent is its own word.
 */
export function callerOf(asked: Reader): string {
  return callerHeaders.map((name) => headerText(asked, name)).find((id) => /^[\w.:@/+-]{1,128}$/.test(id)) ?? '';
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
