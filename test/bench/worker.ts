import { positions } from '#clickhouse/ledger.ts';
import { processorMicroseconds } from '../support/stack-process.ts';
import type { Stack } from '../support/stack.ts';
import { untilTrue } from '../support/stack-until.ts';
import type { Measure } from './part.ts';

/** The worker's own figures until everything is stored, and how long sealing took after that. */
export type WorkerMeasure = {
  readonly stored: Measure;
  readonly sealedSecondsAfter: number;
  readonly sealed: Measure;
  readonly inserts: number;
};

/**
 * The whole worker on the backlog of the hub, with the settings of production. It has started and subscribed before the
 * clock runs; then the hub begins to deliver.
 */
export async function measureWorker(
  stack: Stack,
  counts: { readonly messages: number; readonly events: number; readonly calls: number },
  nodeArgs: readonly string[],
): Promise<WorkerMeasure> {
  const { messages, events, calls } = counts;
  stack.hub.pauseDeliveries();
  const ingest = stack.ingest({ messagesMax: 500, paceMs: 1_000, nodeArgs });
  await untilTrue(
    'all partitions are claimed',
    async () => (await stack.logged('claimed')).length === stack.partitionCount,
  );
  const client = processorMicroseconds(ingest.pid);
  const engine = processorMicroseconds(stack.engine.pid);
  const began = performance.now();
  const soFar = (): Measure => ({
    messages,
    events,
    seconds: (performance.now() - began) / 1_000,
    clientMicroseconds: processorMicroseconds(ingest.pid) - client,
    engineMicroseconds: processorMicroseconds(stack.engine.pid) - engine,
  });
  stack.hub.resumeDeliveries();
  await untilTrue(
    'everything is stored',
    async () => (await stack.db.read(positions, {})).reduce((sum, row) => sum + Number(row.messages), 0) === messages,
    60_000,
  );
  const stored = soFar();
  await untilTrue('everything is sealed', async () => (await complete(stack)) === calls, 60_000);
  const sealed = soFar();
  await ingest.stop();
  const [parts] = await stack.db.query<{ n: string }>('SELECT uniqExact(stream, prev) AS n FROM events');
  return { stored, sealed, sealedSecondsAfter: sealed.seconds - stored.seconds, inserts: Number(parts?.n) };
}

/** Calls that were sealed from both their records. */
async function complete(stack: Stack): Promise<number> {
  const [row] = await stack.db.query<{ n: string }>(
    "SELECT uniqExactIf(call_id, completeness = 'complete') AS n FROM calls",
  );
  return Number(row?.n);
}
