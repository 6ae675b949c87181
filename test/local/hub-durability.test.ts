import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { appendFile, readdir, readFile, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { EventHubProducerClient } from '@azure/event-hubs';
import { expect, onTestFinished, test } from 'vitest';
import { startHub } from '../../local/hub.ts';
import {
  event,
  openHub,
  openProducer,
  range,
  receive,
  sequencesOf,
  subscribe,
  temporaryDirectory,
} from '../support/hub-clients.ts';

const inFirst = { partitionId: '0' };

/** A hub in a process of its own, which is killed after the test at the latest. */
async function spawnHub(
  directory: string,
  prefix: readonly string[] = [],
): Promise<{ child: ChildProcess; connectionString: string }> {
  const script = new URL('../support/hub-child.ts', import.meta.url).pathname;
  const [command, ...parameters] = [...prefix, process.execPath, script, directory, '0', 'gateway-logs', '2'] as const;
  const child = spawn(command ?? '', parameters, { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const { connectionString } = JSON.parse(line.toString()) as { connectionString: string };
  return { child, connectionString };
}

async function lastSegment(directory: string): Promise<string> {
  const names = await readdir(join(directory, 'partition-0'));
  return join(
    directory,
    'partition-0',
    names
      .filter((name) => name.endsWith('.log'))
      .sort()
      .at(-1) ?? '',
  );
}

test('a hub that is killed while it stores keeps every event that it has acknowledged, in order', async () => {
  const directory = await temporaryDirectory();
  const { child, connectionString } = await spawnHub(directory);
  const producer = new EventHubProducerClient(connectionString, { retryOptions: { maxRetries: 0 } });
  const acknowledged: string[] = [];
  const produce = async (lane: number): Promise<void> => {
    for (let number = 0; ; number += 1) {
      const names = range(20).map((index) => `${lane}/${number}/${index}`);
      await producer.sendBatch(names.map(event), inFirst);
      acknowledged.push(...names);
      if (acknowledged.length > 2_000) child.kill('SIGKILL');
    }
  };
  // The sends that are under way when the hub dies fail only after the client's timeout; nothing waits for them.
  for (const lane of range(3)) produce(lane).catch(() => undefined);
  await once(child, 'exit');

  const { connectionString: again } = await openHub(directory);
  const state = await openProducer(again).getPartitionProperties('0');
  const stored = await receive(again, state.lastEnqueuedSequenceNumber + 1);
  const bodies = stored.map(({ body }) => String(body));
  const kept = new Set(bodies);

  expect(acknowledged.filter((name) => !kept.has(name))).toEqual([]);
  expect(kept.size).toBe(bodies.length);
  expect(sequencesOf(stored)).toEqual(range(bodies.length));
});

test.each([
  ['half a record', (record: Buffer) => record.subarray(0, record.length / 2)],
  ['a record with another checksum', (record: Buffer) => Buffer.concat([record.subarray(0, -1), Buffer.from([1])])],
  ['zeros', () => Buffer.alloc(4_096)],
])('%s at the end of a file is cut off, and the next event takes its place', async (_case, tail) => {
  const directory = await temporaryDirectory();
  const before = await startHub({ dataDirectory: directory, port: 0, hub: 'gateway-logs', partitionCount: 2 });
  const producer = new EventHubProducerClient(before.connectionString);
  await producer.sendBatch([event('kept')], inFirst);
  await producer.close();
  await before.close();
  const file = await lastSegment(directory);
  await appendFile(file, tail(await readFile(file)));

  const { connectionString } = await openHub(directory);
  await openProducer(connectionString).sendBatch([event('next')], inFirst);
  const events = await receive(connectionString, 2);

  expect(events.map(({ body }) => String(body))).toEqual(['kept', 'next']);
  expect(sequencesOf(events)).toEqual([0, 1]);
});

test('connections that are cut while a consumer receives leave no gap and no event twice', async () => {
  const hub = await openHub();
  const count = 6_000;
  const producer = openProducer(hub.connectionString);
  for (const _batch of range(count / 500)) await producer.sendBatch(range(500).map(String).map(event), inFirst);
  const subscriber = subscribe(hub.connectionString, { maxBatchSize: 100 });
  for (let cutAt = 500; cutAt < count; cutAt += 1_100) {
    await subscriber.until(({ length }) => length >= cutAt);
    hub.cutConnections();
  }
  const events = await subscriber.until(({ length }) => length >= count);

  expect(sequencesOf(events)).toEqual(range(count));
});

test('a trimmed partition begins later, also after a restart, and an older position starts at the oldest event', async () => {
  const directory = await temporaryDirectory();
  const before = await startHub({ dataDirectory: directory, port: 0, hub: 'gateway-logs', partitionCount: 2 });
  const producer = new EventHubProducerClient(before.connectionString);
  await producer.sendBatch(range(10).map(String).map(event), inFirst);
  await before.trim(0, 4);
  const trimmed = await producer.getPartitionProperties('0');
  await producer.close();
  await before.close();
  const hub = await openHub(directory);

  expect(trimmed).toMatchObject({ beginningSequenceNumber: 4, lastEnqueuedSequenceNumber: 9, isEmpty: false });
  expect(sequencesOf(await receive(hub.connectionString, 6))).toEqual(range(6, 4));
  expect(sequencesOf(await receive(hub.connectionString, 6, { from: { sequenceNumber: 1 } }))).toEqual(range(6, 4));

  await hub.trim(0, 100);
  const after = openProducer(hub.connectionString);
  expect(await after.getPartitionProperties('0')).toMatchObject({ beginningSequenceNumber: 10, isEmpty: true });
  const late = subscribe(hub.connectionString, { from: { sequenceNumber: 9 } });
  await after.sendBatch([event('next')], inFirst);
  expect(sequencesOf(await late.until(({ length }) => length > 0))).toEqual([10]);
});

test('many files are one partition: every position is found, a trim deletes files, a restart changes nothing', async () => {
  const directory = await temporaryDirectory();
  const before = await startHub({ dataDirectory: directory, port: 0, hub: 'gateway-logs', partitionCount: 2 });
  const producer = new EventHubProducerClient(before.connectionString);
  const body = randomBytes(1_000_000);
  for (const _event of range(140)) await producer.sendBatch([{ body }], inFirst);
  await producer.close();
  await before.close();
  const hub = await openHub(directory);
  const files = async (): Promise<number> => (await readdir(join(directory, 'partition-0'))).length;
  const firstFrom = async (sequenceNumber: number): Promise<number | undefined> => {
    const from = { sequenceNumber, isInclusive: true };
    return (await receive(hub.connectionString, 1, { from, maxBatchSize: 1 }))[0]?.sequenceNumber;
  };

  expect(await files()).toBe(3);
  for (const sequence of [0, 66, 67, 68, 69, 70, 139]) expect(await firstFrom(sequence)).toBe(sequence);
  const [middle] = await receive(hub.connectionString, 1, { from: { sequenceNumber: 100 }, maxBatchSize: 1 });
  const byTime = await receive(hub.connectionString, 1, {
    from: { enqueuedOn: (middle?.enqueuedTimeUtc.getTime() ?? 0) - 1 },
    maxBatchSize: 1,
  });
  expect(byTime[0]?.enqueuedTimeUtc).toEqual(middle?.enqueuedTimeUtc);
  await hub.trim(0, 100);
  expect(await files()).toBe(3);
  expect(await firstFrom(0)).toBe(100);
  await hub.trim(0, 139);
  expect(await files()).toBe(2);
  expect(body.equals((await receive(hub.connectionString, 1))[0]?.body as Buffer)).toBe(true);
});

test('a restart keeps the instant of creation, and a deleted directory makes a new hub that counts from 0', async () => {
  const dataDirectory = await temporaryDirectory();
  const options = { dataDirectory, port: 0, hub: 'gateway-logs', partitionCount: 2 };
  const run = async (): Promise<{ createdOn: number; last: number }> => {
    const hub = await startHub(options);
    const producer = new EventHubProducerClient(hub.connectionString);
    await producer.sendBatch([event('one')], inFirst);
    const { createdOn } = await producer.getEventHubProperties();
    const { lastEnqueuedSequenceNumber: last } = await producer.getPartitionProperties('0');
    await producer.close();
    await hub.close();
    return { createdOn: createdOn.getTime(), last };
  };
  const first = await run();
  const second = await run();
  await expect(startHub({ ...options, partitionCount: 8 })).rejects.toThrow(/2 partitions, not .* with 8/u);
  await rm(dataDirectory, { recursive: true });
  const recreated = await run();

  expect([first.last, second.last, recreated.last]).toEqual([0, 1, 0]);
  expect(second.createdOn).toBe(first.createdOn);
  expect(recreated.createdOn).toBeGreaterThan(first.createdOn);
});

test('a damaged event is an error that the consumer sees, never other bytes', async () => {
  const directory = await temporaryDirectory();
  const hub = await openHub(directory);
  const producer = openProducer(hub.connectionString);
  await producer.sendBatch([event('damaged')], inFirst);
  const file = await lastSegment(directory);
  const { length } = await readFile(file);
  await truncate(file, length - 3);
  await appendFile(file, 'xyz');

  // The client tries again first, and then gives the errors of all its attempts.
  const failure = (await subscribe(hub.connectionString).failed) as AggregateError;

  expect((failure.errors[0] as Error).message).toContain('The partition cannot be read');
});

test('an event for which the disk has no room is refused and leaves no trace, and one that fits is stored', async () => {
  const directory = await temporaryDirectory();
  const { child, connectionString } = await spawnHub(directory, ['bash', '-c', 'ulimit -f 1024; exec "$@"', 'limited']);
  const producer = new EventHubProducerClient(connectionString, { retryOptions: { maxRetries: 0 } });

  await producer.sendBatch([{ body: Buffer.alloc(900_000) }], inFirst);
  const refused = producer.sendBatch([event('first'), event('other'), { body: Buffer.alloc(400_000) }], inFirst);
  await expect(refused).rejects.toMatchObject({ code: 'InternalServerError', retryable: true });
  await producer.sendBatch([event('small')], inFirst);
  child.kill('SIGKILL');
  await once(child, 'exit');

  const { connectionString: again } = await openHub(directory);
  const events = await receive(again, 2);
  const { lastEnqueuedSequenceNumber } = await openProducer(again).getPartitionProperties('0');
  expect(events.map(({ body }) => (body as Buffer).length)).toEqual([900_000, 5]);
  expect(String(events[1]?.body)).toBe('small');
  // Of the refused batch, the second event would stand right behind one of the same size.
  expect(lastEnqueuedSequenceNumber).toBe(1);
});
