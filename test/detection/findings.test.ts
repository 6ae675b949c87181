import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Database } from '#clickhouse/client.ts';
import { argument, find } from '#clickhouse/detect.ts';
import { trafficAnomalies, trafficFindings } from '#clickhouse/detection.ts';
import { weeks } from '../backtest/config.ts';
import { ledgerTable, type Labels, replayLedger } from '../backtest/ledger.ts';
import { falseAlerts, recall, seriesKey } from '../backtest/score.ts';
import { seriesOf } from '../backtest/traffic.ts';
import { runWeeks } from '../backtest/weeks.ts';
import { openSchema, type Schema } from '../ingest/schema.ts';

const seed = Number(process.env['SEED'] ?? 7);
console.log(`findings.test.ts runs with SEED=${seed}`);

const minute = 60_000;
const hour = 60 * minute;
// Few busy series and one day, every second of them without incidents: the guarantees. The figures are those of
// `npm run backtest`.
const kinds = ['spike_10', 'errors', 'throttling', 'slow', 'silence'] as const;
const day = { ...weeks, deployments: 6, scoredDays: 1, learnedDays: 1, incidentsEvery: 2, kinds, holidayShare: 0 };
const small = { ...day, mean: [150, 600] as const, dispersions: [1.5, 3], incidentMinutes: [45, 60] as const };

let schema: Schema;
let db: Database;

beforeAll(async () => {
  schema = await openSchema();
  db = schema.db;
}, 120_000);

afterAll(async () => schema.close());

function sorted(rows: readonly unknown[]): string[] {
  return rows.map((row) => JSON.stringify(row)).sort();
}

test(
  'each kind of incident raises its alert, and traffic without incidents raises none',
  { timeout: 300_000 },
  async () => {
    const run = await runWeeks(db, small, [seed], () => {});
    const incidents = run.series.flatMap((series) => series.incidents);
    expect(incidents).toHaveLength(3 * kinds.length);
    for (const { kind, found, incidents: all } of recall(run.alerts, incidents))
      expect([kind, found], `${found} of ${all}`).toEqual([kind, all]);
    const quiet = run.series.filter((series) => series.incidents.length === 0).map(seriesKey);
    expect(quiet).toHaveLength(3);
    expect(run.alerts.filter((alert) => quiet.includes(alert.series))).toEqual([]);
    expect(falseAlerts(run.alerts, incidents)).toEqual([]);
  },
);

test('what is found minute by minute is what is found in one look at the hour', { timeout: 300_000 }, async () => {
  const all = seriesOf(small, seed).flatMap((series) => series.incidents);
  const first = all[0];
  if (first === undefined) throw new Error('there is an incident');
  const begin = Math.floor(first.from / hour) * hour;
  const whole = await db.read(trafficFindings, { from: argument(begin + minute), to: argument(begin + hour) });
  const single: unknown[] = [];
  for (let at = begin + 20 * minute; at <= begin + hour; at += 20 * minute)
    single.push(...(await db.read(trafficFindings, { from: argument(at), to: argument(at) })));
  const third = whole.filter((row) => (Date.parse(row.evaluated_at) - begin) % (20 * minute) === 0);
  expect(sorted(single)).toEqual(sorted(third));
  expect(third.length).toBeGreaterThan(0);
});

test('a ledger gone through again gives the alerts that it gave, and its labels say which were right', async () => {
  const all = seriesOf(small, seed).flatMap((series) => series.incidents);
  const from = small.scoredFrom;
  const run = await replayLedger(db, from, from + 24 * hour);
  expect(run.series).toBe(small.deployments);
  const labels: Labels = {};
  for (const one of all)
    (labels[seriesKey(one)] ??= []).push([new Date(one.from).toISOString(), new Date(one.to).toISOString()]);
  const figures = ledgerTable(run, labels).join('\n');
  expect(figures).toContain(`| precision; recall | 1.0000 of ${run.alerts.length}; 1.0000 of ${all.length} |`);
  expect(figures).toContain('| false alerts per series-week; per tenant-week | 0.0000; 0.0000 |');
  // Without labels nothing is called right or false.
  expect(ledgerTable(run, null).join('\n')).not.toContain('precision');
});

test('an instant that nobody looked at has no data, and keeps what was found last as such', async () => {
  const [row] = await db.query<{ at: string }>(
    'SELECT toUnixTimestamp64Milli(max(evaluated_at)) AS at FROM detections',
  );
  const last = Number(row?.at);
  await find(db, last, last);
  const known = await db.read(trafficAnomalies, { at: argument(last) });
  expect(known.map((one) => one.state)).toEqual(known.map(() => 'firing'));
  const later = await db.read(trafficAnomalies, { at: argument(last + 400 * 24 * hour) });
  expect(later).toEqual([]);
  const [next] = await db.query<{ at: string }>(
    "SELECT toUnixTimestamp64Milli(max(through)) AS at FROM measurements WHERE what = 'findings'",
  );
  const beyond = Number(next?.at) + 10 * minute;
  const unknown = await db.read(trafficAnomalies, { at: argument(beyond) });
  expect(new Set(unknown.map((one) => one.state))).toEqual(new Set(unknown.length === 0 ? [] : ['no_data']));
});

test('nothing is found in what the calendar names', async () => {
  const rows = await db.query<{ at: string; tenant_id: string; deployment: string; rule: string }>(
    `SELECT toUnixTimestamp64Milli(evaluated_at) AS at, labels['tenant_id'] AS tenant_id, labels['deployment'] AS deployment, rule
     FROM detections WHERE rule = 'request_spike' ORDER BY evaluated_at LIMIT 1`,
  );
  const [one] = rows;
  if (one === undefined) throw new Error('a spike was found before');
  const at = Number(one.at);
  const before = await db.read(trafficFindings, { from: argument(at), to: argument(at) });
  expect(before.some((row) => row.labels['deployment'] === one.deployment)).toBe(true);
  await db.command(
    `INSERT INTO detection_calendar (period_id, tenant_id, deployment, kind, starts_at, ends_at, withdrawn, author, reason)
     VALUES ('one', '${one.tenant_id}', '${one.deployment}', 'maintenance', '${argument(at - hour)}', '${argument(at + hour)}', false, 'test', 'test')`,
  );
  const after = await db.read(trafficFindings, { from: argument(at), to: argument(at) });
  expect(after.some((row) => row.labels['deployment'] === one.deployment)).toBe(false);
  await find(db, at, at);
});
