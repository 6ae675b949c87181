import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Database } from '#clickhouse/client.ts';
import { seal } from '../../ingest/seal.ts';
import { random as generator } from '../../local/traffic.ts';
import {
  Delivered,
  expectEqual,
  numbered,
  permutations,
  shown,
  shuffled,
  tangled,
  type Logged,
  type Waiting,
} from './deliveries.ts';
import { base, callRecords } from './records.ts';
import { openSchema, type Schema } from './schema.ts';

/* Ids that clients chose may be of several calls: what was merged by them falls apart, and no token counts twice. */

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000_000);
console.log(`seal-split.test.ts runs with SEED=${seed}`);

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

const streams = ['ns/hub/0', 'ns/hub/1', 'ns/hub/2', 'backfill/ws/0'];
const insertedAt = base + 12 * 3_600_000;

/** The records, numbered as those of one case, each on some stream. */
function placed(records: readonly Logged[], name: string, random: () => number): Waiting[] {
  return records.map((record) => ({
    ...numbered(record, name),
    stream: streams[Math.floor(random() * streams.length)] ?? '',
  }));
}

test('ids that clients gave to several calls merge none that one system knows apart, in every order and after every record', async () => {
  const delivered = new Delivered(db);
  const random = generator(seed);
  const steps: Waiting[][] = [[], [], [], []];
  for (const [index, records] of fc.sample(callRecords(4, 4), { numRuns: 10, seed }).entries())
    for (const [order, permuted] of permutations(tangled(records, random)).entries())
      for (const [step, record] of placed(permuted, `${index}-${order}`, random).entries()) steps[step]?.push(record);
  for (const records of steps) {
    // Some streams are sealed together, some alone, as one worker or several would.
    const ranges = await delivered.insert(records, insertedAt);
    const cut = Math.floor(random() * (ranges.length + 1));
    for (const part of [ranges.slice(0, cut), ranges.slice(cut)]) await seal(db, part);
    expectEqual(await shown(db), delivered.expected(), delivered);
  }
  await db.command('OPTIMIZE TABLE calls FINAL');
  expectEqual(await shown(db), delivered.expected(), delivered);
});

/** Cases of many calls around ids that more and more of them have, until these link nothing any longer. */
function crowded(cases: number): Waiting[] {
  const random = generator(seed + 1);
  const all = fc
    .sample(callRecords(12, 24), { numRuns: cases, seed })
    .flatMap((records, index) => placed(tangled(records, random, 8), String(index), random));
  return shuffled(all, random);
}

test('an id that turns out to be of several calls merges none of them, whatever was merged by it before', async () => {
  const delivered = new Delivered(db);
  const all = crowded(5);
  for (let start = 0; start < all.length; start += 30) {
    await seal(db, await delivered.insert(all.slice(start, start + 30), insertedAt));
    expectEqual(await shown(db), delivered.expected(), delivered);
  }
  const split = [...delivered.expected().values()].filter(({ completeness }) => completeness === 'orphan');
  expect(split.length).toBeGreaterThan(0);
  const before = await shown(db);
  for (const stream of shuffled(streams, generator(seed)))
    await seal(db, [{ stream, after: -1, through: delivered.last(stream) }]);
  expect(await shown(db)).toEqual(before);
});

test('workers that seal calls with shared ids at the same time leave them as if one had done it', async () => {
  const delivered = new Delivered(db);
  const all = crowded(5);
  const work = streams.map(async (stream) => {
    const own = all.filter((record) => record.stream === stream);
    for (let start = 0; start < own.length; start += 15)
      await seal(db, await delivered.insert(own.slice(start, start + 15), insertedAt));
  });
  await Promise.all(work);
  expectEqual(await shown(db), delivered.expected(), delivered);
});

test('a worker that was held up between reading the links and merging withdraws what others know to be several calls', async () => {
  const delivered = new Delivered(db);
  const random = generator(seed + 2);
  const all = crowded(4);
  const size = 12;
  for (let start = 0; start < all.length; start += 3 * size) {
    const [own = [], ...others] = [0, 1, 2].map((n) => all.slice(start + n * size, start + (n + 1) * size));
    // Only the first merging is held up: the worker goes on alone then.
    let held = others;
    const heldUp: Database = {
      ...db,
      insertFrom: async (table, view, args) => {
        const meanwhile = table.name === 'calls' ? held : [];
        if (table.name === 'calls') held = [];
        for (const records of meanwhile) await seal(db, await delivered.insert(records, insertedAt));
        await db.insertFrom(table, view, args);
      },
    };
    await seal(heldUp, await delivered.insert(shuffled(own, random), insertedAt));
    for (const records of held) await seal(db, await delivered.insert(records, insertedAt));
    expectEqual(await shown(db), delivered.expected(), delivered);
  }
});
