import { callingSpan } from '../call_id.ts';
import type { Fields } from '../event.ts';
import type { Reader } from '../reader.ts';

/** A header's value, the first of several; '' where it is absent. Clients write headers, so none is ever wrong. */
export function header(headers: Reader, name: string): string {
  const value = headers.value(name);
  const first = Array.isArray(value) ? value[0] : value;
  if (typeof first !== 'string' && typeof first !== 'number') return '';
  const text = String(first).trim();
  return text.length <= 256 ? text : '';
}

/** Request headers in which a client, or a gateway in front, names this one call. */
const requestIds = [
  'x-ms-client-request-id',
  'x-request-id',
  'x-correlation-id',
  'kong-request-id',
  'x-kong-request-id',
];

/** Response headers in which what answered names it: Azure's services and gateways, LiteLLM, another Kong. */
const responseIds = ['x-request-id', 'x-ms-request-id', 'apim-request-id', 'x-litellm-call-id', 'x-kong-request-id'];

/** The ids that a request brought along, as they stand there. */
export function askedIds(request: Reader): string[] {
  return [...requestIds.map((name) => header(request, name)), callingSpan(header(request, 'traceparent'))];
}

/** The ids that the answer came with. */
export function answeredIds(response: Reader): string[] {
  return responseIds.map((name) => header(response, name));
}

/** Whether the answer was a stream, by its type; null where no type is logged. */
export function streamedBy(response: Reader): boolean | null {
  const type = header(response, 'content-type').toLowerCase();
  if (type === '') return null;
  return type.startsWith('text/event-stream') || type.startsWith('application/vnd.amazon.eventstream');
}

/** What is left of the limits in the headers whose names begin so. */
function remaining(response: Reader, prefix: string): number[] {
  return response
    .names()
    .filter((name) => name.toLowerCase().startsWith(prefix))
    .map((name) => header(response, name))
    .filter((value) => /^\d{1,15}$/.test(value))
    .map(Number);
}

/**
 * Tokens that are left to the caller, by AI Rate Limiting Advanced (`X-AI-RateLimit-Remaining-<window>-<provider>`; the
 * least of several), else by the provider (`x-ratelimit-remaining-tokens`). A fraction is a limit on cost, no tokens.
 * Source: Kong/developer.konghq.com app/_kong_plugins/ai-rate-limiting-advanced/index.md.
 */
export function remainingTokens(response: Reader): number | null {
  const left = remaining(response, 'x-ai-ratelimit-remaining-');
  const provider = remaining(response, 'x-ratelimit-remaining-tokens');
  return left.length > 0 ? Math.min(...left) : (provider[0] ?? null);
}

/**
 * Whose limit refused a call with 429. Kong's own by the headers of its plugins: AI Rate Limiting counts tokens; the
 * others count requests, and a limit of a month or a year is a quota. They can be told to hide their headers.
 */
export function throttledBy(status: number | null, byKong: boolean, response: Reader): Fields['throttled_by'] {
  if (status !== 429) return '';
  if (!byKong) return 'backend';
  const names = response.names().map((name) => name.toLowerCase());
  if (names.some((name) => name.startsWith('x-ai-ratelimit-'))) return 'token_limit';
  const spent = names.filter((name) => header(response, name) === '0');
  return spent.some((name) => /^x-ratelimit-remaining-(?:.*-)?(?:month|year)$/.test(name)) ? 'quota' : 'rate_limit';
}
