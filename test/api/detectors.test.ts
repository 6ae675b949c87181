import { afterAll, beforeAll, expect, test } from 'vitest';
import { argument, find } from '#clickhouse/detect.ts';
import { baselines, trafficMinutes } from '#clickhouse/detection_tables.ts';
import type { App } from '../../api/route.ts';
import { type AnswerRow, at, type Ledger, openLedger } from './ledger.ts';

/*
 * What people tell the detectors, on half an hour in which a deployment sends four times what is expected of it.
 */
const minute = 60_000;
const hour = 60 * minute;
const now = Date.UTC(2026, 8, 16, 12, 30);

let ledger: Ledger;
let app: App;
const keys: Record<string, string> = {};

type Answer = { status: number; data: AnswerRow; rows: AnswerRow[]; errors: unknown };

async function call(role: string, method: string, path: string, body?: unknown): Promise<Answer> {
  const headers = { authorization: `Bearer ${keys[role] ?? ''}`, 'content-type': 'application/json' };
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const response = await app.request(path, { method, headers, ...sent });
  const json = (await response.json()) as { data: unknown; errors: unknown };
  const { data, errors } = json;
  return { status: response.status, data: data as AnswerRow, rows: data as AnswerRow[], errors };
}

async function spikes(): Promise<number> {
  await ledger.db.command('TRUNCATE TABLE detections');
  await find(ledger.db, now, now);
  const [row] = await ledger.db.query<{ n: string }>(
    "SELECT count() AS n FROM detections WHERE rule = 'request_spike'",
  );
  return Number(row?.n);
}

beforeAll(async () => {
  ledger = await openLedger();
  for (const role of ['admin', 'on_call'] as const) keys[role] = await ledger.key({ role });
  app = ledger.api(() => new Date(now));
  const nine = [1, 1, 1, 3, 3, 3, 12, 12, 12].map((n) => 25 * n);
  const learned = [[25, 25, 25], nine, nine.map(() => 3), [1, 100, 0.001], 0.01, 0.01, 0, [0, 0], [0.1, 0.1]];
  const begun = argument(Math.floor(now / hour) * hour).slice(0, 19);
  const series = ['shop', 'chat', 'custom', ''];
  await ledger.db.insert(baselines, JSON.stringify([begun, ...series, 28, 1, 1, ...learned, at(now)]));
  const minutes = Array.from({ length: 30 }, (_, i) => {
    const start = argument(now - (30 - i) * minute).slice(0, 19);
    return JSON.stringify([start, ...series, 20, 0, 0, 0, 2_000, '0.02', 0, [], 0, 0, 0, 0, at(now)]);
  });
  await ledger.db.insert(trafficMinutes, minutes.join('\n'));
});

afterAll(async () => ledger.close());

test('in a period of the calendar nothing is found, and when it is withdrawn it is', async () => {
  expect(await spikes()).toBe(1);
  const period = {
    kind: 'maintenance',
    tenant_id: 'shop',
    starts_at: new Date(now - hour).toISOString(),
    ends_at: new Date(now + hour).toISOString(),
    reason: 'load test',
  };
  const made = await call('on_call', 'POST', '/v1/detection-calendar', period);
  expect([made.status, made.data]).toMatchObject([200, { ...period, deployment: '', withdrawn: false }]);
  expect(await spikes()).toBe(0);
  const id = String(made.data['period_id']);
  const withdrawn = await call('on_call', 'DELETE', `/v1/detection-calendar/${id}`);
  expect(withdrawn.data).toMatchObject({ period_id: id, reason: 'load test', withdrawn: true });
  expect(await spikes()).toBe(1);
  expect((await call('on_call', 'GET', '/v1/detection-calendar')).rows).toEqual([withdrawn.data]);
});

test('a period that cannot be meant is refused with the field and the remedy', async () => {
  const period = {
    kind: 'holiday',
    starts_at: '2026-12-24T00:00:00Z',
    ends_at: '2026-12-27T00:00:00Z',
    reason: 'yule',
  };
  const wrong = [
    [{ ends_at: '2026-12-23T00:00:00Z' }, 'ends_at'],
    [{ ends_at: '2028-12-23T00:00:00Z' }, 'ends_at'],
    [{ deployment: 'chat' }, 'tenant_id'],
    [{ starts_at: '24.12.2026' }, 'starts_at'],
    [{ kind: 'weekend' }, 'kind'],
    [{ reason: '' }, 'reason'],
  ] as const;
  for (const [more, parameter] of wrong) {
    const { status, errors } = await call('on_call', 'POST', '/v1/detection-calendar', { ...period, ...more });
    expect([status, errors], parameter).toMatchObject([400, [{ parameter }]]);
  }
  expect((await call('on_call', 'DELETE', '/v1/detection-calendar/none')).status).toBe(404);
});

test('a parameter is changed by a new version with its reason, and the next look compares with it', async () => {
  const before = (await call('on_call', 'GET', '/v1/detector-parameters')).rows;
  expect(before.find((row) => row['name'] === 'spike.excess_min')).toMatchObject({ version: 1, author: 'gatemeter' });
  expect((await call('on_call', 'POST', '/v1/detector-parameters', {})).status).toBe(403);
  const change = { name: 'spike.excess_min', value: 100_000, reason: 'a campaign' };
  const changed = await call('admin', 'POST', '/v1/detector-parameters', change);
  expect([changed.status, changed.data]).toMatchObject([200, { ...change, version: 2 }]);
  expect(await spikes()).toBe(0);
  const unknown = await call('admin', 'POST', '/v1/detector-parameters', { ...change, name: 'spike.exces_min' });
  expect([unknown.status, unknown.errors]).toMatchObject([400, [{ parameter: 'name' }]]);
});
