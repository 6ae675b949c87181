import { randomInt } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { ownership, positions } from '#clickhouse/ledger.ts';
import type { Database } from '#clickhouse/client.ts';
import { present } from '#common/assert.ts';
import { readTrace, type TracedCall } from '../../local/trace.ts';
import { random, trafficMessages, type TrafficMessage } from '../../local/traffic.ts';
import { sealedByHand } from '../support/stack-expected.ts';
import { poison } from '../support/stack-poison.ts';
import { Stack } from '../support/stack.ts';
import { untilTrue } from '../support/stack-until.ts';
import { deviations, settled, totals, totalsOf } from '../support/stack-verify.ts';

const trace = await readTrace();

async function openStack(): Promise<Stack> {
  const stack = await Stack.start();
  onTestFinished(() => stack.close());
  return stack;
}

function traffic(calls: readonly TracedCall[], seed: number): TrafficMessage[] {
  return trafficMessages(calls, { seed, endsAtMs: Date.now(), partitionCount: 4 });
}

test('a worker that is killed at random times and started again stores every message exactly once', async () => {
  const seed = randomInt(1_000_000);
  process.stdout.write(`delivery: seed of the kills ${seed}\n`);
  const next = random(seed);
  const stack = await openStack();
  const calls = trace.slice(0, 2_000);
  const messages = traffic(calls, seed);
  const kills = 5;
  for (let kill = 0; kill < kills; kill += 1) {
    const ingest = stack.ingest({ messagesMax: 5 });
    const part = messages.slice((messages.length * kill) / kills, (messages.length * (kill + 1)) / kills);
    const sending = stack.send(part);
    await ingest.started;
    const target = await randomTarget(stack.db, part.length, next);
    await untilTrue('a random share is stored', async () => (await stored(stack.db)) >= target);
    await ingest.kill();
    await sending;
  }
  stack.ingest();
  await settled(stack);

  expect(await deviations(stack.db, stack.sent)).toEqual([]);
  expect(await totals(stack.db)).toEqual(totalsOf(calls));
});

async function stored(db: Database): Promise<number> {
  return (await db.read(positions, {})).reduce((sum, row) => sum + Number(row.messages), 0);
}

/** How many stored messages a kill waits for: at times none more than there are, at times nearly all. */
async function randomTarget(db: Database, more: number, next: () => number): Promise<number> {
  return (await stored(db)) + Math.floor(next() * more);
}

test('messages that are sent twice change no call, no token and no cost, and are visible as duplicates', async () => {
  const stack = await openStack();
  const calls = trace.slice(0, 1_500);
  const messages = traffic(calls, 1);
  stack.ingest();
  await stack.send(messages);
  await settled(stack);
  const once = await totals(stack.db);
  await stack.send(messages);
  await settled(stack);

  expect(await totals(stack.db)).toEqual(once);
  expect(once).toEqual(totalsOf(calls));
  expect(await deviations(stack.db, stack.sent)).toEqual([]);
  const [seen] = await stack.db.query<{ duplicates: string }>('SELECT sum(duplicates) AS duplicates FROM calls FINAL');
  const records = sealedByHand(stack.sent).reduce((sum, { version }) => sum + version, 0);
  expect(Number(seen?.duplicates)).toBe(records / 2);
});

test('a worker that sleeps past its lease and wakes up again stores nothing twice, and nothing is lost meanwhile', async () => {
  const stack = await openStack();
  const calls = trace.slice(0, 3_000);
  const messages = traffic(calls, 2);
  const holders = async (): Promise<string[]> =>
    (await stack.db.read(ownership, {})).map(({ owner }) => present(owner.split('/')[0], 'an owner has a name'));
  const sleeper = stack.ingest({ owner: 'sleeper', messagesMax: 5 });
  const other = stack.ingest({ owner: 'other', messagesMax: 5 });
  await untilTrue(
    'both workers have their share',
    async () => (await holders()).sort().join() === 'other,other,sleeper,sleeper',
  );

  const sending = stack.send(messages.slice(0, 400));
  await untilTrue('the sleeper is at work', async () => (await totals(stack.db)).calls !== '0');
  sleeper.signal('SIGSTOP');
  await sending;
  await untilTrue('the other has all streams', async () => (await holders()).every((name) => name === 'other'), 40_000);
  await settled(stack);
  sleeper.signal('SIGCONT');
  await stack.send(messages.slice(400));
  await untilTrue('the sleeper has noticed', async () => (await stack.logged('reading_ended', 'sleeper')).length >= 2);
  await settled(stack);

  expect(await deviations(stack.db, stack.sent)).toEqual([]);
  expect(await totals(stack.db)).toEqual(totalsOf(calls));
  await other.stop();
  // The lease alone takes 15 s.
}, 90_000);

test('poison of every kind blocks no batch: each has one row that is kept with its reason, and all others are exact', async () => {
  const stack = await openStack();
  const calls = trace.slice(0, 6_000);
  const next = random(3);
  const messages: (TrafficMessage & { readonly poison?: (typeof poison)[number] })[] = traffic(calls, 3);
  for (const kind of poison) {
    const place = Math.floor(next() * messages.length);
    messages.splice(place, 0, { partition: Math.floor(next() * 4), body: kind.body, poison: kind });
  }
  messages.splice(100, 0, { partition: 0, body: megabyteCall() });
  stack.ingest();
  await stack.send(messages);
  await settled(stack);

  const places = [0, 0, 0, 0];
  const expected = new Map<string, string>();
  for (const message of messages) {
    const sequence = present(places[message.partition], 'one of four partitions');
    places[message.partition] = sequence + 1;
    const key = `${stack.stream(message.partition)} ${sequence}`;
    if (message.poison !== undefined)
      expected.set(key, `${message.poison.reason} ${Math.min(message.poison.body.length, 1)}`);
  }
  const rows = await stack.db.query<{ key: string; seen: string }>(
    `SELECT concat(stream, ' ', toString(sequence_number)) AS key,
            arrayStringConcat(groupArray(concat(kind, ' ', reason, ' ', toString(least(length(body), 1)))), '; ') AS seen
     FROM events GROUP BY stream, sequence_number`,
  );
  const seen = new Map(rows.map((row) => [row.key, row.seen]));
  expect([...expected.keys()].map((key) => seen.get(key))).toEqual(
    [...expected.values()].map((text) => `rejected ${text}`),
  );
  expect(expected.size / messages.length).toBeGreaterThan(0.015);
  expect(await deviations(stack.db, stack.sent)).toEqual([]);
  expect((await totals(stack.db)).input).toBe(totalsOf(calls).input);
});

/** Almost the largest message of a hub, and understood: its size is in a field that is not kept. */
function megabyteCall(): string {
  const properties = { responseCode: 200, apimSubscriptionId: 'retail-web', requestBody: 'x'.repeat(1_000_000) };
  const resourceId = '/SUBSCRIPTIONS/X/PROVIDERS/MICROSOFT.APIMANAGEMENT/SERVICE/APIM-BIG';
  const time = new Date().toISOString();
  return JSON.stringify({ records: [{ category: 'GatewayLogs', correlationId: 'big', resourceId, time, properties }] });
}
