import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Database } from '#clickhouse/client.ts';
import { calls } from '#clickhouse/tables.ts';
import { table } from '#clickhouse/view.ts';
import { sealed } from '#clickhouse/ledger.ts';
import { usage, unfiltered } from '#clickhouse/views.ts';
import { arraysOf, seal } from '../../ingest/seal.ts';
import { random as generator } from '../../local/traffic.ts';
import {
  chained,
  Delivered,
  expectEqual,
  numbered,
  permutations,
  shown,
  shuffled,
  type Logged,
  type Range,
  type Waiting,
} from './deliveries.ts';
import { base, callRecords, wire, type CallRecord } from './records.ts';
import { openSchema, type Schema } from './schema.ts';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000_000);
console.log(`seal.test.ts runs with SEED=${seed}`);

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

/** One id for all records of a call, as most calls have. */
const oneId = (call: readonly CallRecord[]): Logged[] => call.map((record) => ({ ...record, call_id: 'gw/' }));

/** Cases of a few records each, and of each case every order of arrival as a call of its own: `steps[n]` arrive nth. */
function everyOrder(cases: number, records: number, logged: typeof chained = oneId): Waiting[][] {
  const random = generator(seed);
  const steps: Waiting[][] = Array.from({ length: records }, () => []);
  for (const [index, call] of fc.sample(callRecords(records, records), { numRuns: cases, seed }).entries()) {
    for (const [order, permuted] of permutations(logged(call, random)).entries()) {
      for (const [step, record] of permuted.entries()) {
        const stream = streams[Math.floor(random() * streams.length)] ?? '';
        steps[step]?.push({ ...numbered(record, `${index}-${order}`), stream });
      }
    }
  }
  return steps;
}

/** Calls of many records, each record on some stream, in some order. */
function interleaved(cases: number, records: number, logged: typeof chained = oneId): Waiting[] {
  const random = generator(seed + 1);
  const all = fc.sample(callRecords(2, records), { numRuns: cases, seed: seed + records }).flatMap((call, index) =>
    logged(call, random).map((record) =>
      Object.assign(numbered(record, String(index)), {
        stream: streams[Math.floor(random() * streams.length)] ?? '',
      }),
    ),
  );
  return shuffled(all, random);
}

/** Some ranges one by one, some together, as one worker or several would. */
async function sealInParts(ranges: readonly Range[], random: () => number): Promise<void> {
  for (let start = 0; start < ranges.length;) {
    const end = start + 1 + Math.floor(random() * 4);
    await seal(db, ranges.slice(start, end));
    start = end;
  }
}

test('a call is the same whatever order its records came in, and right after every single one', async () => {
  const delivered = new Delivered(db);
  for (const records of everyOrder(40, 4)) {
    await seal(db, await delivered.insert(records, insertedAt));
    expectEqual(await shown(db), delivered.expected(), delivered);
  }
  expect(delivered.expected().size).toBeGreaterThan(500);
});

test('calls of many records over several streams are right after every batch', async () => {
  const delivered = new Delivered(db);
  const all = interleaved(200, 9);
  const size = Math.ceil(all.length / 5);
  for (let start = 0; start < all.length; start += size) {
    await seal(db, await delivered.insert(all.slice(start, start + size), insertedAt));
    expectEqual(await shown(db), delivered.expected(), delivered);
  }
});

test('sealing again, in other ranges and in any order, changes nothing', async () => {
  const delivered = new Delivered(db);
  const all = interleaved(120, 6);
  for (const part of [all.slice(0, 300), all.slice(300)]) await delivered.insert(part, insertedAt);
  const ranges = streams.flatMap((stream): Range[] => {
    const last = delivered.last(stream);
    const middle = Math.floor(last / 2);
    return [
      { stream, after: -1, through: last },
      { stream, after: middle, through: last },
      { stream, after: -1, through: middle },
      { stream, after: middle - 5, through: middle + 5 },
    ];
  });
  await sealInParts(shuffled(ranges, generator(seed)), generator(seed));
  expectEqual(await shown(db), delivered.expected(), delivered);
  const first = await shown(db);
  await sealInParts(shuffled(ranges, generator(seed + 1)), generator(seed + 1));
  expect(await shown(db)).toEqual(first);
  await db.command('OPTIMIZE TABLE calls FINAL');
  expect(await shown(db)).toEqual(first);
});

test('a slow worker whose sealing saw less does not undo what a faster one wrote later', async () => {
  const delivered = new Delivered(db);
  const held: string[] = [];
  const random = generator(seed + 2);
  for (const records of everyOrder(20, 4)) {
    for (const range of await delivered.insert(records, insertedAt)) {
      const name = `held_${held.length}`;
      await db.command(`CREATE OR REPLACE TABLE ${name} AS calls ENGINE = MergeTree ORDER BY call_id`);
      const args = {
        ...arraysOf([range]),
        orphans: [],
        since: wire(base - 100 * 86_400_000),
        linked_ids: [],
        roots: [],
        parts: [],
        weights: [],
      };
      await db.insertFrom(table(name, calls.columns), sealed, args);
      held.push(name);
    }
  }
  const list = Object.keys(calls.columns).join(', ');
  for (let round = 0; round < 4; round += 1) {
    await db.command('TRUNCATE TABLE calls');
    for (const name of shuffled([...held, ...held.slice(round)], random))
      await db.command(`INSERT INTO calls (${list}) SELECT ${list} FROM ${name}`);
    expectEqual(await shown(db), delivered.expected(), delivered);
  }
  for (const name of held) await db.command(`DROP TABLE ${name}`);
});

test('a record that the hub got a day before the other says that the call began is still of that call', async () => {
  const hour = 3_600_000;
  const records = fc.sample(callRecords(2, 2), { numRuns: 40, seed }).flatMap((call, index) =>
    call.map((record, late) => ({
      ...record,
      call_id: `gw/${index}`,
      stream: streams[late] ?? '',
      // The second comes a day later by its own clock; or months later, and does not say when the call began.
      enqueued_at: base + late * (index % 2 === 0 ? 23 * hour : 80 * 24 * hour),
      started_at: late === 0 ? null : index % 2 === 0 ? base + 23 * hour : null,
    })),
  );
  const delivered = new Delivered(db);
  const found = (wanted: number): Waiting[] => records.filter(({ stream }) => stream === streams[wanted]);
  for (const part of [
    found(0),
    found(1).filter(({ started_at }) => started_at !== null),
    found(1).filter(({ started_at }) => started_at === null),
  ]) {
    await seal(db, await delivered.insert(part, insertedAt));
    expectEqual(await shown(db), delivered.expected(), delivered);
  }
});

test('workers that insert and seal at the same time leave every call as if one had done it', async () => {
  const delivered = new Delivered(db);
  const all = interleaved(300, 6);
  const work = streams.map(async (stream) => {
    const own = all.filter((record) => record.stream === stream);
    for (let start = 0; start < own.length; start += 80) {
      await seal(db, await delivered.insert(own.slice(start, start + 80), insertedAt));
    }
  });
  await Promise.all(work);
  expectEqual(await shown(db), delivered.expected(), delivered);
});

test('a call that up to four systems log under linked ids is one call, in every order of arrival and after every record', async () => {
  const delivered = new Delivered(db);
  const random = generator(seed + 3);
  for (const records of everyOrder(40, 4, chained)) {
    await sealInParts(await delivered.insert(records, insertedAt), random);
    expectEqual(await shown(db), delivered.expected(), delivered);
  }
  const several = [...delivered.expected().values()].filter((call) => (call['call_ids'] as string[]).length > 1);
  expect(several.length).toBeGreaterThan(300);
  await db.command('OPTIMIZE TABLE calls FINAL');
  expectEqual(await shown(db), delivered.expected(), delivered);
});

test('workers that insert and seal linked records at the same time leave one call each, sealed alone before or not', async () => {
  const delivered = new Delivered(db);
  const all = interleaved(150, 9, chained);
  const work = streams.map(async (stream) => {
    const own = all.filter((record) => record.stream === stream);
    for (let start = 0; start < own.length; start += 60)
      await seal(db, await delivered.insert(own.slice(start, start + 60), insertedAt));
  });
  await Promise.all(work);
  expectEqual(await shown(db), delivered.expected(), delivered);
});

test('the totals of usage are the sums over the merged calls, to the last token', async () => {
  const delivered = new Delivered(db);
  const ranges = await delivered.insert(interleaved(200, 6), insertedAt);
  await seal(db, ranges);
  const [row] = await db.read(usage, {
    from: wire(base - 86_400_000),
    to: wire(base + 86_400_000),
    step: '',
    tz: 'UTC',
    as_known_at: wire(Date.now()),
    visible_tenants: ['*'],
    group_by: [],
    ...unfiltered,
  });
  const merged = [...delivered.expected().values()];
  const sum = (...names: string[]): string =>
    merged
      .reduce((total, call) => names.reduce((t, name) => t + BigInt((call[name] as string | null) ?? 0), total), 0n)
      .toString();
  const creation = ['usage_cache_creation_5m_input_tokens', 'usage_cache_creation_1h_input_tokens'];
  const ends = ['input', 'cache_read_input', 'audio_input', 'output', 'reasoning_output', 'audio_output'];
  expect(row).toMatchObject({
    calls: String(merged.length),
    ...Object.fromEntries(ends.map((name) => [`${name}_tokens`, sum(`usage_${name}_tokens`)])),
    cache_creation_input_tokens: sum(...creation),
    total_tokens: sum(...creation, ...ends.map((name) => `usage_${name}_tokens`)),
    disagreeing_calls: String(merged.filter((call) => call['usage_disagrees']).length),
  });
});
