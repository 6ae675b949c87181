import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Database } from '#clickhouse/client.ts';
import { present } from '#common/assert.ts';
import { linked, orphans, sealed, statedLinks, touched } from '#clickhouse/ledger.ts';
import { spend } from '#clickhouse/money.ts';
import { attributedCalls, errors, latency, unfiltered, usage } from '#clickhouse/views.ts';
import { type Arguments, selectFrom, type Types, type View } from '#clickhouse/view.ts';
import { arraysOf, seal } from '../../ingest/seal.ts';
import { Delivered, type Range } from '../ingest/deliveries.ts';
import { callRecords, wire } from '../ingest/records.ts';
import { openSchema, type Schema } from '../ingest/schema.ts';
import fc from 'fast-check';

/*
 * What is read must not grow with what is kept. Eight days of data, a part for each; of every table the answer may read
 * only the parts of its own days.
 */
const dayMs = 86_400_000;
const days = 8;
const midnight = Date.UTC(2026, 7, 10);
const stream = 'ns/hub/0';

let schema: Schema;
let db: Database;
let lastDay: Range;
beforeAll(async () => {
  schema = await openSchema();
  db = schema.db;
  const delivered = new Delivered(db);
  for (let day = 0; day < days; day += 1) {
    const noon = midnight + day * dayMs + dayMs / 2;
    const records = fc.sample(callRecords(2, 5), { numRuns: 50, seed: day }).flatMap((call, index) =>
      call.map((record) => ({
        ...record,
        call_id: `gw/${day}-${index}`,
        stream,
        started_at: noon,
        enqueued_at: noon + 60_000,
      })),
    );
    const [range] = await delivered.insert(records, noon + 120_000);
    lastDay = present(range, 'one stream grew');
    await seal(db, [lastDay]);
  }
});
afterAll(async () => schema.close());

type Plan = {
  readonly 'Node Type'?: string;
  readonly Description?: string;
  readonly Indexes?: readonly { readonly 'Initial Parts': number; readonly 'Selected Parts': number }[];
  readonly Plans?: readonly Plan[];
};

/** Of each reading of a table in the plan: how many of its parts stay after all indexes. */
async function partsRead<P extends Types, C extends Types>(
  view: View<P, C>,
  args: Arguments<P>,
  table: string,
): Promise<number[]> {
  const rows = await db.query<{ explain: string }>(`EXPLAIN json = 1, indexes = 1 ${selectFrom(view)}`, args);
  const [root] = JSON.parse(rows.map((row) => row.explain).join('\n')) as [{ Plan: Plan }];
  const found: number[] = [];
  const visit = (plan: Plan): void => {
    if (plan['Node Type'] === 'ReadFromMergeTree' && plan.Description === `gatemeter.${table}`)
      found.push(plan.Indexes?.at(-1)?.['Selected Parts'] ?? Infinity);
    for (const inner of plan.Plans ?? []) visit(inner);
  };
  visit(root.Plan);
  return found;
}

/** Parts that indexes of the partition key alone leave: no key of a call may be needed to stay within the days. */
async function partsOfDays<P extends Types, C extends Types>(view: View<P, C>, args: Arguments<P>): Promise<number[]> {
  const rows = await db.query<{ explain: string }>(`EXPLAIN indexes = 1 ${selectFrom(view)}`, args);
  const text = rows.map((row) => row.explain).join('\n');
  return [...text.matchAll(/ReadFromMergeTree \(gatemeter\.events\)[^]*?Min-?Max[^]*?Parts: (\d+)\/\d+/g)].map((m) =>
    Number(m[1]),
  );
}

/** A range of the last day, and one of another stream that stands elsewhere and has nothing. */
const ranges = (): ReturnType<typeof arraysOf> =>
  arraysOf([lastDay, { stream: 'ns/hub/1', after: 10_000_000, through: 10_000_500 }]);
const noOrphans = { orphans: [], linked_ids: [], roots: [], parts: [], weights: [] };

test('the eight days are eight parts, so that reading less can be seen', async () => {
  const parts = await db.query<{ table: string; parts: string }>(
    "SELECT table, count() AS parts FROM system.parts WHERE database = 'gatemeter' AND active AND table IN ('events', 'calls') GROUP BY table ORDER BY table",
  );
  expect(parts).toEqual([
    { table: 'calls', parts: '8' },
    { table: 'events', parts: '8' },
  ]);
});

test('sealing reads the days since its calls began and one before, however many are kept', async () => {
  const [found] = await db.read(touched, ranges());
  const since = wire(Date.parse(present(found?.since, 'the range has records')));
  const reads = await partsOfDays(sealed, { ...ranges(), ...noOrphans, since });
  expect(reads.length).toBeGreaterThan(0);
  for (const parts of reads) expect(parts).toBeLessThanOrEqual(2);
  for (const parts of await partsRead(sealed, { ...ranges(), ...noOrphans, since }, 'events'))
    expect(parts).toBeLessThanOrEqual(2);
});

test('what is asked of ranges before they are sealed reads the parts that hold them, whatever the streams are', async () => {
  const reads = [
    ...(await partsRead(touched, ranges(), 'events')),
    ...(await partsRead(statedLinks, ranges(), 'events')),
    ...(await partsRead(linked, { ...ranges(), ids: [] }, 'events')),
  ];
  expect(reads.length).toBeGreaterThanOrEqual(2);
  for (const parts of reads) expect(parts).toBe(1);
});

test('showing orphans reads the days since the oldest of them began and one before', async () => {
  const began = midnight + (days - 1) * dayMs + dayMs / 2;
  const orphansOfLastDay = { ...arraysOf([]), orphans: [`gw/${days - 1}-0`], since: wire(began) };
  const reads = await partsOfDays(sealed, { ...noOrphans, ...orphansOfLastDay });
  expect(reads.length).toBeGreaterThan(0);
  for (const parts of reads) expect(parts).toBeLessThanOrEqual(2);
});

test('finding orphans reads the parts in which something was inserted lately', async () => {
  const from = midnight + (days - 1) * dayMs;
  const args = { inserted_from: wire(from), inserted_to: wire(from + dayMs) };
  for (const parts of await partsRead(orphans, args, 'events')) expect(parts).toBe(1);
});

const question = {
  from: wire(midnight + 3 * dayMs),
  to: wire(midnight + 4 * dayMs),
  step: 'PT1H',
  tz: 'UTC',
  as_known_at: wire(midnight + 30 * dayMs),
  visible_tenants: ['*'],
  ...unfiltered,
};

test('a question of one day reads one day of calls', async () => {
  const grouped = { ...question, group_by: ['consumer_id'], currency: '' };
  const reads = [
    ...(await partsRead(attributedCalls, question, 'calls')),
    ...(await partsRead(usage, grouped, 'calls')),
    ...(await partsRead(errors, grouped, 'calls')),
    ...(await partsRead(latency, grouped, 'calls')),
    ...(await partsRead(spend, grouped, 'calls')),
  ];
  expect(reads.length).toBeGreaterThanOrEqual(5);
  for (const parts of reads) expect(parts).toBe(1);
});
