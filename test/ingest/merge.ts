import type { Fields } from '../../ingest/event.ts';
import { wire, type Placed } from './records.ts';

/*
 * One call from its records, in plain TypeScript: what migrations/views/1_sealed.sql promises in its comment, written
 * from that promise and not from its SQL. All 64-bit integers are texts, as on the wire.
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

/** A gateway's own log names the call before a policy event; a usage or backend record names nobody. */
function rank(record: Placed): number {
  return record.kind === 'gateway' ? 1 : record.kind === 'call' ? 2 : 3;
}

/** Exact from the gateway's log, exact from a policy or backend, partial, estimated, none. */
function evidence(record: Placed): number {
  const { usage_quality } = record.fields;
  if (usage_quality === 'exact') return record.kind === 'usage' ? 1 : 2;
  if (usage_quality === 'partial') return 3;
  return usage_quality === 'estimated' ? 4 : 5;
}

/** The value of the record that comes first; of several the smallest, so that the order of arrival does not decide. */
function first<T extends string | number>(
  records: readonly Placed[],
  order: (record: Placed) => readonly number[],
  value: (record: Placed) => T | null,
): T | null {
  let best: { order: readonly number[]; value: T } | null = null;
  for (const record of records) {
    const here = { order: order(record), value: value(record) };
    if (here.value === null || here.value === '') continue;
    if (best === null || before(here.order, best.order, here.value < best.value)) best = { ...here, value: here.value };
  }
  return best?.value ?? null;
}

function before(a: readonly number[], b: readonly number[], otherwise: boolean): boolean {
  for (const [index, here] of a.entries()) {
    const there = b[index] ?? 0;
    if (here !== there) return here < there;
  }
  return otherwise;
}

type Usage = { readonly quality: string; readonly counts: Record<string, bigint | null> };

/** The best evidence as a whole: within one response id the largest of repeated counts, over response ids their sum. */
function usageOf(records: readonly Placed[]): Usage {
  const best = Math.min(5, ...records.map(evidence));
  const counts: Record<string, bigint | null> = {};
  const responses = Map.groupBy(
    records.filter((record) => best < 5 && evidence(record) === best),
    (record) => record.fields.response_id,
  );
  for (const kind of [...kindsOfTokens, 'usage_total_tokens'] as const) {
    counts[kind] = null;
    for (const response of responses.values()) {
      const known = response.flatMap(({ fields }) => fields[kind] ?? []);
      if (known.length > 0) counts[kind] = (counts[kind] ?? 0n) + BigInt(Math.max(...known));
    }
  }
  return { quality: ['', 'exact', 'exact', 'partial', 'estimated', 'missing'][best] ?? '', counts };
}

function keyTime(record: Placed): number {
  return record.started_at ?? record.enqueued_at;
}

/** When the call began: as the record says that names it; when the hub got it, where none says. */
function startOf(records: readonly Placed[]): number {
  const naming = Math.min(...records.map(rank));
  const naming_records = records.filter((record) => rank(record) === naming);
  const dated = naming_records.filter((record) => record.started_at !== null);
  return Math.min(...(dated.length > 0 ? dated : naming_records).map(keyTime));
}

/** Whether the caller knew that the answer is a stream: the log of usage knows best, and one yes counts. */
function streamed(records: readonly Placed[]): boolean | null {
  const of = (wanted: (record: Placed) => boolean): (boolean | null)[] =>
    records.filter(wanted).flatMap(({ fields }) => (fields.request_stream === null ? [] : fields.request_stream));
  const fromUsage = of((record) => rank(record) === 3);
  const known = fromUsage.length > 0 ? fromUsage : of((record) => rank(record) < 3);
  return known.length === 0 ? null : known.includes(true);
}

/** The record that names the call: of the best rank the first that says when it began. */
function nameOf(records: readonly Placed[]): Placed {
  return [...records].sort(
    (a, b) =>
      rank(a) - rank(b) ||
      Number(a.started_at === null) - Number(b.started_at === null) ||
      keyTime(a) - keyTime(b) ||
      (a.call_id < b.call_id ? -1 : 1),
  )[0] as Placed;
}

const outcomes = ['', 'passed', 'annotated', 'blocked'];
const severities = ['', 'safe', 'low', 'medium', 'high'];

function gravity({ fields }: Placed): readonly number[] {
  return [outcomes.indexOf(fields.moderation_outcome), severities.indexOf(fields.moderation_severity)];
}

/** The worst that any filter said, as a whole. */
function moderationOf(records: readonly Placed[]): Record<string, string> {
  let worst: Placed | null = null;
  for (const record of records) {
    if (record.fields.moderation_outcome === '') continue;
    const later = worst === null || record.fields.moderation_category > worst.fields.moderation_category;
    if (worst === null || before(gravity(worst), gravity(record), later)) worst = record;
  }
  const { moderation_outcome = '', moderation_category = '', moderation_severity = '' } = worst?.fields ?? {};
  return { moderation_outcome, moderation_category, moderation_severity };
}

type Counted = 'attempts' | 'throttled_ms' | 'quota_remaining_tokens' | 'sample_fraction';

function largest(records: readonly Placed[], name: Counted): number | null {
  const known = records.flatMap(({ fields }) => fields[name] ?? []);
  return known.length === 0 ? null : Math.max(...known);
}

function least(records: readonly Placed[], name: Counted): number | null {
  const known = records.flatMap(({ fields }) => fields[name] ?? []);
  return known.length === 0 ? null : Math.min(...known);
}

/** One record that was cut is enough. */
function said(records: readonly Placed[]): boolean | null {
  const known = records.flatMap(({ fields }) => fields.truncated ?? []);
  return known.length === 0 ? null : known.includes(true);
}

/** The call, or null while only usage has come and nobody asked to show it. `all` may hold dropped records too. */
export function merge(all: readonly Placed[], showOrphan: boolean): Merged | null {
  const records = all.filter((record) => record.kind !== 'dropped');
  const anchored = records.some((record) => rank(record) < 3);
  if (records.length === 0 || (!anchored && !showOrphan)) return null;
  const { quality, counts } = usageOf(records);
  const text = (name: keyof Fields, of = records): string =>
    first(
      of,
      (r) => [rank(r)],
      (r) => r.fields[name as 'gateway'],
    ) ?? '';
  const byEvidence = (name: 'response_model' | 'response_id' | 'model_version'): string =>
    first(
      records,
      (r) => [evidence(r), rank(r)],
      (r) => r.fields[name],
    ) ?? '';
  const number = (name: (typeof numbers | typeof longNumbers)[number]): number | null =>
    first(
      records,
      (r) => [rank(r)],
      (r) => r.fields[name],
    );
  const parts = kindsOfTokens.reduce((sum, kind) => sum + (counts[kind] ?? 0n), 0n);
  const total = counts['usage_total_tokens'] ?? null;
  const hashes = new Set(records.map((record) => record.record_hash));
  const has = quality !== 'missing';
  return {
    call_id: nameOf(records).call_id,
    call_ids: [...new Set(records.map((record) => record.call_id))].sort(),
    version: records.length,
    completeness: anchored ? (has ? 'complete' : 'no_usage') : 'orphan',
    records: records.length,
    duplicates: records.length - hashes.size,
    sources: [...new Set(records.map((record) => record.source))].sort(),
    last_enqueued_at: wire(Math.max(...records.map((record) => record.enqueued_at))),
    source: first(
      records,
      (r) => [rank(r)],
      (r) => r.source,
    ),
    started_at: wire(startOf(records)),
    consumer_id: text(
      'consumer_id',
      records.filter((record) => rank(record) < 3),
    ),
    ...Object.fromEntries(texts.map((name) => [name, text(name)])),
    response_model: byEvidence('response_model'),
    response_id: byEvidence('response_id'),
    model_version: byEvidence('model_version'),
    ...moderationOf(records),
    attempts: largest(records, 'attempts'),
    throttled_ms: largest(records, 'throttled_ms'),
    quota_remaining_tokens: least(records, 'quota_remaining_tokens')?.toString() ?? null,
    truncated: said(records),
    sample_fraction: least(records, 'sample_fraction'),
    ...Object.fromEntries(numbers.map((name) => [name, number(name)])),
    ...Object.fromEntries(longNumbers.map((name) => [name, number(name)?.toString() ?? null])),
    request_stream: streamed(records),
    ...Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, count?.toString() ?? null])),
    usage_quality: quality,
    usage_disagrees: quality === 'exact' && total !== null && total !== parts,
  };
}
