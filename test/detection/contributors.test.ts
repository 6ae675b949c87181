import { afterAll, beforeAll, expect, test } from 'vitest';
import { argument } from '#clickhouse/detect.ts';
import { contributors } from '#clickhouse/detection.ts';
import { attributions } from '#clickhouse/money.ts';
import { at, type CallRecord, type Ledger, openLedger } from '../api/ledger.ts';

/* What explains a difference, on calls that are counted by hand. How often it is right: `npm run backtest`. */

const minute = 60_000;
const day = 1_440 * minute;
const from = Date.UTC(2026, 8, 16, 12);

let ledger: Ledger;

beforeAll(async () => {
  ledger = await openLedger();
  await ledger.attribute(
    ['a', 'b', 'c', 'd'].map((consumer_id) => ({ consumer_id, tenant_id: 'bank', valid_from: 0, valid_to: null })),
  );
}, 120_000);

afterAll(async () => ledger.close());

let made = 0;

/** So many calls within the ten minutes after an instant, like these. */
function calls(count: number, when: number, deployment: string, like: Record<string, unknown>): CallRecord[] {
  return Array.from({ length: count }, (_, i) => ({
    call_id: `gw/${(made += 1)}`,
    started_at: when + ((i * 7_919) % (10 * minute)),
    deployment,
    region: i % 2 === 0 ? 'east' : 'west',
    response_model: 'm',
    backend: 'only',
    http_response_status_code: 200,
    ...like,
  }));
}

/** The same as yesterday and a week ago. */
function usual(count: number, deployment: string, like: Record<string, unknown>): CallRecord[] {
  return [day, 7 * day].flatMap((back) => calls(count, from - back, deployment, like));
}

async function told(deployment: string, measure: string, tenant_id = 'bank'): Promise<Record<string, unknown>[]> {
  const window = { from: argument(from), to: argument(from + 10 * minute) };
  return ledger.db.read(contributors, { ...window, tenant_id, deployment, measure });
}

test('who calls more is named, and what everybody does is broad although one value has it all', async () => {
  await ledger.store([
    ...['a', 'b', 'c'].flatMap((consumer_id) => usual(20, 'spike', { consumer_id })),
    ...['a', 'b'].flatMap((consumer_id) => calls(20, from, 'spike', { consumer_id })),
    ...calls(200, from, 'spike', { consumer_id: 'c' }),
    ...['a', 'b', 'c'].flatMap((consumer_id) => usual(20, 'broad', { consumer_id })),
    ...['a', 'b', 'c'].flatMap((consumer_id) => calls(100, from, 'broad', { consumer_id })),
  ]);
  const [first] = await told('spike', 'calls');
  expect(first).toMatchObject({ contributor: { consumer_id: 'c' }, now: 200, before: 20, share: 1, purity: 0.9 });
  expect(await told('broad', 'calls')).toEqual([]);
});

test('the only caller is named, and nothing that all of its calls have in common', async () => {
  await ledger.store([...usual(20, 'alone', { consumer_id: 'a' }), ...calls(100, from, 'alone', { consumer_id: 'a' })]);
  expect((await told('alone', 'calls')).map(({ contributor }) => contributor)).toEqual([{ consumer_id: 'a' }]);
});

test('failures are compared with those that as many calls usually have: more calls fail more often, and explain nothing', async () => {
  const failed = { http_response_status_code: 500, error_type: '500' };
  await ledger.store([
    ...['a', 'b', 'c'].flatMap((consumer_id) => usual(90, 'failing', { consumer_id })),
    ...['a', 'b', 'c'].flatMap((consumer_id) => usual(10, 'failing', { consumer_id, ...failed })),
    ...['b', 'c'].flatMap((consumer_id) => calls(90, from, 'failing', { consumer_id })),
    ...calls(900, from, 'failing', { consumer_id: 'a' }),
    ...calls(100, from, 'failing', { consumer_id: 'a', ...failed }),
    ...calls(60, from, 'failing', { consumer_id: 'b', region: 'east', ...failed }),
  ]);
  const [first, ...others] = await told('failing', 'failed');
  expect(first).toMatchObject({ contributor: { consumer_id: 'b', region: 'east' }, now: 60 });
  // 60 of 600 failed before, and as if of 100 more half a one; b has 45 calls in the east that did not fail.
  expect(first?.['before']).toBeCloseTo((60.5 / 700) * 105, 6);
  expect(others.map(({ contributor }) => Object.keys(contributor as object))).not.toContainEqual(['error_type']);
  expect(JSON.stringify(others)).not.toContain('"consumer_id":"a"');
});

test('where everybody fails it is said how, and nobody is named', async () => {
  const failed = { http_response_status_code: 503, error_type: '503' };
  await ledger.store([
    ...['a', 'b', 'c'].flatMap((consumer_id) => usual(30, 'down', { consumer_id })),
    ...['a', 'b', 'c'].flatMap((consumer_id) => calls(30, from, 'down', { consumer_id, ...failed })),
  ]);
  expect((await told('down', 'failed')).map(({ contributor }) => contributor)).toEqual([{ error_type: '503' }]);
});

test('of calls that do not come, those who made them are named', async () => {
  await ledger.store([
    ...usual(90, 'quiet', { consumer_id: 'a' }),
    ...usual(10, 'quiet', { consumer_id: 'b' }),
    ...calls(10, from, 'quiet', { consumer_id: 'b' }),
  ]);
  const [first] = await told('quiet', 'missing');
  expect(first).toMatchObject({ contributor: { consumer_id: 'a' }, now: 0, before: 90, share: 1, purity: 1 });
  expect(await told('quiet', 'calls')).toEqual([]);
});

test('a part belongs to the tenant that pays for its calls, also where a rule names the API and not the caller', async () => {
  const rule = ['', '', 'shared-api', 'shop', '', '', at(0), null, 'test', 'test'];
  await ledger.db.insert(attributions, JSON.stringify(rule));
  const shared = { api_id: 'shared-api' };
  await ledger.store([
    ...['x', 'y'].flatMap((consumer_id) => usual(20, 'shared', { consumer_id, ...shared })),
    ...calls(20, from, 'shared', { consumer_id: 'x', ...shared }),
    ...calls(100, from, 'shared', { consumer_id: 'y', ...shared }),
  ]);
  const [first] = await told('shared', 'calls', 'shop');
  expect(first?.['contributor']).toEqual({ consumer_id: 'y' });
  expect(await told('shared', 'calls')).toEqual([]);
});
