import { afterAll, beforeAll, expect, test } from 'vitest';
import { alertRulesKnown } from '#clickhouse/alerts.ts';
import { argument, find } from '#clickhouse/detect.ts';
import { detectors, measuredHabits, measuredTotals, wallDetectors } from '#clickhouse/detection.ts';
import {
  baselines,
  consumerHabits,
  consumerHours,
  runningTotals,
  trafficHours,
  trafficMinutes,
  waitEpisodes,
} from '#clickhouse/detection_tables.ts';
import { budgets } from '#clickhouse/money.ts';
import { gaps, streamStates } from '#clickhouse/tables.ts';
import { showOrphans } from '../../ingest/seal.ts';
import { at, type CallRecord, type Ledger, openLedger } from '../api/ledger.ts';

/*
 * Each rule that reads what is stored and compares it with a fixed limit: what it finds, and that just below its limit it
 * finds nothing. Those that compare with a baseline are in findings.test.ts.
 */

const minute = 60_000;
const hour = 60 * minute;
const now = Date.UTC(2026, 8, 16, 12, 30);

let ledger: Ledger;

beforeAll(async () => {
  ledger = await openLedger();
}, 120_000);

afterAll(async () => ledger.close());

type Found = { rule: string; severity: string; labels: Record<string, string>; observed: number; evidence: string };

/** What all detectors find of some rules at an instant. */
async function found(instant: number, ...rules: string[]): Promise<Found[]> {
  const rows = await Promise.all(
    [...detectors, ...wallDetectors].map(async (view) => ledger.db.read(view, { at: argument(instant) })),
  );
  return rows.flat().filter((row) => rules.includes(row.rule));
}

/** What is added up when the hour of `now` begins. */
async function hourBegins(): Promise<void> {
  const args = { hour: argument(Math.floor(now / hour) * hour) };
  await ledger.db.insertFrom(runningTotals, measuredTotals, args);
  await ledger.db.insertFrom(consumerHabits, measuredHabits, args);
}

/** In one order, whatever order they were found in. */
function sorted(rows: readonly (readonly unknown[])[]): readonly (readonly unknown[])[] {
  return rows.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

test('token_spike, cost_spike, error_burst, throttle_burst: larger, dearer, failing and refused calls are each told as what they are', async () => {
  const hour = argument(Math.floor(now / 3_600_000) * 3_600_000).slice(0, 19);
  const three = [100, 100, 100];
  const nine = [...three, ...three.map((n) => 3 * n), ...three.map((n) => 12 * n)];
  const largest = [0, 1, 2].flatMap((i) => [nine[i], nine[i + 3], nine[i + 6]]);
  const lines = ['larger', 'dearer', 'more', 'usual', 'failing', 'refused'].map((deployment) => {
    const learned = [three, largest, nine.map(() => 10), [1, 1_000, 0.01], 0.01, 0.01, 0, [0, 0], [0.1, 0.1]];
    return JSON.stringify([hour, 'spiking', deployment, 'custom', '', 28, 1, 1, ...learned, at(now)]);
  });
  await ledger.db.insert(baselines, lines.join('\n'));
  await minutes('spiking', 'larger', 30, 0, { calls: 20, tokens: 80_000, cost: '0.8' });
  await minutes('spiking', 'dearer', 30, 0, { calls: 20, tokens: 20_000, cost: '0.8' });
  await minutes('spiking', 'more', 30, 0, { calls: 80, tokens: 80_000, cost: '0.8' });
  await minutes('spiking', 'usual', 30, 0, { calls: 20, tokens: 20_000, cost: '0.2' });
  await minutes('spiking', 'failing', 30, 0, { calls: 20, tokens: 20_000, failed: 8, cost: '0.2' });
  await minutes('spiking', 'refused', 30, 0, { calls: 20, tokens: 20_000, throttled: 3, cost: '0.2' });
  await find(ledger.db, now, now);
  const rows = await found(now, 'request_spike', 'token_spike', 'cost_spike', 'error_burst', 'throttle_burst');
  const spiking = rows.filter((row) => row.labels['tenant_id'] === 'spiking');
  expect(sorted(spiking.map((row) => [row.labels['deployment'], row.rule, row.severity]))).toEqual([
    ['dearer', 'cost_spike', 'ticket'],
    ['failing', 'error_burst', 'page'],
    ['larger', 'token_spike', 'ticket'],
    ['more', 'request_spike', 'ticket'],
    ['refused', 'throttle_burst', 'ticket'],
  ]);
});

type Minute = { calls: number; tokens?: number; failed?: number; throttled?: number; cost?: string; unpriced?: number };

/** The same minute, from `from` up to `to` minutes before now, of one series. */
async function minutes(tenant: string, deployment: string, from: number, to: number, each: Minute): Promise<void> {
  const lines = Array.from({ length: from - to }, (_, i) => {
    const failed = each.failed ?? 0;
    const models = each.unpriced === undefined ? [] : ['nameless'];
    const counted = [
      each.calls,
      failed,
      failed,
      each.throttled ?? 0,
      each.tokens ?? each.calls * 100,
      each.cost ?? null,
      each.unpriced ?? 0,
      models,
    ];
    const start = argument(now - (from - i) * minute).slice(0, 19);
    return JSON.stringify([start, tenant, deployment, 'custom', '', ...counted, 0, 0, 0, 0, at(now)]);
  });
  await ledger.db.insert(trafficMinutes, lines.join('\n'));
}

/** The same hour, from `from` up to `to` hours before this one. */
async function hours(tenant: string, from: number, to: number, cost: number, failed = 0): Promise<void> {
  const begun = Math.floor(now / hour) * hour;
  const lines = Array.from({ length: from - to }, (_, i) => {
    const start = argument(begun - (from - i) * hour).slice(0, 19);
    const zeros = Array.from({ length: 12 }, () => 0);
    const counted = [60, failed, failed, 0];
    const series = [start, tenant, 'a', zeros, zeros, [cost], ...counted, [], [], 1, [], 0, false, at(now)];
    return JSON.stringify(series);
  });
  await ledger.db.insert(trafficHours, lines.join('\n'));
}

test('slo_burn: one in ten calls failing for an hour is a page, one in a hundred none', async () => {
  await minutes('burning', 'a', 60, 0, { calls: 20, failed: 3 });
  await minutes('even', 'a', 60, 0, { calls: 200, failed: 1 });
  await minutes('over', 'a', 60, 40, { calls: 20, failed: 10 });
  // Two of 60 fail in every hour of three days: more than one in a hundred, and no page.
  await hours('leaking', 72, 0, 0, 2);
  await minutes('leaking', 'a', 30, 0, { calls: 1 });
  await hours('healthy', 72, 0, 0);
  await hourBegins();
  const rows = (await found(now, 'slo_burn')).filter((row) => row.labels['tenant_id'] !== 'spiking');
  // What has ended is no page: its short window is clean. It has still cost a tenth of the month, which is a ticket.
  expect(rows.map((row) => [row.labels['tenant_id'], row.severity])).toContainEqual(['burning', 'page']);
  expect(rows.filter((row) => row.severity === 'page').map((row) => row.labels['tenant_id'])).toEqual(['burning']);
  expect(rows.map((row) => [row.labels['tenant_id'], row.severity])).toContainEqual(['leaking', 'ticket']);
  expect(rows.map((row) => row.labels['tenant_id'])).not.toContain('even');
  expect(rows.map((row) => row.labels['tenant_id'])).not.toContain('healthy');
});

function budget(id: string, tenant: string, amount: string): string {
  const row = [id, id, { tenant_id: [tenant] }, 'list_cost', amount, 'USD', '', [], [], at(0), null, 'test', 'test'];
  return JSON.stringify(row);
}

test('budget_burn: two percent of the month in an hour is told, and pages when a day would empty it', async () => {
  const lines = [budget('fast', 'fast', '7200'), budget('even', 'slow', '7200'), budget('used', 'used', '100')];
  await ledger.db.insert(budgets, lines.join('\n'));
  // An even rate of 7,200 a month of 30 days is 10 an hour.
  await minutes('fast', 'a', 60, 0, { calls: 10, cost: '6' });
  await minutes('slow', 'a', 60, 0, { calls: 10, cost: '0.16' });
  await hours('fast', 1, 0, 180);
  await hours('slow', 300, 0, 10);
  await hours('used', 300, 1, 1);
  // The other budgets are of one tenant each, this one is of all of them together.
  const all = JSON.parse(budget('all', '', '3000')) as unknown[];
  await ledger.db.insert(budgets, JSON.stringify(all.with(2, {})));
  await hourBegins();
  const rows = await found(now, 'budget_burn');
  expect(sorted(rows.map((row) => [row.labels['budget_id'], row.severity, row.observed]))).toEqual([
    // 360 and 299 as below, 3,000 and 4.8 of the slow one, 90 of what other tests have spent.
    ['all', 'ticket', expect.closeTo(3_753.8)],
    // 180 of the hour before, and half an hour of 6 a minute.
    ['fast', 'page', 360],
    ['used', 'ticket', 299],
  ]);
});

test('unpriced_model and unattributed_spend: what nobody can be billed for is named, with who caused it', async () => {
  await minutes('unattributed', 'a', 60, 0, { calls: 1, unpriced: 100 });
  const rows = await found(now, 'unpriced_model', 'unattributed_spend');
  expect(sorted(rows.map((row) => [row.rule, row.observed, row.labels['model'] ?? '']))).toEqual([
    ['unattributed_spend', 60, ''],
    ['unpriced_model', 6_000, 'nameless'],
  ]);
});

function calls(prefix: string, count: number, from: number, more: Partial<CallRecord>): CallRecord[] {
  return Array.from({ length: count }, (_, i) => ({
    call_id: `gw/${prefix}-${i}`,
    started_at: from + i * 100,
    response_model: 'usual',
    ...more,
  }));
}

test('runaway_consumer and leaked_key: ten times its busiest, and a key that calls from where it never did', async () => {
  const lines: string[] = [];
  for (const consumer_id of ['loop', 'busy', 'stolen', 'new']) {
    for (let i = 2; i < (consumer_id === 'new' ? 30 : 240); i += 1) {
      const start = argument(Math.floor(now / hour) * hour - i * hour).slice(0, 19);
      lines.push(JSON.stringify([start, consumer_id, 60, 6, 600, ['10.0.0.0/24'], ['usual'], at(now)]));
    }
  }
  await ledger.db.insert(consumerHours, lines.join('\n'));
  await hourBegins();
  const usual = { client_network: '10.0.0.0/24' };
  await ledger.store([
    ...calls('loop', 80, now - 2 * minute, { consumer_id: 'loop', ...usual }),
    ...calls('busy', 50, now - 2 * minute, { consumer_id: 'busy', ...usual }),
    ...calls('stolen', 30, now - 20 * minute, {
      consumer_id: 'stolen',
      client_network: '203.0.113.0/24',
      response_model: 'dearer',
    }),
    ...calls('new', 30, now - 20 * minute, { consumer_id: 'new', client_network: '203.0.113.0/24' }),
  ]);
  const rows = await found(now, 'runaway_consumer', 'leaked_key');
  expect(sorted(rows.map((row) => [row.rule, row.labels['consumer_id'], row.severity, row.observed]))).toEqual([
    ['leaked_key', 'stolen', 'page', 30],
    ['runaway_consumer', 'loop', 'ticket', 80],
  ]);
});

test('cold_start: so many or so long in an hour is told, a single short one is not', async () => {
  const waited = (deployment: string, before: number, seconds: number, kind = 'cold_from_zero'): string => {
    const began = now - before * minute;
    const row = [deployment, 'back', 'custom', '', kind, at(began), at(began + 9_000), 1, 0, seconds, seconds];
    return JSON.stringify([...row, false, '{}', 0.9, ['c']]);
  };
  const often = [5, 15, 25, 35].map((before) => waited('often', before, 5));
  const slow = [waited('slow', 20, 90)];
  const rare = [waited('rare', 20, 5), waited('rare', 30, 500, 'overload'), waited('rare', 90, 500)];
  await ledger.db.insert(waitEpisodes, [...often, ...slow, ...rare].join('\n'));
  const rows = await found(now, 'cold_start');
  expect(sorted(rows.map((row) => [row.labels['deployment'], row.severity, row.observed]))).toEqual([
    ['often', 'ticket', 4],
    ['slow', 'info', 90],
  ]);
});

test('pipeline_gap, pipeline_rejects, pipeline_imbalance, pipeline_lag, silent_source, upstream_loss: the books themselves', async () => {
  // These go by the clock of the database, as the rows that they read do.
  const clock = Date.now();
  const quiet = await found(clock, 'pipeline_gap', 'pipeline_rejects', 'silent_source', 'upstream_loss');
  expect(quiet).toEqual([]);
  const recent = clock - 20 * minute;
  const part = (count: number, more: Record<string, unknown>, from = recent): CallRecord[] =>
    Array.from({ length: count }, (_, i) => ({ call_id: `gw/p-${from}-${i}`, started_at: from + i, ...more }));
  await ledger.store(part(12, { kind: 'rejected', reason: 'not_json', source: '' }), 'test/rejects/0');
  await ledger.store(part(12, { source: 'short', truncated: true }), 'test/short/0');
  // Called directly, by no gateway: nothing is lost.
  await ledger.store(
    part(12, { kind: 'backend', source: 'direct', usage_quality: '' }, recent + 30_000),
    'test/direct/0',
  );
  await showOrphans(ledger.db, at(clock - hour), at(clock + hour));
  await ledger.store(part(3, { source: 'stopped' }, clock - 5 * hour), 'test/stopped/0');
  await ledger.store(part(3, { source: 'lagging' }), 'test/lagging/0');
  const state = ['test/lagging/0', 'someone', 1, 'reading', 2, 2, 0, 500];
  await ledger.db.insert(streamStates, JSON.stringify(state));
  await ledger.db.insert(gaps, JSON.stringify(['test/hub/9', 5, 14, 'retention']));
  const hole = part(1, { source: 'short', sequence_number: 40, prev: 30 }, recent + 9);
  await ledger.store(hole, 'test/short/0');
  const rules = ['pipeline_gap', 'pipeline_rejects', 'pipeline_imbalance', 'pipeline_lag'];
  const rows = await found(Date.now(), ...rules, 'silent_source', 'upstream_loss');
  const told = rows.map((row) => [row.rule, row.labels['stream'] ?? row.labels['source'] ?? '', row.severity]);
  expect(told).toContainEqual(['pipeline_gap', 'test/hub/9', 'page']);
  expect(told).toContainEqual(['pipeline_rejects', '', 'ticket']);
  expect(told).toContainEqual(['pipeline_imbalance', 'test/short/0', 'page']);
  expect(told).toContainEqual(['pipeline_lag', 'test/lagging/0', 'page']);
  expect(told.some(([rule, , severity]) => rule === 'silent_source' && severity === 'page')).toBe(true);
  expect(told).toContainEqual(['upstream_loss', 'short', 'ticket']);
  expect(told.filter(([rule, where]) => rule === 'upstream_loss' && where !== 'short')).toEqual([]);
  // Asked for by the clock: a rule of the watermark would be over, or never begin, in every tick that has none.
  const asked = (await ledger.db.read(wallDetectors[0], { at: argument(Date.now()) })).map(({ rule }) => rule);
  const clocks = new Map(
    (await ledger.db.read(alertRulesKnown, { at: argument(clock) })).map((one) => [one.rule, one]),
  );
  expect(asked.map((rule) => [rule, clocks.get(rule)?.clock])).toEqual(asked.map((rule) => [rule, 'wall']));
});
