import { EventHubProducerClient, type EventData } from '@azure/event-hubs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { assert } from '#common/assert.ts';
import { readTrace } from './trace.ts';
import { trafficMessages, type TrafficMessage } from './traffic.ts';

/** Where a replay stands, on disk: a second start continues, and the same messages have the same content. */
type Plan = { readonly seed: number; readonly endsAtMs: number; readonly sent: number };

export type Replay = { readonly seed: number; readonly calls: number; readonly messages: number };

const chunkMessages = 256;

/**
 * Sends the trace to the hub through the real SDK, from where an earlier run stopped. A crash may send one chunk twice;
 * that is what Azure does too, and the ledger counts it once. `onProgress` hears messages sent of all.
 */
export async function replayTrace(options: {
  readonly connectionString: string;
  readonly hub: string;
  readonly planFile: string;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly onProgress: (sent: number, of: number) => void;
}): Promise<Replay> {
  const { seed, endsAtMs, ...plan } = await readPlan(options.planFile, options.seed);
  let sent = plan.sent;
  const client = new EventHubProducerClient(options.connectionString, options.hub);
  try {
    const partitions = await client.getPartitionIds();
    const trace = await readTrace();
    const messages = trafficMessages(trace, { seed, endsAtMs, partitionCount: partitions.length });
    while (sent < messages.length && !options.signal.aborted) {
      const chunk = messages.slice(sent, sent + chunkMessages);
      await send(client, partitions, chunk);
      sent += chunk.length;
      await writePlan(options.planFile, { seed, endsAtMs, sent });
      options.onProgress(sent, messages.length);
    }
    return { seed, calls: trace.length, messages: messages.length };
  } finally {
    await client.close();
  }
}

/** Sends messages to their partitions, in as few batches as the hub's size limit allows. */
export async function send(
  client: EventHubProducerClient,
  partitions: readonly string[],
  messages: readonly TrafficMessage[],
): Promise<void> {
  await Promise.all(
    partitions.map(async (partitionId, index) => {
      const own = messages.filter((message) => message.partition === index);
      let batch = await client.createBatch({ partitionId });
      for (const { body } of own) {
        const event: EventData = { body: Buffer.from(body) };
        if (batch.tryAdd(event)) continue;
        await client.sendBatch(batch);
        batch = await client.createBatch({ partitionId });
        assert(batch.tryAdd(event), 'a message fits into an empty batch');
      }
      if (batch.count > 0) await client.sendBatch(batch);
    }),
  );
}

async function readPlan(file: string, seed: number): Promise<Plan> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Plan;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const plan = { seed, endsAtMs: Date.now(), sent: 0 };
    await writePlan(file, plan);
    return plan;
  }
}

async function writePlan(file: string, plan: Plan): Promise<void> {
  await writeFile(`${file}.new`, JSON.stringify(plan));
  await rename(`${file}.new`, file);
}
