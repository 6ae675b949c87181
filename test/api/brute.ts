import { present } from '#common/assert.ts';
import { spendOf } from './brute-spend.ts';
import type { PriceRow, Rule } from './ledger.ts';

/** A generated call, as plain as a reader can check by hand. */
export type Call = {
  call_id: string;
  started_at: number;
  consumer_id: string;
  provider_name: string;
  response_model: string;
  request_model: string;
  deployment: string;
  region: string;
  user_id: string;
  throttled_by: string;
  moderation_outcome: string;
  attempts: number | null;
  error_type: string;
  http_response_status_code: number | null;
  duration_ms: number | null;
  backend_ms: number | null;
  client_ms: number | null;
  time_to_first_token_ms: number | null;
  usage_input_tokens: number | null;
  usage_cache_read_input_tokens: number | null;
  usage_cache_creation_5m_input_tokens: number | null;
  usage_cache_creation_1h_input_tokens: number | null;
  usage_output_tokens: number | null;
  usage_reasoning_output_tokens: number | null;
  usage_quality: string;
};

export type Asked = {
  from: number;
  to: number;
  step: string | null;
  tz: string;
  groupBy: string[];
  filters: Record<string, string[]>;
};

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

/** How far a zone's clock is ahead of UTC at an instant, from what Intl shows on that clock. */
function offsetOf(ms: number, tz: string): number {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone: tz,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  });
  const [date = '', time = ''] = format.format(ms).split(', ');
  const [d, m, y] = date.split('/');
  return Date.parse(`${y}-${m}-${d}T${time}Z`) - Math.floor(ms / 1000) * 1000;
}

/** The bucket's start: the clock of the zone is turned back to the border, then read as an instant of that moment. */
export function bucketOf(ms: number, step: string, tz: string): number {
  const local = ms + offsetOf(ms, tz);
  if (step === 'PT1M') return Math.floor(ms / minute) * minute;
  if (step === 'PT5M') return Math.floor(ms / (5 * minute)) * 5 * minute;
  if (step === 'PT1H') return Math.floor(local / hour) * hour - offsetOf(ms, tz);
  const date = new Date(local);
  const border = step === 'P1D' ? Math.floor(local / day) * day : Date.UTC(date.getUTCFullYear(), date.getUTCMonth());
  // At noon before the border the offset may differ from the border's own, so it is read twice.
  const guess = border - offsetOf(border - offsetOf(ms, tz), tz);
  return border - offsetOf(guess, tz);
}

export function tenantOf(call: Call, rules: readonly Rule[]): string {
  const [rule] = rules
    .filter((r) => r.consumer_id === call.consumer_id && r.valid_from <= call.started_at && r.consumer_id !== '')
    .sort((a, b) => b.valid_from - a.valid_from);
  return rule === undefined || (rule.valid_to !== null && call.started_at >= rule.valid_to)
    ? 'unattributed'
    : rule.tenant_id;
}

/** A dimension's value of a call. */
export function valueOf(call: Call, name: string, rules: readonly Rule[]): string {
  if (name === 'tenant_id') return tenantOf(call, rules);
  if (name === 'source') return 'test';
  return String((call as Record<string, string | number | null>)[name] ?? '');
}

/** The calls of a question by group; the group's key is the JSON of its time and dimensions. */
export function grouped(all: readonly Call[], asked: Asked, rules: readonly Rule[]): Map<string, Call[]> {
  const groups = new Map<string, Call[]>();
  for (const call of all) {
    if (call.started_at < asked.from || call.started_at >= asked.to) continue;
    const chosen = Object.entries(asked.filters).every(
      ([name, allowed]) => allowed.length === 0 || allowed.includes(valueOf(call, name, rules)),
    );
    if (!chosen) continue;
    const time = asked.step === null ? null : new Date(bucketOf(call.started_at, asked.step, asked.tz)).toISOString();
    const key = JSON.stringify([time, ...asked.groupBy.map((name) => valueOf(call, name, rules))]);
    groups.set(key, [...(groups.get(key) ?? []), call]);
  }
  return groups;
}

export const kinds = {
  input: ['usage_input_tokens'],
  cache_read: ['usage_cache_read_input_tokens'],
  cache_write: ['usage_cache_creation_5m_input_tokens'],
  cache_write_1h: ['usage_cache_creation_1h_input_tokens'],
  output: ['usage_output_tokens'],
  reasoning: ['usage_reasoning_output_tokens'],
} as const satisfies Record<string, readonly (keyof Call)[]>;

export function sum(calls: readonly Call[], ...names: readonly (keyof Call)[]): bigint {
  return calls.reduce((s, call) => names.reduce((t, name) => t + BigInt(call[name] ?? 0), s), 0n);
}

export function usageOf(calls: readonly Call[], rules: readonly Rule[]): Record<string, string> {
  const count = (test: (call: Call) => boolean): string => String(calls.filter(test).length);
  const succeeded = (call: Call): boolean => (call.http_response_status_code ?? 0) < 400;
  return {
    calls: String(calls.length),
    input_tokens: String(sum(calls, ...kinds.input)),
    cache_read_input_tokens: String(sum(calls, ...kinds.cache_read)),
    cache_creation_input_tokens: String(sum(calls, ...kinds.cache_write, ...kinds.cache_write_1h)),
    audio_input_tokens: '0',
    output_tokens: String(sum(calls, ...kinds.output)),
    reasoning_output_tokens: String(sum(calls, ...kinds.reasoning)),
    audio_output_tokens: '0',
    total_tokens: String(sum(calls, ...Object.values(kinds).flat())),
    usage_calls: count((call) => call.usage_quality !== 'missing' || succeeded(call)),
    exact_usage_calls: count((call) => call.usage_quality === 'exact'),
    partial_usage_calls: count((call) => call.usage_quality === 'partial'),
    estimated_usage_calls: count((call) => call.usage_quality === 'estimated'),
    missing_usage_calls: count((call) => call.usage_quality === 'missing' && succeeded(call)),
    disagreeing_calls: '0',
    attributed_calls: count((call) => tenantOf(call, rules) !== 'unattributed'),
  };
}

export function errorsOf(calls: readonly Call[]): Record<string, unknown> {
  const count = (low: number, high: number): number =>
    calls.filter((c) => (c.http_response_status_code ?? 0) >= low && (c.http_response_status_code ?? 0) < high).length;
  const failed = count(400, 500) + count(500, 1000);
  const known = calls.filter((c) => c.http_response_status_code !== null).length;
  const rate = (n: number): number | null => (known === 0 ? null : Math.round((n / known) * 1e6) / 1e6);
  const more = calls.map((c) => Math.max(0, (c.attempts ?? 1) - 1));
  return {
    calls: String(calls.length),
    status_2xx: String(count(200, 300)),
    status_3xx: String(count(300, 400)),
    status_4xx: String(count(400, 500)),
    status_5xx: String(count(500, 1000)),
    throttled: String(count(429, 430)),
    status_unknown: String(calls.filter((c) => c.http_response_status_code === null).length),
    failed: String(failed),
    retried: String(more.filter((n) => n > 0).length),
    retries: String(more.reduce((s, n) => s + n, 0)),
    error_rate: rate(failed),
    throttled_rate: rate(count(429, 430)),
  };
}

/** Metric → what `latency` says of it; a metric that no call has is absent. */
export function latencyOf(calls: readonly Call[]): Map<string, Record<string, unknown>> {
  const metrics: Record<string, (call: Call) => number | null> = {
    duration_ms: (c) => c.duration_ms,
    backend_ms: (c) => c.backend_ms,
    gateway_ms: (c) =>
      c.duration_ms === null || c.backend_ms === null ? null : c.duration_ms - c.backend_ms - (c.client_ms ?? 0),
    time_to_first_token_ms: (c) => c.time_to_first_token_ms,
    ms_per_output_token: (c) => {
      const tokens = Number(sum([c], ...kinds.output, ...kinds.reasoning));
      if (c.time_to_first_token_ms !== null && tokens > 1) {
        return c.duration_ms === null ? null : (c.duration_ms - c.time_to_first_token_ms) / (tokens - 1);
      }
      return tokens > 0 && c.backend_ms !== null ? c.backend_ms / tokens : null;
    },
  };
  const answer = new Map<string, Record<string, unknown>>();
  for (const [metric, measure] of Object.entries(metrics)) {
    const values = calls
      .map(measure)
      .filter((v) => v !== null)
      .sort((a, b) => a - b);
    if (values.length === 0) continue;
    answer.set(metric, {
      calls: String(values.length),
      p50: quantile(values, 0.5),
      p90: quantile(values, 0.9),
      p95: quantile(values, 0.95),
      p99: quantile(values, 0.99),
      max: values.at(-1),
    });
  }
  return answer;
}

/** Of sorted values, with the line between the two nearest. */
function quantile(values: readonly number[], p: number): number {
  const position = (values.length - 1) * p;
  const below = present(values[Math.floor(position)], 'a position lies within the values');
  const above = values[Math.floor(position) + 1] ?? below;
  return below + (above - below) * (position - Math.floor(position));
}

/** What `meta.coverage` says of calls: rounded down, null of nothing. */
export function coverageOf(calls: readonly Call[], rules: readonly Rule[], book: readonly PriceRow[]): object {
  const money = spendOf(calls, book);
  const use = usageOf(calls, rules);
  return {
    priced: share(money['priced_tokens'], money['priced_tokens'], money['unpriced_tokens']),
    exact_usage: share(use['exact_usage_calls'], use['usage_calls']),
    attributed: share(use['attributed_calls'], use['calls']),
  };
}

function share(part: unknown, ...whole: unknown[]): number | null {
  const total = whole.reduce((sum: bigint, n) => sum + BigInt(String(n)), 0n);
  return total === 0n ? null : Number((BigInt(String(part)) * 1_000_000n) / total) / 1e6;
}
