import fc from 'fast-check';
import { bucketOf, type Call } from './brute.ts';
import type { PriceRow, Rule } from './ledger.ts';

const hour = 3_600_000;
const day = 24 * hour;
/** Around the end of summer time in Europe (25 October 2026, 01:00 UTC) and in New York (1 November, 06:00 UTC). */
export const start = Date.UTC(2026, 9, 20);
export const end = Date.UTC(2026, 10, 4);
export const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'America/St_Johns'];

export const rules: Rule[] = [
  { consumer_id: 'c1', tenant_id: 'retail', valid_from: 0, valid_to: null },
  { consumer_id: 'c2', tenant_id: 'retail', valid_from: 0, valid_to: start + 5 * day },
  { consumer_id: 'c3', tenant_id: 'wholesale', valid_from: 0, valid_to: null },
  { consumer_id: 'c3', tenant_id: 'Größe "q" 🚀', valid_from: start + 7 * day, valid_to: null },
];

function price(model: string, token_kind: string, list_unit_price: string, more: Partial<PriceRow> = {}): PriceRow {
  const terms = { context_over_tokens: 0, valid_from: Date.UTC(2026, 0), valid_to: null, ...more };
  return { provider_name: 'test.provider', model, token_kind, list_unit_price, ...terms };
}

const change = start + 6 * day;
export const book: PriceRow[] = [
  price('plain', 'input', '2.5'),
  price('plain', 'cache_read', '1.25'),
  price('plain', 'output', '10'),
  price('plain', 'cache_write', '3.125'),
  price('moving', 'input', '0.000003', { valid_to: change }),
  price('moving', 'output', '7.77', { valid_to: change }),
  price('moving', 'input', '0.0000071', { valid_from: change }),
  price('moving', 'output', '9.990001', { valid_from: change }),
  price('moving', 'reasoning', '11'),
  price('tiered', 'input', '1'),
  price('tiered', 'output', '4'),
  price('tiered', 'input', '2', { context_over_tokens: 5_000 }),
  price('ended', 'input', '1', { valid_to: start + 2 * day }),
];

const tokens = fc.option(fc.oneof(fc.integer({ min: 0, max: 9_000 }), fc.integer({ min: 0, max: 4_000_000_000 })), {
  nil: null,
  freq: 3,
});
const ms = fc.option(fc.integer({ min: 0, max: 90_000 }), { nil: null, freq: 4 });
const borders = zones.flatMap((tz) =>
  (['PT1H', 'P1D', 'P1M'] as const).flatMap((step) => [
    bucketOf(start + 5.1 * day, step, tz),
    bucketOf(end - day, step, tz),
  ]),
);

const call: fc.Arbitrary<Omit<Call, 'call_id'>> = fc.record({
  started_at: fc.oneof(
    fc.integer({ min: start, max: end - 1 }),
    fc.tuple(fc.constantFrom(...borders), fc.integer({ min: -2, max: 2 })).map(([border, by]) => border + by),
    fc.integer({ min: -2 * hour, max: 2 * hour }).map((by) => Date.UTC(2026, 9, 25, 1) + by),
  ),
  consumer_id: fc.constantFrom('c1', 'c2', 'c3', 'c4', ''),
  provider_name: fc.constantFrom('test.provider', 'other.provider'),
  response_model: fc.constantFrom('plain', 'plain-2026-01-31', 'moving', 'tiered', 'ended', 'unknown', ''),
  request_model: fc.constantFrom('plain', 'gpt', ''),
  deployment: fc.constantFrom('dep-1', 'tiered', ''),
  region: fc.constantFrom('westeurope', 'o\'brien\\n\t,"x"', '=1+1'),
  user_id: fc.constantFrom('u1', 'ü\n2', ''),
  throttled_by: fc.constantFrom('', 'quota', 'backend'),
  moderation_outcome: fc.constantFrom('', 'passed', 'blocked'),
  attempts: fc.constantFrom(null, 1, 3),
  error_type: fc.constantFrom('', 'rate_limited', 'timeout'),
  http_response_status_code: fc.constantFrom(200, 201, 302, 400, 429, 500, 503, null),
  duration_ms: ms,
  backend_ms: ms,
  client_ms: ms,
  time_to_first_token_ms: ms,
  usage_input_tokens: tokens,
  usage_cache_read_input_tokens: tokens,
  usage_cache_creation_5m_input_tokens: tokens,
  usage_cache_creation_1h_input_tokens: tokens,
  usage_output_tokens: tokens,
  usage_reasoning_output_tokens: tokens,
  usage_quality: fc.constantFrom('exact', 'partial', 'estimated', 'missing'),
});

/** A call without usage has no tokens, and the tokens of a failed call may still count. */
function consistent(made: Omit<Call, 'call_id'>, i: number): Call {
  const call = { ...made, call_id: `gw/${i}` };
  if (call.usage_quality !== 'missing') return call;
  const none = Object.keys(call).filter((name) => name.startsWith('usage_') && name.endsWith('_tokens'));
  return { ...call, ...Object.fromEntries(none.map((name) => [name, null])) };
}

/** As many generated calls; the same seed gives the same calls. */
export function generate(seed: number, numRuns: number): Call[] {
  return fc.sample(call, { seed, numRuns }).map(consistent);
}
