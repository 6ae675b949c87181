import { afterAll, beforeAll, expect, test } from 'vitest';
import { detections, measurements, waitEpisodes } from '#clickhouse/detection_tables.ts';
import type { App } from '../../api/route.ts';
import { ask, at, type CallRecord, type Ledger, openLedger } from './ledger.ts';

const minute = 60_000;
const start = Date.UTC(2026, 8, 7, 10);
const window = `from=${new Date(start).toISOString()}&to=${new Date(start + 2 * 3_600_000).toISOString()}`;

/** A consumer went from one tenant to the other. */
const moved = start - 23 * 3_600_000;

let ledger: Ledger;
let app: App;
const keys = { ours: '', all: '', finance: '' };

function found(minutes: number, rule: string, labels: Record<string, string>, score: number): string {
  const evaluated = start + minutes * minute;
  const row = [at(evaluated), rule, 1, labels, 'firing', score > 20 ? 'page' : 'ticket', at(evaluated - 5 * minute)];
  return JSON.stringify([...row, score * 10, 10, 'calls', score, '1.5', [], '{"window_minutes":"5"}', 0.9]);
}

function waited(minutes: number, deployment: string, kind: string, consumers: string[]): string {
  const began = start + minutes * minute;
  const row = [deployment, 'back', 'custom', '', kind, at(began), at(began + 30_000), 3, 0, 20, 9, false, '{}', 0.9];
  return JSON.stringify([...row, consumers]);
}

function calls(count: number, from: number, consumer: string): CallRecord[] {
  return Array.from({ length: count }, (_, i) => ({
    call_id: `gw/${consumer}-${from}-${i}`,
    started_at: from + i * 500,
    consumer_id: consumer,
    deployment: 'gpt',
    response_model: 'm',
    region: i % 2 === 0 ? 'east' : 'west',
  }));
}

beforeAll(async () => {
  ledger = await openLedger();
  const rule = { valid_from: 0, valid_to: null };
  await ledger.attribute([
    { ...rule, consumer_id: 'c-steady', tenant_id: 'ours' },
    { ...rule, consumer_id: 'c-loop', tenant_id: 'ours' },
    { ...rule, consumer_id: 'c-theirs', tenant_id: 'theirs' },
    { consumer_id: 'c-moved', tenant_id: 'theirs', valid_from: 0, valid_to: moved },
    { consumer_id: 'c-moved', tenant_id: 'ours', valid_from: moved, valid_to: null },
  ]);
  await ledger.store([
    ...calls(40, start - 86_400_000 - 5 * minute, 'c-steady'),
    ...calls(40, start - 5 * minute, 'c-steady'),
    ...calls(200, start - 5 * minute, 'c-loop'),
  ]);
  const gpt = { tenant_id: 'ours', deployment: 'gpt' };
  const rows = [0, 1, 2, 3, 60].map((after) => found(after, 'request_spike', gpt, after === 2 ? 30 : 9));
  rows.push(found(4, 'error_burst', { tenant_id: 'theirs', deployment: 'gpt' }, 9));
  rows.push(found(5, 'error_burst', { provider_name: 'openai', region: 'east' }, 9));
  await ledger.db.insert(detections, rows.join('\n'));
  await ledger.db.insert(
    waitEpisodes,
    [
      waited(1, 'shared', 'cold_from_zero', ['c-steady', 'c-theirs']),
      waited(2, 'other', 'cold_scaleout', ['c-theirs']),
      waited(3, 'shared', 'isolated_tail', ['c-steady']),
      waited(-24 * 60, 'before', 'cold_from_zero', ['c-moved']),
      waited(-22 * 60, 'after', 'cold_from_zero', ['c-moved']),
    ].join('\n'),
  );
  keys.ours = await ledger.key({ role: 'viewer', tenants: ['ours'] });
  keys.all = await ledger.key({ role: 'on_call' });
  keys.finance = await ledger.key({ role: 'finance' });
  app = ledger.api(() => new Date(start + 3 * 3_600_000));
}, 120_000);

afterAll(async () => ledger.close());

async function say(key: string, path: string, body: unknown): Promise<number> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  return (await app.request(path, { method: 'POST', headers, body: JSON.stringify(body) })).status;
}

type Told = { data: Record<string, unknown>[]; meta: Record<string, unknown> };

test('an answer says how far somebody has looked: nothing found and nobody looking are two things', async () => {
  for (const path of ['/v1/anomalies', '/v1/cold-starts'])
    expect((await ask<Told>(app, keys.all, `${path}?${window}`)).meta['evaluated_through']).toBeNull();
  const through = at(start + 90 * minute);
  const lines = ['findings', 'minutes'].map((what) => JSON.stringify([what, through]));
  await ledger.db.insert(measurements, lines.join('\n'));
  for (const path of ['/v1/anomalies', '/v1/cold-starts'])
    expect((await ask<Told>(app, keys.all, `${path}?${window}`)).meta['evaluated_through']).toBe(
      new Date(start + 90 * minute).toISOString(),
    );
});

test('findings of one series are one row until they pause, with what it was at its surest and who made it', async () => {
  const { data } = await ask<Told>(app, keys.ours, `/v1/anomalies?${window}&rule=request_spike`);
  expect(data.map((row) => [row['times_seen'], row['severity'], row['observed'], row['last_seen_at']])).toEqual([
    ['1', 'ticket', 90, new Date(start + 60 * minute).toISOString()],
    ['4', 'page', 300, new Date(start + 3 * minute).toISOString()],
  ]);
  const [, first] = data;
  expect(first?.['started_at']).toBe(new Date(start - 5 * minute).toISOString());
  expect(first?.['cost_per_hour']).toBe('1.5');
  expect(first?.['evidence']).toEqual({ window_minutes: '5' });
  const contributors = first?.['contributors'] as { contributor: Record<string, string>; share: number }[];
  expect(contributors[0]?.contributor).toEqual({ consumer_id: 'c-loop' });
  expect(contributors[0]?.share).toBeCloseTo(1, 5);
});

test('an anomaly has one id, whatever window it is asked for in', async () => {
  const ids = await Promise.all(
    [start - 3_600_000, start + 2 * minute].map(async (from) => {
      const asked = `from=${new Date(from).toISOString()}&to=${new Date(start + 30 * minute).toISOString()}`;
      const { data } = await ask<Told>(app, keys.ours, `/v1/anomalies?${asked}`);
      return data.map((row) => row['anomaly_id']);
    }),
  );
  expect(ids[0]).toHaveLength(1);
  expect(ids[1]).toEqual(ids[0]);
});

test('a viewer sees the findings of its tenants, and of a region nobody but who sees all', async () => {
  const ours = await ask<Told>(app, keys.ours, `/v1/anomalies?${window}&tenant_id=theirs&tenant_id=ours`);
  expect(new Set(ours.data.map((row) => row['tenant_id']))).toEqual(new Set(['ours']));
  const all = await ask<Told>(app, keys.all, `/v1/anomalies?${window}`);
  expect(all.data.map((row) => String(row['tenant_id'])).sort()).toEqual(['', 'ours', 'ours', 'theirs']);
});

test('a wait is seen by the tenants whose callers waited, and names no other; single tails are asked for', async () => {
  const ours = await ask<Told>(app, keys.ours, `/v1/cold-starts?${window}`);
  expect(ours.data.map((row) => [row['deployment'], row['class'], row['tenants'], row['calls_affected']])).toEqual([
    ['shared', 'cold_from_zero', ['ours'], '3'],
  ]);
  const tails = await ask<Told>(app, keys.ours, `/v1/cold-starts?${window}&class=isolated_tail`);
  expect(tails.data.map((row) => row['class'])).toEqual(['isolated_tail']);
  const all = await ask<Told>(app, keys.all, `/v1/cold-starts?${window}`);
  expect(all.data.map((row) => row['tenants'])).toEqual([['ours', 'theirs'], ['theirs']]);
});

test('a wait belongs to whom the consumer belonged to when it waited, whatever window it is asked for in', async () => {
  const before = `from=${new Date(start - 30 * 3_600_000).toISOString()}&to=${new Date(start - 20 * 3_600_000).toISOString()}`;
  const all = await ask<Told>(app, keys.all, `/v1/cold-starts?${before}`);
  expect(all.data.map((row) => [row['deployment'], row['tenants']])).toEqual([
    ['before', ['theirs']],
    ['after', ['ours']],
  ]);
  const ours = await ask<Told>(app, keys.ours, `/v1/cold-starts?${before}`);
  expect(ours.data.map((row) => row['deployment'])).toEqual(['after']);
});

test('a verdict stays with what it is about, the last one counts, and nobody judges what they do not see', async () => {
  const asked = { '/v1/anomalies': 'anomaly_id', '/v1/cold-starts': 'cold_start_id' };
  for (const [path, name] of Object.entries(asked)) {
    const all = (await ask<Told>(app, keys.all, `${path}?${window}`)).data;
    const ours = (await ask<Told>(app, keys.ours, `${path}?${window}`)).data;
    const id = String(ours.at(-1)?.[name]);
    expect(await say(keys.ours, `${path}/${id}/feedback`, { verdict: 'useful' })).toBe(200);
    expect(await say(keys.ours, `${path}/${id}/feedback`, { verdict: 'noise', comment: 'a test' })).toBe(200);
    expect(await say(keys.ours, `${path}/${id}/feedback`, { verdict: 'maybe' })).toBe(400);
    expect(await say(keys.finance, `${path}/${id}/feedback`, { verdict: 'noise' })).toBe(403);
    const theirs = all.find((row) => !ours.some((own) => own[name] === row[name]));
    expect(await say(keys.ours, `${path}/${String(theirs?.[name])}/feedback`, { verdict: 'noise' })).toBe(404);
    expect(await say(keys.ours, `${path}/${id.replace(/\d$/, 'x')}/feedback`, { verdict: 'noise' })).toBe(400);
    const after = (await ask<Told>(app, keys.all, `${path}?${window}`)).data;
    expect(after.filter((row) => row['verdict'] !== '').map((row) => [row[name], row['verdict']])).toEqual([
      [id, 'noise'],
    ]);
  }
});
