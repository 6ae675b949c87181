import { setTimeout as delay } from 'node:timers/promises';
import { processorMicroseconds } from '../support/stack-process.ts';
import type { Stack } from '../support/stack.ts';
import { untilTrue } from '../support/stack-until.ts';

/** From enqueued to visible in `calls` under a light load, milliseconds, and what it cost. */
export type FreshnessMeasure = {
  readonly messages: number;
  readonly seconds: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
  /** Processor time per second of the load: of the worker, and of the engine with the bench's own looking. */
  readonly workerMicrosecondsPerSecond: number;
  readonly engineMicrosecondsPerSecond: number;
};

/** How often `calls` is looked at; a figure may be too large by this. */
const lookMs = 50;

/**
 * Sends messages evenly through the real producer, each a call of its own, and notes when each is first seen in
 * `calls`. The clock of a message starts before it is sent, so the way to the hub is in the figure.
 */
export async function measureFreshness(
  stack: Stack,
  load: { readonly messagesPerSecond: number; readonly seconds: number },
): Promise<FreshnessMeasure> {
  const ingest = stack.ingest({ owner: 'freshness', messagesMax: 500, paceMs: 1_000 });
  await untilTrue(
    'all partitions are claimed',
    async () => (await stack.logged('claimed', 'freshness')).length === stack.partitionCount,
  );
  const sentAt = new Map<string, number>();
  const lags: number[] = [];
  const total = load.messagesPerSecond * load.seconds;
  const before = { worker: processorMicroseconds(ingest.pid), engine: processorMicroseconds(stack.engine.pid) };
  const began = performance.now();
  const sending = sendEvenly(stack, total, 1_000 / load.messagesPerSecond, sentAt);
  const patience = began + load.seconds * 1_000 + 30_000;
  while (lags.length < total && performance.now() < patience) {
    const rows = await stack.db.query<{ call_id: string }>(
      "SELECT call_id FROM calls WHERE gateway = 'bench-freshness' AND last_enqueued_at > now64(3) - INTERVAL 30 SECOND",
    );
    const now = performance.now();
    for (const { call_id } of rows) {
      const sent = sentAt.get(call_id);
      if (sent === undefined) continue;
      sentAt.delete(call_id);
      lags.push(now - sent);
    }
    await delay(lookMs);
  }
  await sending;
  const seconds = (performance.now() - began) / 1_000;
  const worker = processorMicroseconds(ingest.pid) - before.worker;
  const engine = processorMicroseconds(stack.engine.pid) - before.engine;
  await ingest.stop();
  if (lags.length < total) throw new Error(`${total - lags.length} of ${total} calls were never seen`);
  const sorted = lags.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return {
    messages: total,
    seconds,
    p50: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    max: at(1),
    workerMicrosecondsPerSecond: worker / seconds,
    engineMicrosecondsPerSecond: engine / seconds,
  };
}

async function sendEvenly(stack: Stack, total: number, everyMs: number, sentAt: Map<string, number>): Promise<void> {
  const began = performance.now();
  const sends: Promise<void>[] = [];
  for (let index = 0; index < total; index += 1) {
    const wait = began + index * everyMs - performance.now();
    if (wait > 0) await delay(wait);
    const requestId = `freshness-${index}`;
    sentAt.set(`bench-freshness/${requestId}`, performance.now());
    // Not awaited one by one: a slow answer must not make the load lighter.
    sends.push(stack.send([{ partition: index % stack.partitionCount, body: call(requestId) }]));
  }
  await Promise.all(sends);
}

/** A policy event of a whole call. */
function call(requestId: string): string {
  return JSON.stringify({
    schema: 'gatemeter.call.v1',
    time: new Date().toISOString(),
    requestId,
    gateway: 'bench-freshness',
    subscriptionId: 'bench',
    status: 200,
    stream: false,
    elapsedMs: 700,
    responseModel: 'gpt-4o-2024-11-20',
    usage: { prompt_tokens: 1_000, completion_tokens: 200, total_tokens: 1_200 },
  });
}
