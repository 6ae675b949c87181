import type { Database } from '#clickhouse/client.ts';
import { table } from '#clickhouse/view.ts';
import type { Backend } from './backends.ts';

/** What a gateway tells of a call: not every one knows the first token's time or the instance. */
export type Knowledge = { readonly name: string; readonly firstToken: boolean; readonly instance: boolean };

/** The columns of `calls` that generated traffic fills. */
const calls = table('calls', {
  call_id: 'String',
  call_ids: 'Array(String)',
  version: 'UInt32',
  is_deleted: 'UInt8',
  completeness: 'LowCardinality(String)',
  gateway: 'LowCardinality(String)',
  source: 'LowCardinality(String)',
  started_at: "DateTime64(3, 'UTC')",
  consumer_id: 'LowCardinality(String)',
  provider_name: 'LowCardinality(String)',
  deployment: 'LowCardinality(String)',
  backend: 'LowCardinality(String)',
  instance_id: 'LowCardinality(String)',
  http_response_status_code: 'Nullable(UInt16)',
  duration_ms: 'Nullable(UInt32)',
  backend_ms: 'Nullable(UInt32)',
  time_to_first_token_ms: 'Nullable(UInt32)',
  usage_input_tokens: 'Nullable(UInt64)',
  usage_output_tokens: 'Nullable(UInt64)',
  usage_quality: 'LowCardinality(String)',
});

/** Writes a back end's calls into `calls`, as a gateway of this knowledge would have told them. */
export async function storeCalls(db: Database, backend: Backend, knows: Knowledge): Promise<void> {
  const lines = backend.calls.map((call, index) => {
    const id = `${knows.name}/${backend.deployment}/${index}`;
    const at = new Date(call.at).toISOString().replace('T', ' ').replace('Z', '');
    const succeeded = call.status === 200;
    return JSON.stringify([
      id,
      [id],
      1,
      0,
      'complete',
      'generated',
      'generated',
      at,
      `${knows.name}-consumer`,
      'custom',
      `${knows.name}/${backend.deployment}`,
      'generated',
      knows.instance ? call.instance : '',
      call.status,
      call.wholeMs,
      call.wholeMs,
      knows.firstToken && succeeded ? call.firstMs : null,
      call.input,
      succeeded ? call.output : null,
      'exact',
    ]);
  });
  for (let at = 0; at < lines.length; at += 100_000) await db.insert(calls, lines.slice(at, at + 100_000).join('\n'));
}
