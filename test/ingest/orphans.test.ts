import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Database } from '#clickhouse/client.ts';
import { present } from '#common/assert.ts';
import { seal, showOrphans, sweepOrphans } from '../../ingest/seal.ts';
import { random as generator } from '../../local/traffic.ts';
import { chained, Delivered, expectEqual, numbered, permutations, shown, tangled, type Waiting } from './deliveries.ts';
import { base, callRecords, type CallRecord, type Placed, waitingRecords, wire } from './records.ts';
import { openSchema, type Schema } from './schema.ts';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000_000);
console.log(`orphans.test.ts runs with SEED=${seed}`);

let schema: Schema;
let db: Database;
beforeAll(async () => {
  schema = await openSchema();
  db = schema.db;
});
afterAll(async () => schema.close());
beforeEach(async () => {
  for (const name of ['events', 'calls', 'links']) await db.command(`TRUNCATE TABLE ${name}`);
});

const minute = 60_000;
const stream = 'ns/hub/0';

/** Of the records of one call, when the first came that waits for its gateway record. */
function waitingSince(records: readonly Placed[]): number {
  return Math.min(...records.flatMap((r) => (r.kind === 'usage' || r.kind === 'backend' ? r.inserted_at : [])));
}

/** What `sweepOrphans` does, at an instant of our choice. */
async function sweepAt(now: number): Promise<void> {
  await showOrphans(db, wire(0), wire(now - 15 * minute));
}

const oneId: typeof chained = (call) => call.map((record) => ({ ...record, call_id: 'gw/' }));

/** Every order of arrival of calls that mostly wait, as calls of their own: `steps[n]` arrive nth. */
function everyOrder(cases: number, records: number): Waiting[][] {
  const random = generator(seed);
  const steps: Waiting[][] = Array.from({ length: records }, () => []);
  const named = callRecords(records, records).filter((call) => call.some(({ kind }) => kind === 'usage'));
  const drawn = (calls: typeof named): CallRecord[][] => fc.sample(calls, { numRuns: cases / 2, seed });
  for (const [index, call] of [...drawn(named), ...drawn(waitingRecords(records))].entries()) {
    // Some calls are of several systems, which know them under ids of their own; some ids are of several calls.
    const ways = [oneId, chained, tangled];
    const logged = present(ways[index % ways.length], 'an index within the list')(call, random);
    for (const [order, permuted] of permutations(logged).entries()) {
      for (const [step, record] of permuted.entries())
        steps[step]?.push({ ...numbered(record, `${index}-${order}`), stream });
    }
  }
  return steps;
}

test.each([
  ['every record is late', [20, 20, 20, 20]],
  ['none is late but the last', [1, 1, 1, 20]],
  ['the second is late', [1, 20, 1, 1]],
  ['all come within the 15 minutes', [4, 4, 4, 4]],
  ['late by little more than the 15 minutes', [16, 1, 16, 1]],
])(
  'a call of which only usage came is shown after 15 minutes and withdrawn by its gateway record, in every order: %s',
  async (_, gaps) => {
    const delivered = new Delivered(db);
    let now = base + 12 * 60 * minute;
    let shownThrough = -Infinity;
    for (const [step, records] of everyOrder(24, 4).entries()) {
      now += (gaps[step] ?? 1) * minute;
      // The sweep comes before the next records, as it does while they are late.
      await sweepAt(now);
      shownThrough = now - 15 * minute;
      expectEqual(await shown(db), delivered.expected(isShown(shownThrough)), delivered);
      await seal(db, await delivered.insert(records, now));
      await sweepAt(now);
      expectEqual(await shown(db), delivered.expected(isShown(shownThrough)), delivered);
    }
    now += 30 * minute;
    await sweepAt(now);
    const expected = delivered.expected(isShown(now - 15 * minute));
    expectEqual(await shown(db), expected, delivered);
    expect([...expected.values()].filter((call) => call['completeness'] === 'orphan').length).toBeGreaterThan(10);
  },
);

function isShown(before: number): (records: readonly Placed[]) => boolean {
  return (records) => waitingSince(records) < before;
}

/** A usage record or its gateway record, with little in it. */
function plain(kind: 'usage' | 'gateway', call_id: string, started_at: number): Waiting {
  const record = fc.sample(
    callRecords(1, 1).filter(([first]) => first?.kind === kind),
    { numRuns: 1, seed: 1 },
  )[0]?.[0] as CallRecord;
  return { ...record, call_id, stream, started_at, enqueued_at: started_at + 2 * minute };
}

test('the sweep goes by the clock of the database: a call waits 15 minutes, then it is shown, and later withdrawn', async () => {
  const delivered = new Delivered(db);
  const now = Date.now();
  const old = now - 20 * minute;
  await delivered.insert([plain('usage', 'gw/old', old)], now - 16 * minute);
  await delivered.insert([plain('usage', 'gw/young', old)], now - 14 * minute);
  const first = await sweepOrphans(db, null);
  expect(first.shown).toBe(1);
  expect([...(await shown(db)).keys()]).toEqual(['gw/old']);
  expect((await sweepOrphans(db, first.through)).shown).toBe(1);
  await seal(db, await delivered.insert([plain('gateway', 'gw/old', old), plain('gateway', 'gw/young', old)], now));
  expectEqual(await shown(db), delivered.expected(), delivered);
  expect((await sweepOrphans(db, null)).shown).toBe(0);
  expectEqual(await shown(db), delivered.expected(), delivered);
});

test('a sweep starts where the last one ended, and shows any number of calls', async () => {
  const delivered = new Delivered(db);
  const now = Date.now();
  const many = Array.from({ length: 2_300 }, (_, index) => plain('usage', `gw/${index}`, now - 60 * minute - index));
  await delivered.insert(many, now - 40 * minute);
  const first = await sweepOrphans(db, null);
  expect(first.shown).toBe(2_300);
  expectEqual(
    await shown(db),
    delivered.expected(() => true),
    delivered,
  );
  expect((await sweepOrphans(db, first.through)).shown).toBe(0);
});
