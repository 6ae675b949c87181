import { azureInstant } from '../../local/trace.ts';
import { batched, gatewayRecord, llmRecord, type LoggedCall, type TrafficMessage } from '../../local/traffic.ts';
import type { Chance } from './chance.ts';
import type { Minute, Series } from './traffic.ts';

const minuteMs = 60_000;

/** Where the records say that calls went, and what they are priced as. */
export const backend = 'contoso-weu.openai.azure.com';
export const model = 'metered';
/** What a warm call takes: so many milliseconds, and so many more per output token. */
export const warm = { interceptMs: 5_000, perTokenMs: 20 } as const;

/** Who calls for a tenant. */
export function consumerOf(tenant_id: string): string {
  return `${tenant_id}-app`;
}

/**
 * The calls of one minute, one by one: as many that fail at the server, are refused, and succeed as it counts, whose
 * tokens and logarithms of time add up to its own.
 */
function callsOf(series: Series, minute: Minute, draw: Chance): LoggedCall[] {
  const hex = (length: number): string =>
    Array.from({ length }, () => Math.floor(draw.uniform() * 16).toString(16)).join('');
  return Array.from({ length: minute.calls }, (_, i) => {
    const status = i < minute.failed ? 500 : i < minute.failed + minute.throttled ? 429 : 200;
    const place = i - minute.failed - minute.throttled;
    const tokens =
      status === 200 ? Math.floor(minute.tokens / minute.timed) + (place < minute.tokens % minute.timed ? 1 : 0) : 0;
    const output_tokens = Math.floor(tokens / 5);
    const expected = warm.interceptMs + warm.perTokenMs * output_tokens;
    const took = status === 200 ? Math.round(expected * Math.exp(minute.log / minute.timed)) : 20;
    return {
      correlationId: `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`,
      time: azureInstant(BigInt(minute.at + Math.floor(draw.uniform() * minuteMs)) * 10_000n),
      consumer: { consumer_id: consumerOf(series.tenant_id), product_id: 'generated' },
      deployment: series.deployment,
      model,
      status,
      input_tokens: tokens - output_tokens,
      output_tokens,
      streamed: false,
      backend_ms: took,
      duration_ms: took + 3,
      responseId: `chatcmpl-${hex(24)}`,
    };
  });
}

/**
 * The minutes of series as the messages of an hour or less: a GatewayLogs record of each call and a GatewayLlmLogs record
 * of each that succeeded, in batches of their own, on different partitions, and not in the order of the calls.
 */
export function messagesOf(
  minutes: readonly { readonly series: Series; readonly minute: Minute }[],
  partitionCount: number,
  draw: Chance,
): TrafficMessage[] {
  const placed: { at: number; text: string; group: 'gateway' | 'llm' }[] = [];
  for (const { series, minute } of minutes) {
    for (const call of callsOf(series, minute, draw)) {
      const at = Date.parse(call.time);
      placed.push({ at: at + draw.uniform() * minuteMs, group: 'gateway', text: JSON.stringify(gatewayRecord(call)) });
      if (call.status === 200)
        placed.push({ at: at + draw.uniform() * 3 * minuteMs, group: 'llm', text: JSON.stringify(llmRecord(call)) });
    }
  }
  placed.sort((a, b) => a.at - b.at);
  return batched(placed, partitionCount, draw.uniform);
}
