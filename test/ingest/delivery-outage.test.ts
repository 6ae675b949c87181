import { rm } from 'node:fs/promises';
import { expect, onTestFinished, test } from 'vitest';
import { gaps } from '#clickhouse/tables.ts';
import { positions } from '#clickhouse/ledger.ts';
import { pipeline } from '#clickhouse/views.ts';
import { readTrace, type TracedCall } from '../../local/trace.ts';
import { trafficMessages, type TrafficMessage } from '../../local/traffic.ts';
import { Stack } from '../support/stack.ts';
import { residentBytes } from '../support/stack-process.ts';
import { untilTrue } from '../support/stack-until.ts';
import { deviations, settled, totals, totalsOf, wrongCalls, wrongRecords } from '../support/stack-verify.ts';

const trace = await readTrace();
const mebibyte = 1024 * 1024;

async function openStack(): Promise<Stack> {
  const stack = await Stack.start();
  onTestFinished(() => stack.close());
  return stack;
}

function traffic(calls: readonly TracedCall[], seed: number): TrafficMessage[] {
  return trafficMessages(calls, { seed, endsAtMs: Date.now(), partitionCount: 4 });
}

async function stored(stack: Stack): Promise<number> {
  return (await stack.db.read(positions, {})).reduce((sum, row) => sum + Number(row.messages), 0);
}

function anew(partition: number, count: number): TrafficMessage[] {
  return Array.from({ length: count }, (_, index) => ({ partition, body: `anew ${index}` }));
}

test('while the database is away ingest waits within its memory, and catches up when it is back', async () => {
  const stack = await openStack();
  const calls = trace.slice(0, 1_200);
  const messages = traffic(calls, 4);
  await stack.engine.kill();
  const ingest = stack.ingest({ messagesMax: 4 });
  await stack.send(messages.slice(0, 200));
  await untilTrue('ingest waits for its start', async () => (await stack.logged('database_retry')).length >= 2);
  await stack.restartEngine();
  await settled(stack);
  const before = residentBytes(ingest.pid);
  await stack.engine.kill();
  // Many times more than the 4 messages that each of the four partitions may hold.
  const large = Array.from({ length: 320 }, (_, index) => ({ partition: index % 4, body: `${index} `.repeat(80_000) }));
  await stack.send(large);
  await stack.send(messages.slice(200));
  let most = 0;
  await untilTrue('every partition has met the outage several times', async () => {
    most = Math.max(most, residentBytes(ingest.pid));
    const retries = (await stack.logged('database_retry')).filter(
      ({ stream, tries }) => stream !== undefined && Number(tries) >= 4,
    );
    return new Set(retries.map(({ stream }) => stream)).size === 4;
  });
  process.stdout.write(
    `delivery: ingest grew by ${Math.round((most - before) / mebibyte)} MiB while the database was away\n`,
  );
  await stack.restartEngine();
  await settled(stack);

  const sentBytes = large.reduce((sum, { body }) => sum + body.length, 0);
  expect(sentBytes).toBeGreaterThan(80 * mebibyte);
  expect(most - before).toBeLessThan(60 * mebibyte);
  expect(await deviations(stack.db, stack.sent)).toEqual([]);
  expect(await totals(stack.db)).toEqual(totalsOf(calls));
});

test('connections that are cut again and again, and a hub that restarts, leave no gap and no message twice', async () => {
  const stack = await openStack();
  const calls = trace.slice(0, 3_000);
  const messages = traffic(calls, 5);
  stack.ingest({ messagesMax: 20 });
  const cuts = 8;
  for (let cut = 0; cut < cuts; cut += 1) {
    const before = await stored(stack);
    await stack.send(messages.slice((messages.length * cut) / cuts, (messages.length * (cut + 1)) / cuts));
    await untilTrue('some of it is stored', async () => (await stored(stack)) > before);
    if (cut === cuts / 2) await stack.restartHub();
    else stack.hub.cutConnections();
  }
  await settled(stack);

  expect(await deviations(stack.db, stack.sent)).toEqual([]);
  expect(await totals(stack.db)).toEqual(totalsOf(calls));
});

test('a hub that was recreated stops its partitions as `recreated` instead of counting other messages as ours', async () => {
  const stack = await openStack();
  const messages = traffic(trace.slice(0, 2_000), 6);
  const ingest = stack.ingest();
  await stack.send(messages);
  await settled(stack);
  const before = await stack.db.read(positions, {}, { orderBy: [{ column: 'stream', descending: false }] });
  await stack.restartHub(async (directory) => rm(directory, { recursive: true }));
  // Two partitions go beyond where the old hub ended, two stay behind.
  await stack.send([...anew(0, 1_000), ...anew(1, 1_000), ...anew(2, 3), ...anew(3, 3)]);
  const states = async (): Promise<string[]> => (await stack.db.read(pipeline, {})).map(({ state }) => state);
  await untilTrue(
    'all partitions are stopped',
    async () => (await states()).every((state) => state === 'recreated'),
    50_000,
  );
  await ingest.stop();

  // A worker that starts afterwards must not believe the positions either.
  const next = stack.ingest();
  await untilTrue(
    'it took them and stopped',
    async () => (await stack.logged('released')).filter(({ end }) => end === 'recreated').length === 8,
  );
  await next.stop();
  const after = await stack.db.read(positions, {}, { orderBy: [{ column: 'stream', descending: false }] });
  expect(after).toEqual(before);
  // A person is told of each, whether it goes beyond the old hub's end or stays behind it.
  expect(new Set((await stack.logged('hub_recreated')).map(({ stream }) => stream)).size).toBe(4);
  // What was sealed stays known: whoever reads on would otherwise seal all of the past again.
  const kept = await stack.db.read(pipeline, {});
  expect(kept.map((row) => row.sealed_through)).toEqual(kept.map((row) => row.watermark));
});

test('messages that the hub dropped before they were read are recorded as lost, and all others are read', async () => {
  const stack = await openStack();
  const messages = traffic(trace.slice(0, 2_000), 7);
  const ingest = stack.ingest();
  await stack.send(messages.slice(0, 150));
  await settled(stack);
  await ingest.stop();
  const kept = new Map([...stack.sent].map(([stream, bodies]) => [stream, bodies.length]));
  await stack.send(messages.slice(150));
  const lost = [5, 17, 0, 1];
  const expected: unknown[] = [];
  for (const [partition, count] of lost.entries()) {
    const stream = stack.stream(partition);
    const first = kept.get(stream) ?? 0;
    await stack.hub.trim(partition, first + count);
    // What is lost has no rows, so it is expected to have no records.
    for (let at = first; at < first + count; at += 1) stack.sent.get(stream)?.splice(at, 1, new Uint8Array(0));
    if (count > 0)
      expected.push({ stream, first: String(first), last: String(first + count - 1), reason: 'retention' });
  }
  stack.ingest();
  await settled(stack);

  const columns = Object.keys(gaps.columns).join(', ');
  expect(await stack.db.query(`SELECT ${columns} FROM gaps FINAL ORDER BY stream`)).toEqual(expected);
  const rows = await stack.db.read(pipeline, {}, { orderBy: [{ column: 'stream', descending: false }] });
  expect(rows.map((row) => Number(row.lost))).toEqual(lost);
  expect(rows.map((row) => row.missing)).toEqual(['0', '0', '0', '0']);
  expect(rows.map((row) => row.balanced)).toEqual([true, true, true, true]);
  expect(await stored(stack)).toBe(stack.sentCount - 23);
  expect([...(await wrongRecords(stack.db, stack.sent)), ...(await wrongCalls(stack.db, stack.sent))]).toEqual([]);
});

test('a hole in the stored messages is read again from the hub at the next start, also at the end of a stream', async () => {
  const stack = await openStack();
  const calls = trace.slice(0, 2_000);
  const first = stack.ingest();
  await stack.send(traffic(calls, 8));
  await settled(stack);
  await first.stop();
  const end = (stack.sent.get(stack.stream(1))?.length ?? 0) - 1;
  const holes = `(stream = '${stack.stream(0)}' AND sequence_number IN (3, 4, 5, 20, 60)) OR (stream = '${stack.stream(1)}' AND sequence_number IN (7, ${end}))`;
  await stack.db.command(`ALTER TABLE events DELETE WHERE ${holes} SETTINGS mutations_sync = 2`);
  expect(await stored(stack)).toBe(stack.sentCount - 7);
  stack.ingest({ owner: 'second' });
  await untilTrue('the holes are closed', async () => (await stored(stack)) === stack.sentCount);
  await settled(stack);

  expect(await deviations(stack.db, stack.sent)).toEqual([]);
  expect(await totals(stack.db)).toEqual(totalsOf(calls));
  expect((await stack.logged('repair', 'second')).length).toBe(4);
});
