import { decodeMessage } from '../../ingest/decode.ts';
import type { Fields, Quality, Usage } from '../../ingest/event.ts';
import { messageRows } from '../../ingest/rows.ts';
import { present } from '#common/assert.ts';

/** Bodies by stream, at the index of their sequence number. */
export type Sent = ReadonlyMap<string, readonly Uint8Array[]>;

/** What `calls FINAL` must hold of a call, as plain as a reader can check by hand. */
export type ExpectedCall = Pick<
  Fields,
  | 'call_id'
  | 'gateway'
  | 'consumer_id'
  | 'product_id'
  | 'api_id'
  | 'provider_name'
  | 'response_model'
  | 'response_id'
  | 'deployment'
  | 'region'
  | 'http_response_status_code'
  | 'request_stream'
  | 'duration_ms'
  | 'backend_ms'
> & { started_at: string; version: number; duplicates: number; completeness: string } & Usage;

type CallRecord = Fields & { readonly rank: number; readonly usageRank: number; readonly hash: string };

const tokenKinds = [
  'usage_input_tokens',
  'usage_cache_read_input_tokens',
  'usage_cache_creation_5m_input_tokens',
  'usage_cache_creation_1h_input_tokens',
  'usage_audio_input_tokens',
  'usage_output_tokens',
  'usage_reasoning_output_tokens',
  'usage_audio_output_tokens',
  'usage_total_tokens',
] as const satisfies readonly (keyof Usage)[];

const qualities: readonly Quality[] = ['exact', 'exact', 'partial', 'estimated', 'missing'];

/** Seals by brute force, without SQL: every record of every call in memory, merged by the stated order. */
export function sealedByHand(sent: Sent): ExpectedCall[] {
  const byCall = new Map<string, CallRecord[]>();
  for (const [stream, bodies] of sent) {
    for (const [sequence_number, body] of bodies.entries()) {
      const message = { stream, sequence_number, enqueued_at_ms: 0, body };
      const hashes = messageRows(message).rows.map((row) => row.record_hash);
      for (const [index, { event }] of decodeMessage(message).entries()) {
        if (event.kind === 'dropped' || event.kind === 'rejected') continue;
        const rank = event.kind === 'gateway' ? 1 : event.kind === 'call' ? 2 : 3;
        const record = {
          ...event.fields,
          rank,
          usageRank: usageRank(event.kind, event.fields.usage_quality),
          hash: present(hashes[index], 'a row per record'),
        };
        byCall.set(record.call_id, [...(byCall.get(record.call_id) ?? []), record]);
      }
    }
  }
  return [...byCall.values()]
    .filter((records) => records.some(({ rank }) => rank < 3))
    .map(merged)
    .sort((a, b) => (a.call_id < b.call_id ? -1 : 1));
}

function usageRank(kind: string, quality: Quality): number {
  if (quality === 'exact') return kind === 'usage' ? 1 : 2;
  return quality === 'partial' ? 3 : quality === 'estimated' ? 4 : 5;
}

function merged(records: readonly CallRecord[]): ExpectedCall {
  const byRank = records.toSorted((a, b) => a.rank - b.rank);
  const byUsage = records.toSorted((a, b) => a.usageRank - b.usageRank || a.rank - b.rank);
  const text = (name: keyof Fields, order = byRank): string =>
    order.map((record) => record[name]).find((value): value is string => typeof value === 'string' && value !== '') ??
    '';
  const first = present(byRank[0], 'a call has a record');
  const usage = usageOf(byUsage);
  return {
    call_id: first.call_id,
    gateway: text('gateway'),
    consumer_id: text('consumer_id'),
    product_id: text('product_id'),
    api_id: text('api_id'),
    provider_name: text('provider_name'),
    response_model: text('response_model', byUsage),
    response_id: text('response_id', byUsage),
    deployment: text('deployment'),
    region: text('region'),
    http_response_status_code: number(byRank, 'http_response_status_code'),
    request_stream: streamed(byRank),
    duration_ms: number(byRank, 'duration_ms'),
    backend_ms: number(byRank, 'backend_ms'),
    started_at: present(first.started_at, 'the traffic has times'),
    version: records.length,
    duplicates: records.length - new Set(records.map(({ hash }) => hash)).size,
    completeness: usage.usage_quality === 'missing' ? 'no_usage' : 'complete',
    ...usage,
  };
}

function number(
  order: readonly CallRecord[],
  name: 'http_response_status_code' | 'duration_ms' | 'backend_ms',
): number | null {
  return order.find((record) => record[name] !== null)?.[name] ?? null;
}

/** The usage log knows best whether an answer was streamed. */
function streamed(byRank: readonly CallRecord[]): boolean | null {
  const best = byRank.find((record) => record.rank === 3 && record.request_stream !== null);
  return (best ?? byRank.find((record) => record.request_stream !== null))?.request_stream ?? null;
}

/** The records of the best evidence: the maximum within a response id, the sum over response ids. */
function usageOf(byUsage: readonly CallRecord[]): Usage {
  const known = byUsage.filter((record) => record.usage_quality !== '');
  const rank = known[0]?.usageRank ?? 5;
  const best = known.filter((record) => record.usageRank === rank);
  const sums = tokenKinds.map((kind): [string, number | null] => {
    const byResponse = new Map<string, number>();
    for (const record of best) {
      const count = record[kind];
      if (count !== null) byResponse.set(record.response_id, Math.max(count, byResponse.get(record.response_id) ?? 0));
    }
    return [kind, byResponse.size === 0 ? null : [...byResponse.values()].reduce((sum, count) => sum + count, 0)];
  });
  return {
    ...(Object.fromEntries(sums) as Omit<Usage, 'usage_quality'>),
    usage_quality: qualities[rank - 1] ?? 'missing',
  };
}
