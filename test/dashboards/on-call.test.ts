import { afterAll, beforeAll, expect, test } from 'vitest';
import { argument, find } from '#clickhouse/detect.ts';
import { baselines, measurements, trafficMinutes, waitEpisodes } from '#clickhouse/detection_tables.ts';
import { deliveryOf, evaluatorOf, find as pretend, advance, preparePretended, round } from '../alerts/stage.ts';
import { at, type Ledger, openLedger } from '../api/ledger.ts';
import { expectAnswer, expectDescribed, expectLaidOut, read, type Row } from './dashboard.ts';
import { expand, type Chosen } from './expand.ts';

/*
 * The dashboard that alerts link to, on half an hour in which a tenant sends four times what is expected of it.
 */
const minute = 60_000;
const hour = 60 * minute;
const now = Math.floor(Date.now() / hour) * hour - 30 * minute;
const from = now - 30 * minute;

const board = read('on-call');
const everything: Chosen = { from: now - 6 * hour, to: Date.now() + hour, intervalMs: minute, variables: board.all };

let ledger: Ledger;

async function answerOf(title: string, chosen: Chosen): Promise<Row[]> {
  const found = board.targets.find((it) => it.title === title);
  if (found === undefined) throw new Error(`no panel ${title}`);
  return ledger.db.query<Row>(expand(found.rawSql, chosen));
}

beforeAll(async () => {
  ledger = await openLedger();
  const { db } = ledger;
  const begun = argument(Math.floor(from / hour) * hour).slice(0, 19);
  const nine = [1, 1, 1, 3, 3, 3, 12, 12, 12].map((n) => 25 * n);
  const learned = [[25, 25, 25], nine, nine.map(() => 3), [1, 100, 0.001], 0.01, 0.01, 0, [0, 0], [0.1, 0.1]];
  await db.insert(baselines, JSON.stringify([begun, 'shop', 'chat', 'custom', '', 28, 1, 1, ...learned, at(now)]));
  const minutes = Array.from({ length: 30 }, (_, i) => {
    const counted = [20, 2, 2, 1, 2_000, '0.02', 0, [], 20, 20 * Math.log(1.5), 0, 0];
    const start = argument(from + i * minute).slice(0, 19);
    return JSON.stringify([start, 'shop', 'chat', 'custom', '', ...counted, at(now)]);
  });
  await db.insert(trafficMinutes, minutes.join('\n'));
  await find(db, now, now);
  await db.insert(measurements, JSON.stringify(['minutes', argument(now)]));
  const episode = [
    'chat',
    'back',
    'custom',
    '',
    'cold_from_zero',
    at(now),
    at(now + minute),
    3,
    0,
    12,
    5,
    true,
    '{}',
    1,
  ];
  await db.insert(waitEpisodes, JSON.stringify([...episode, ['web']]));
  const failed = { provider_name: 'custom', http_response_status_code: 500, duration_ms: 3, error_type: 'Broken' };
  await ledger.store([{ call_id: 'gw/1', started_at: now, consumer_id: 'web', deployment: 'chat', ...failed }]);
  await preparePretended(db);
  await pretend(db, { labels: { tenant_id: 'shop', deployment: 'chat' }, from: now, to: Date.now() + hour });
  await advance(db, Date.now());
  await round(evaluatorOf(db, deliveryOf({ receivers: [], routes: [] })));
}, 120_000);

afterAll(async () => ledger.close());

test.each(board.targets)('$title $refId runs and answers', async (query) => expectAnswer(ledger.db, query, everything));

test('calls stand beside what is expected of them, and slowness beside 1', async () => {
  const chosen = { ...everything, from, to: now, intervalMs: 5 * minute };
  const rows = await answerOf('Calls and what is expected', chosen);
  expect(rows.map((row) => [row['calls'], row['expected_calls']])).toEqual(rows.map(() => ['100', 25]));
  expect(rows).toHaveLength(6);
  const slowness = await answerOf('Slowness', chosen);
  expect(slowness.map((row) => [row['first_token_slowness'], row['generation_slowness']])).toEqual(
    slowness.map(() => [expect.closeTo(1.5), null]),
  );
});

test('what fires is told with whom it is of, and a choice of tenants narrows it', async () => {
  const labels = { tenant_id: 'shop', deployment: 'chat' };
  expect(await answerOf('Firing alerts', everything)).toMatchObject([{ severity: 'page', title: 'At once', labels }]);
  const other = { ...everything, variables: { ...board.all, tenant: ['another'] } };
  expect(await answerOf('Firing alerts', other)).toEqual([]);
  expect(await answerOf('Findings', other)).toEqual([]);
  const found = await answerOf('Findings', everything);
  expect(found.map((row) => row['rule'])).toContain('request_spike');
});

test('the dashboard is described, laid out without overlap, and leads to the other one', () => {
  expect(board.written).toMatchObject({ uid: 'gatemeter-on-call', title: 'On call' });
  expectDescribed(board);
  expectLaidOut(board);
  expect(JSON.parse(board.text)).toMatchObject({
    links: [{ type: 'dashboards', tags: ['gatemeter'], keepTime: true }],
  });
});
