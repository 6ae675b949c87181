import type { Fields } from '../../ingest/event.ts';
import { wire, type Placed } from './records.ts';

/*
 * One call from its records, in plain TypeScript: what migrations/views/1_sealed.sql promises in its comment, written
 * from that promise and not from its SQL. All 64-bit integers are texts, as on the wire.
 * The version is left out: it is only a means, and a wrong one shows a wrong row.
 */
export type Merged = Record<string, unknown>;

const kindsOfTokens = [
  'usage_input_tokens',
  'usage_cache_read_input_tokens',
  'usage_cache_creation_5m_input_tokens',
  'usage_cache_creation_1h_input_tokens',
  'usage_audio_input_tokens',
  'usage_output_tokens',
  'usage_reasoning_output_tokens',
  'usage_audio_output_tokens',
] as const;
const texts = [
  ...(['gateway', 'product_id', 'api_id', 'operation_id', 'operation_name', 'provider_name', 'request_model'] as const),
  ...(['deployment', 'backend', 'region', 'service_tier', 'user_id', 'error_type', 'cache_status'] as const),
  ...(['routing_label', 'throttled_by', 'client_network', 'instance_id'] as const),
];
const numbers = [
  ...(['http_response_status_code', 'backend_response_status_code', 'duration_ms', 'backend_ms'] as const),
  ...(['client_ms', 'time_to_first_token_ms'] as const),
];
const longNumbers = ['request_bytes', 'response_bytes'] as const;

function isBackfilled(record: Placed): boolean {
  return record.stream.startsWith('backfill/');
}

/** Only a gateway's own log and a policy event say whose call it is. */
function names(record: Placed): boolean {
  return record.kind === 'gateway' || record.kind === 'call';
}

/** Compared element by element. */
type Order = readonly (number | string)[];

/** What was backfilled is believed last; a gateway's own log before a policy event; who knows of other logs first. */
function rank(record: Placed): readonly number[] {
  const kind = record.kind === 'gateway' ? 1 : record.kind === 'call' ? 2 : 3;
  return [Number(isBackfilled(record)), kind, Number(record.fields.linked_ids.length === 0)];
}

/** In which order records of a call are believed; of equal ones the first that says when the call began. */
function place(record: Placed): Order {
  return [...rank(record), Number(record.started_at === null), keyTime(record)];
}

/** Exact from the gateway's log, exact from a policy or backend, exact from a backfill, partial, estimated, none. */
function evidence(record: Placed): number {
  const { usage_quality } = record.fields;
  const late = Number(isBackfilled(record));
  if (usage_quality === 'exact') return late ? 3 : record.kind === 'usage' ? 1 : 2;
  if (usage_quality === 'partial') return 4 + late;
  return usage_quality === 'estimated' ? 6 + late : none;
}

const none = 8;
const qualities = ['', 'exact', 'exact', 'exact', 'partial', 'partial', 'estimated', 'estimated', 'missing'];

/** The value of the record that comes first; of several the smallest, so that the order of arrival does not decide. */
function first<T extends string | number>(
  records: readonly Placed[],
  order: (record: Placed) => Order,
  value: (record: Placed) => T | null,
): T | null {
  let best: { order: Order; value: T } | null = null;
  for (const record of records) {
    const here = { order: order(record), value: value(record) };
    if (here.value === null || here.value === '') continue;
    if (best === null || before(here.order, best.order, here.value < best.value)) best = { ...here, value: here.value };
  }
  return best?.value ?? null;
}

function before(a: Order, b: Order, otherwise: boolean): boolean {
  for (const [index, here] of a.entries()) {
    const there = b[index] ?? 0;
    if (here !== there) return here < there;
  }
  return otherwise;
}

type Usage = { readonly quality: string; readonly counts: Record<string, bigint | null> };

/**
 * The best evidence as a whole, from one source: the one that counted most, of equal ones the one that tells more kinds
 * apart, then the first by name. Within a source, the largest mention of each response id, and the sum over them.
 */
function usageOf(records: readonly Placed[]): Usage {
  const best = Math.min(none, ...records.map(evidence));
  const evident = records.filter((record) => best < none && evidence(record) === best);
  const sources = [...Map.groupBy(evident, ({ source }) => source)].map(([source, own]) => ({
    source,
    counts: countsOf(own),
  }));
  const told = (counts: Usage['counts']): number => Object.values(counts).filter((n) => n !== null && n > 0n).length;
  const [taken] = sources.sort(
    (a, b) =>
      Number(allOf(b.counts) > allOf(a.counts)) - Number(allOf(b.counts) < allOf(a.counts)) ||
      told(b.counts) - told(a.counts) ||
      (a.source < b.source ? -1 : 1),
  );
  return { quality: qualities[best] ?? '', counts: taken?.counts ?? countsOf([]) };
}

function countsOf(records: readonly Placed[]): Usage['counts'] {
  const counts: Usage['counts'] = {};
  const responses = Map.groupBy(records, (record) => record.fields.response_id);
  for (const kind of [...kindsOfTokens, 'usage_total_tokens'] as const) {
    counts[kind] = null;
    for (const response of responses.values()) {
      const known = response.flatMap(({ fields }) => fields[kind] ?? []);
      if (known.length > 0) counts[kind] = (counts[kind] ?? 0n) + BigInt(Math.max(...known));
    }
  }
  return counts;
}

function allOf(counts: Usage['counts']): bigint {
  return kindsOfTokens.reduce((sum, kind) => sum + (counts[kind] ?? 0n), 0n);
}

function keyTime(record: Placed): number {
  return record.started_at ?? record.enqueued_at;
}

/** Whether the caller knew that the answer is a stream: the log of usage knows best, and one yes counts. */
function streamed(all: readonly Placed[]): boolean | null {
  const records = unlessBackfilled(all, ({ fields }) => fields.request_stream !== null);
  const of = (wanted: (record: Placed) => boolean): (boolean | null)[] =>
    records.filter(wanted).flatMap(({ fields }) => (fields.request_stream === null ? [] : fields.request_stream));
  const fromUsage = of((record) => !names(record));
  const known = fromUsage.length > 0 ? fromUsage : of(names);
  return known.length === 0 ? null : known.includes(true);
}

/** The record that names the call and says when it began: the first that may, or else the first of all. */
function naming(record: Placed): Order {
  return [Number(!names(record)), ...place(record)];
}

/** What the hub delivered says this, or only what was backfilled. */
function unlessBackfilled(records: readonly Placed[], says: (record: Placed) => boolean): readonly Placed[] {
  const delivered = records.filter((record) => !isBackfilled(record) && says(record));
  return delivered.length > 0 ? delivered : records;
}

const outcomes = ['', 'passed', 'annotated', 'blocked'];
const severities = ['', 'safe', 'low', 'medium', 'high'];

function gravity({ fields }: Placed): readonly number[] {
  return [outcomes.indexOf(fields.moderation_outcome), severities.indexOf(fields.moderation_severity)];
}

/** The worst that any filter said, as a whole. */
function moderationOf(records: readonly Placed[]): Record<string, string> {
  let worst: Placed | null = null;
  for (const record of unlessBackfilled(records, ({ fields }) => fields.moderation_outcome !== '')) {
    if (record.fields.moderation_outcome === '') continue;
    const later = worst === null || record.fields.moderation_category > worst.fields.moderation_category;
    if (worst === null || before(gravity(worst), gravity(record), later)) worst = record;
  }
  const { moderation_outcome = '', moderation_category = '', moderation_severity = '' } = worst?.fields ?? {};
  return { moderation_outcome, moderation_category, moderation_severity };
}

type Counted = 'attempts' | 'throttled_ms' | 'quota_remaining_tokens' | 'sample_fraction';

function largest(records: readonly Placed[], name: Counted): number | null {
  const said = unlessBackfilled(records, ({ fields }) => fields[name] !== null);
  const known = said.flatMap(({ fields }) => fields[name] ?? []);
  return known.length === 0 ? null : Math.max(...known);
}

function least(records: readonly Placed[], name: Counted): number | null {
  const said = unlessBackfilled(records, ({ fields }) => fields[name] !== null);
  const known = said.flatMap(({ fields }) => fields[name] ?? []);
  return known.length === 0 ? null : Math.min(...known);
}

/** One record that was cut is enough. */
function cutOff(records: readonly Placed[]): boolean | null {
  const known = unlessBackfilled(records, ({ fields }) => fields.truncated !== null).flatMap(
    ({ fields }) => fields.truncated ?? [],
  );
  return known.length === 0 ? null : known.includes(true);
}

/** The call, or null while only usage has come and nobody asked to show it. `all` may hold dropped records too. */
export function merge(all: readonly Placed[], showOrphan: boolean): Merged | null {
  const records = all.filter((record) => record.kind !== 'dropped');
  const anchored = records.some(names);
  if (records.length === 0 || (!anchored && !showOrphan)) return null;
  const { quality, counts } = usageOf(records);
  const text = (name: keyof Fields, of = records): string => first(of, place, (r) => r.fields[name as 'gateway']) ?? '';
  const byEvidence = (name: 'response_model' | 'response_id' | 'model_version'): string =>
    first(
      records,
      (r) => [Number(isBackfilled(r)), evidence(r), ...place(r)],
      (r) => r.fields[name],
    ) ?? '';
  const number = (name: (typeof numbers | typeof longNumbers)[number]): number | null =>
    first(records, place, (r) => r.fields[name]);
  const parts = allOf(counts);
  const total = counts['usage_total_tokens'] ?? null;
  const hashes = new Set(records.map((record) => record.record_hash));
  const has = quality !== 'missing';
  return {
    call_id: first(records, naming, (r) => r.call_id),
    call_ids: [...new Set(records.map((record) => record.call_id))].sort(),
    completeness: anchored ? (has ? 'complete' : 'no_usage') : 'orphan',
    records: records.length,
    duplicates: records.length - hashes.size,
    sources: [...new Set(records.map((record) => record.source))].sort(),
    last_enqueued_at: wire(Math.max(...records.map((record) => record.enqueued_at))),
    source: first(records, naming, (r) => r.source),
    started_at: wire(first(records, naming, keyTime) ?? 0),
    consumer_id: text('consumer_id', records.filter(names)),
    ...Object.fromEntries(texts.map((name) => [name, text(name)])),
    response_model: byEvidence('response_model'),
    response_id: byEvidence('response_id'),
    model_version: byEvidence('model_version'),
    ...moderationOf(records),
    attempts: largest(records, 'attempts'),
    throttled_ms: largest(records, 'throttled_ms'),
    quota_remaining_tokens: least(records, 'quota_remaining_tokens')?.toString() ?? null,
    truncated: cutOff(records),
    sample_fraction: least(records, 'sample_fraction'),
    ...Object.fromEntries(numbers.map((name) => [name, number(name)])),
    ...Object.fromEntries(longNumbers.map((name) => [name, number(name)?.toString() ?? null])),
    request_stream: streamed(records),
    ...Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, count?.toString() ?? null])),
    usage_quality: quality,
    usage_disagrees: quality === 'exact' && total !== null && total !== parts,
  };
}
