import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Database } from '#clickhouse/client.ts';
import { compare, measure, prepareMetrics } from '#clickhouse/compare.ts';
import { argument } from '#clickhouse/detect.ts';
import { anomalyEpisodes } from '#clickhouse/detection.ts';
import { metricAnomalies } from '#clickhouse/metrics.ts';
import { detect } from '../../alerts/detect.ts';
import { Journal } from '../../ingest/journal.ts';
import { ingestMetrics } from '../../ingest/metrics.ts';
import { chance } from '../backtest/chance.ts';
import { readLabelled, runLabelled } from '../backtest/labelled.ts';
import { writeLabelled } from '../backtest/labelled_files.ts';
import { benchmarkMust, benchmarkOf, benchmarkTable, labelledTable, operationOf } from '../backtest/labelled_report.ts';
import { openSchema, type Schema, silent } from '../ingest/schema.ts';
import { scoresOf } from './tails.ts';

const seed = Number(process.env['SEED'] ?? 5);
console.log(`metrics.test.ts runs with SEED=${seed}`);

const minute = 60_000;
const five = 5 * minute;
const hour = 60 * minute;
const day = 24 * hour;
const start = Date.UTC(2026, 8, 7);
const endpoint =
  '/subscriptions/s/resourceGroups/r/providers/Microsoft.MachineLearningServices/workspaces/w/onlineEndpoints/fraud/deployments/blue';
const account = '/subscriptions/s/resourceGroups/r/providers/Microsoft.CognitiveServices/accounts/eus';

let schema: Schema;
let db: Database;

beforeAll(async () => {
  schema = await openSchema();
  db = schema.db;
}, 120_000);
afterAll(async () => schema.close());
beforeEach(async () => {
  const tables = ['events', 'metric_values', 'metric_features', 'metric_scores', 'measurements', 'detections'];
  for (const name of tables) await db.command(`TRUNCATE TABLE ${name}`);
});

type Polled = { readonly at: number } & Readonly<Record<string, unknown>>;

/** Stores records as the poller does. */
async function poll(metricName: string, resourceId: string, values: readonly Polled[]): Promise<void> {
  const journal = new Journal('poll', { db, log: silent, metrics: ingestMetrics(), owner: 'test', rows: {} });
  for (let i = 0; i < values.length; i += 1_000) {
    const records = values
      .slice(i, i + 1_000)
      .map(({ at, ...rest }) => Object.assign(rest, { metricName, resourceId, time: new Date(at).toISOString() }));
    const stored = await journal.append({ body: Buffer.from(JSON.stringify({ records })), source: 'azure_metric' });
    expect(stored?.kinds).toEqual({ metric: records.length });
  }
  await journal.close();
}

/** A day's rhythm with noise, every five minutes. */
function rhythm(
  index: number,
  days: number,
  change: (value: number, at: number) => number = (value) => value,
): Polled[] {
  const draw = chance(seed * 10 + index);
  return Array.from({ length: (days * day) / five }, (_, i) => {
    const at = start + i * five;
    const usual = 50 + 20 * Math.sin((2 * Math.PI * (at % day)) / day) + 2 * draw.normal();
    return { at, average: change(usual, at), count: 1 };
  });
}

async function scores(): Promise<Record<string, unknown>[]> {
  return db.query(
    'SELECT series, toUnixTimestamp(at) AS at, round(score, 9) AS score FROM metric_scores FINAL ORDER BY series, at',
  );
}

test('metric_anomaly: a metric that leaves what it was for days is told with its place, and one that goes on is not', async () => {
  const fallen = start + 8 * day + 3 * hour;
  await poll(
    'DeploymentCapacity',
    endpoint,
    rhythm(1, 9, (value, at) => (at >= fallen ? value / 10 : value)),
  );
  await poll('CpuUtilizationPercentage', account, rhythm(2, 9));
  const seen: number[] = [];
  for (let at = fallen - 2 * five; at < fallen + 8 * five; at += five) {
    await prepareMetrics(db, at, 30);
    const rows = await db.read(metricAnomalies, { at: argument(at) });
    for (const { labels, rule, state, unit } of rows)
      expect([labels, rule, state, unit]).toEqual([
        { metric: 'DeploymentCapacity', backend: 'fraud', deployment: 'blue' },
        'metric_anomaly',
        'firing',
        'DeploymentCapacity',
      ]);
    if (rows.length > 0) seen.push(at);
  }
  // The first value after the fall is whole after five minutes, and looked at five minutes later.
  expect(seen[0]).toBe(fallen + 2 * five);
  const told = await detect(db, { ledger: null, wall: fallen + 2 * five });
  expect(told.failed).toEqual([]);
  const found = told.detections.find((one) => one.rule === 'metric_anomaly');
  expect(['info', 'ticket']).toContain(found?.severity);
  expect(found?.affected).toEqual(['fraud/blue']);
  expect(found?.observed).toBeLessThan((found?.expected ?? 0) / 2);
  const window = { from: argument(start), to: argument(start + 10 * day), tenant_id: [], rule: ['metric_anomaly'] };
  const all = await db.read(anomalyEpisodes, { ...window, visible_tenants: ['*'] });
  expect([...new Set(all.map((one) => one.labels['metric']))]).toEqual(['DeploymentCapacity']);
  // A metric is of a resource that tenants share: who may see one tenant does not see it.
  expect(await db.read(anomalyEpisodes, { ...window, visible_tenants: ['one'] })).toEqual([]);
});

test('what counts is summed over five minutes and what does not is averaged by its samples, each minute once', async () => {
  const values = [
    { at: start, total: 100, count: 4, average: 25, minimum: 1, maximum: 50 },
    { at: start + minute, total: 300, count: 1, average: 300, minimum: 300, maximum: 300 },
  ];
  for (const name of ['InputTokens', 'Latency']) await poll(name, account, values);
  await poll('Latency', account, values.slice(0, 1));
  await poll('OnlyMaximum', account, [{ at: start, maximum: 7 }]);
  await measure(db, start, start + five);
  const rows = await db.query("SELECT labels['metric'] AS metric, value FROM metric_values FINAL ORDER BY metric");
  expect(rows).toEqual([
    { metric: 'InputTokens', value: 400 },
    { metric: 'Latency', value: 80 },
    { metric: 'OnlyMaximum', value: 7 },
  ]);
});

test('every score is what comparing each value with all before it by brute force gives, however it is measured', async () => {
  const end = start + 4 * day;
  const series = [rhythm(3, 4), rhythm(4, 4, (value, at) => (at % (7 * hour) < five ? value + 60 : value))];
  for (const [index, values] of series.entries()) await poll(`Value${index}`, account, values);
  for (let at = start; at < end; at += day) {
    await measure(db, at, at + day);
    await compare(db, at, at + day);
  }
  const whole = await scores();
  const ids = await db.query<{ series: string }>(
    "SELECT DISTINCT series, labels['metric'] AS metric FROM metric_values ORDER BY metric",
  );
  for (const [index, { series: id }] of ids.entries()) {
    const expected = scoresOf((series[index] ?? []).map(({ at, average }) => ({ at, value: Number(average) })));
    const got = whole.filter((row) => row['series'] === id);
    // The first has nothing to be compared with, and the second no other comparison.
    expect(got.length).toBe(expected.length - 2);
    for (const [i, row] of got.entries()) expect(Number(row['score'])).toBeCloseTo(expected[i + 2] ?? Number.NaN, 6);
  }
  // A tick measures the last hour again and knows nothing of what comes later.
  for (const name of ['metric_values', 'metric_features', 'metric_scores']) {
    await db.command(
      `ALTER TABLE ${name} DELETE WHERE at >= '${argument(end - 4 * hour).slice(0, 19)}' SETTINGS mutations_sync = 1`,
    );
  }
  for (let at = end - 4 * hour; at < end; at += 2 * five) {
    await measure(db, at - hour, at + 2 * five);
    await compare(db, at - five, at + 2 * five);
  }
  expect(await scores()).toEqual(whole);
});

test('values that come hours late are learned from with the next full hour', async () => {
  const values = rhythm(6, 1);
  await poll('Value', account, values.slice(200));
  await prepareMetrics(db, start + day - 10 * minute);
  await poll('Value', account, values.slice(0, 200));
  await prepareMetrics(db, start + day);
  expect(await db.query('SELECT count() AS n FROM metric_values FINAL')).toEqual([{ n: '87' }]);
  await prepareMetrics(db, start + day + five);
  expect(await db.query('SELECT count() AS n FROM metric_values FINAL')).toEqual([{ n: '288' }]);
});

test('without metrics nothing is measured, and a series is not judged before it is known', async () => {
  await prepareMetrics(db, start + day);
  expect(await db.query('SELECT * FROM measurements')).toEqual([]);
  const young = rhythm(5, 1)
    .slice(0, 100)
    .concat({ at: start + 100 * five, average: 10_000 });
  await poll('Young', account, young);
  await prepareMetrics(db, start + 102 * five);
  const [last] = (await scores()).slice(-1);
  expect(last).toMatchObject({ at: (start + 100 * five) / 1_000 });
  expect(await db.read(metricAnomalies, { at: argument(start + 102 * five) })).toEqual([]);
});

test(
  'labelled series are replayed: what happened is found, what did not is not told, and the figures say so',
  { timeout: 120_000 },
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'gatemeter-labelled-'));
    const { data, labels } = await writeLabelled(directory, seed);
    const series = await readLabelled(data, labels);
    await writeFile(labels, JSON.stringify({ 'quiet.csv': [['2027-01-01 00:00:00', '2027-01-02 00:00:00']] }));
    await expect(readLabelled(data, labels)).rejects.toThrow('quiet.csv: no value is in the window');
    await rm(directory, { recursive: true });
    expect(series.map(({ file, windows, scoredFrom }) => [file, windows.length, scoredFrom])).toEqual([
      ['load/falls.csv', 1, 216],
      ['load/jumps.csv', 1, 216],
      ['load/spikes.csv', 1, 216],
      ['quiet.csv', 0, 216],
    ]);
    const run = await runLabelled(db, series, { threshold: 1.9, progress: () => {} });
    const of = operationOf(series, run.alertsAt(run.threshold));
    expect([of.recall, of.precision, of.falsePerSeriesWeek, of.alerts]).toEqual([1, 1, 0, 3]);
    const benchmark = benchmarkOf(run);
    expect(benchmark.standard.asSet).toBeGreaterThan(90);
    expect(benchmark.standard.corpus).toBeGreaterThanOrEqual(benchmark.standard.asSet);
    // An impossible threshold tells nothing, which scores nothing.
    const silence = operationOf(series, run.alertsAt(100));
    expect([silence.recall, silence.alerts, benchmarkOf({ ...run, threshold: 100 }).standard.asSet]).toEqual([0, 0, 0]);
    expect(labelledTable(run)).toContain('| recall (window with an onset) | 1.000 |');
    expect(benchmarkTable(benchmark)[2]).toContain(`| standard | ${benchmark.standard.corpus.toFixed(1)} |`);
    // What must hold is about the benchmark's own files.
    expect(benchmarkMust(run, benchmark)).toEqual([]);
  },
);
