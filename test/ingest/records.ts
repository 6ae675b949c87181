import fc from 'fast-check';
import { events } from '#clickhouse/tables.ts';
import { table } from '#clickhouse/view.ts';
import { noFields, type Fields } from '../../ingest/event.ts';

/** A row of `events` of some call, before it has a place in a stream. Instants are milliseconds since 1970. */
export type CallRecord = {
  readonly kind: 'gateway' | 'call' | 'usage' | 'backend' | 'dropped';
  readonly source: string;
  readonly record_hash: string;
  readonly enqueued_at: number;
  readonly started_at: number | null;
  readonly fields: Omit<Fields, 'call_id' | 'started_at'>;
};

/** A record in its place; `inserted_at` is chosen, so that tests decide what is late. */
export type Placed = CallRecord & {
  readonly call_id: string;
  readonly stream: string;
  readonly sequence_number: number;
  readonly inserted_at: number;
};

const hour = 3_600_000;
/** Three days before, in the evening: calls around it cross a day's border. */
export const base = Date.UTC(2026, 7, 20, 22);

/** Few values each, so that records often agree, often contradict one another, and often say nothing. */
const word = <const T extends string>(...values: T[]): fc.Arbitrary<T | ''> =>
  fc.constantFrom<T | ''>('', '', ...values);
const number = (...values: number[]): fc.Arbitrary<number | null> => fc.constantFrom(null, null, 0, ...values);
const tokens = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(null, 0, 1, 5, 120) },
  fc.nat({ max: 100_000 }),
  fc.constant(Number.MAX_SAFE_INTEGER),
);

const texts = fc.record({
  gateway: word('gw', 'gx'),
  product_id: word('p1', 'p2'),
  api_id: word('a1', 'a2'),
  operation_id: word('o1', 'o2'),
  operation_name: word('chat', 'embeddings'),
  provider_name: word('azure.ai.openai', 'anthropic'),
  request_model: word('gpt', 'claude'),
  response_model: word('gpt-4o', 'gpt-5'),
  deployment: word('d1', 'd2'),
  backend: word('b1', 'b2'),
  region: word('westeurope', 'eastus'),
  service_tier: word('standard', 'batch'),
  user_id: word('u1', 'u2'),
  error_type: word('429', 'Timeout'),
  cache_status: word('hit', 'miss'),
  routing_label: word('a', 'b'),
  throttled_by: word('quota', 'backend'),
  client_network: word('203.0.113.0/24', '2001:db8::/48'),
  instance_id: word('i1', 'i2'),
  model_version: word('1', '2'),
  moderation_outcome: word('passed', 'annotated', 'blocked'),
  moderation_category: word('hate', 'violence'),
  moderation_severity: word('safe', 'low', 'medium', 'high'),
});
const numbers = fc.record({
  http_response_status_code: number(200, 429),
  backend_response_status_code: number(200, 500),
  request_stream: fc.constantFrom(null, true, false),
  duration_ms: number(10, 900),
  backend_ms: number(7, 800),
  client_ms: number(1, 3),
  time_to_first_token_ms: number(5, 50),
  attempts: number(1, 3),
  throttled_ms: number(20, 5_000),
  quota_remaining_tokens: number(7, 90_000),
  truncated: fc.constantFrom(null, true, false),
  sample_fraction: fc.constantFrom(null, 0.5, 1),
  request_bytes: number(1_000, Number.MAX_SAFE_INTEGER),
  response_bytes: number(2_000),
});
const counts = fc.record({
  usage_input_tokens: tokens,
  usage_cache_read_input_tokens: tokens,
  usage_cache_creation_5m_input_tokens: tokens,
  usage_cache_creation_1h_input_tokens: tokens,
  usage_audio_input_tokens: tokens,
  usage_output_tokens: tokens,
  usage_reasoning_output_tokens: tokens,
  usage_audio_output_tokens: tokens,
  usage_total_tokens: tokens,
});

const times = {
  enqueued_at: fc.integer({ min: 0, max: 8 }).map((n) => base + hour + n * 20 * 60_000 + n),
  started_at: fc.option(
    fc.integer({ min: -4, max: 4 }).map((n) => base + n * 40 * 60_000 + n),
    { freq: 5 },
  ),
};

/** Half of the totals are the sum of their kinds, as most providers' are. */
function agreeing(counts: Partial<Fields>, agrees: boolean): Partial<Fields> {
  if (!agrees) return counts;
  const { usage_total_tokens: _total, ...kinds } = counts;
  const sum = Object.values(kinds).reduce<number>((total, count) => total + Number(count ?? 0), 0);
  return { ...kinds, usage_total_tokens: sum <= Number.MAX_SAFE_INTEGER ? sum : null };
}

function record(
  kind: CallRecord['kind'],
  sources: readonly string[],
  shape: { consumers: readonly string[]; qualities: readonly Fields['usage_quality'][]; responses: readonly string[] },
): fc.Arbitrary<CallRecord> {
  return fc
    .record({
      source: fc.constantFrom(...sources),
      ...times,
      texts,
      numbers,
      counts,
      consumer_id: fc.constantFrom(...shape.consumers),
      usage_quality: fc.constantFrom(...shape.qualities),
      agrees: fc.boolean(),
      response_id: fc.constantFrom(...shape.responses),
      record_hash: fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }).map(String),
    })
    .map(({ texts, numbers, counts, agrees, consumer_id, usage_quality, response_id, ...rest }) =>
      Object.assign(rest, {
        kind,
        fields: {
          ...noFields,
          ...texts,
          ...numbers,
          consumer_id,
          response_id,
          usage_quality,
          ...(usage_quality === '' || usage_quality === 'missing' ? {} : agreeing(counts, agrees)),
        },
      }),
    );
}

const gateway = record('gateway', ['apim_gateway'], { consumers: ['', 'c1', 'c2'], qualities: [''], responses: [''] });
const policy = record('call', ['apim_policy', 'apim_policy_minimal', 'kong'], {
  consumers: ['', 'c1', 'c3'],
  qualities: ['', 'missing', 'exact', 'estimated'],
  responses: ['', 'r1'],
});
const llm = record('usage', ['apim_llm', 'apipark'], {
  consumers: [''],
  qualities: ['exact', 'exact', 'partial', 'missing'],
  responses: ['', 'r1', 'r2'],
});
const backend = record('backend', ['azure_ml'], {
  consumers: ['', 'c4'],
  qualities: ['', 'exact', 'estimated'],
  responses: ['', 'r3'],
});
const dropped = record('dropped', ['apim_llm'], { consumers: [''], qualities: [''], responses: [''] });
const any = fc.oneof(
  { weight: 4, arbitrary: llm },
  { weight: 3, arbitrary: gateway },
  { weight: 3, arbitrary: policy },
  backend,
  dropped,
);

/** The records of one call; in half of the calls the last one is an earlier one again, delivered at another time. */
export function callRecords(min: number, max: number): fc.Arbitrary<CallRecord[]> {
  const again = fc.record({ at: fc.nat(), enqueued_at: times.enqueued_at });
  return fc
    .tuple(fc.array(any, { minLength: min, maxLength: max }), fc.option(again, { freq: 1 }))
    .map(([records, repeated]) => (repeated === null ? records : withRepeated(records, repeated)));
}

/** The records of a call that nobody has named yet. */
export function waitingRecords(length: number): fc.Arbitrary<CallRecord[]> {
  return fc.array(fc.oneof({ weight: 3, arbitrary: llm }, backend, dropped), { minLength: length, maxLength: length });
}

function withRepeated(records: CallRecord[], repeated: { at: number; enqueued_at: number }): CallRecord[] {
  const same = records[repeated.at % Math.max(1, records.length - 1)];
  return same === undefined
    ? records
    : records.with(records.length - 1, { ...same, enqueued_at: repeated.enqueued_at });
}

/** `events` with the column that the database fills in itself. */
export const timedEvents = table('events', { ...events.columns, inserted_at: "DateTime64(3, 'UTC')" });

export function wire(ms: number): string {
  return new Date(ms).toISOString().replace('T', ' ').slice(0, 23);
}

/** The row as a line for `timedEvents`. */
export function line(placed: Placed): string {
  const { fields, ...rest } = placed;
  const row: Record<string, unknown> = {
    ...fields,
    ...rest,
    record_index: 0,
    prev: placed.sequence_number - 1,
    body_hash: '1',
    reason: '',
    detail: '',
    body: '',
    body_bytes: 0,
    unknown_fields: [],
    enqueued_at: wire(placed.enqueued_at),
    inserted_at: wire(placed.inserted_at),
    started_at: placed.started_at === null ? null : wire(placed.started_at),
  };
  return JSON.stringify(Object.keys(timedEvents.columns).map((name) => row[name]));
}
