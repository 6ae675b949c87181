import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Database } from '#clickhouse/client.ts';
import { argument, find } from '#clickhouse/detect.ts';
import { trafficAnomalies, trafficFindings } from '#clickhouse/detection.ts';
import { weeks } from '../backtest/config.ts';
import { falseAlerts, recall } from '../backtest/score.ts';
import { runWeeks } from '../backtest/weeks.ts';
import { openSchema, type Schema } from '../ingest/schema.ts';

const seed = Number(process.env['SEED'] ?? 7);
console.log(`findings.test.ts runs with SEED=${seed}`);

const minute = 60_000;
const hour = 60 * minute;
// Few series and one day: the guarantees. The figures are those of `npm run backtest`.
const small = { ...weeks, tenants: 1, deployments: 6, scoredDays: 1, mean: [60, 600] as const, holidayShare: 0 };

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

test('traffic without incidents raises no alert', { timeout: 300_000 }, async () => {
  const run = await runWeeks(db, { ...small, incidents: false }, [seed], () => {});
  expect(run.alerts).toEqual([]);
});

test('what is found minute by minute is what is found in one look at the hour', { timeout: 300_000 }, async () => {
  const incidents = [
    { kind: 'spike_10' as const, at: 1 * hour },
    { kind: 'errors' as const, at: 3 * hour },
    { kind: 'silence' as const, at: 5 * hour },
    { kind: 'slow' as const, at: 7 * hour },
  ];
  // Another seed has series of its own, so nothing of the first test is touched; its incidents are placed by hand.
  const config = { ...small, incidents: true, kinds: incidents.map((one) => one.kind), scoredDays: 7 };
  const run = await runWeeks(db, { ...config, deployments: 3, scoredDays: 7 }, [seed + 1], () => {});
  const all = run.series.flatMap((series) => series.incidents);
  const own = run.alerts.filter((alert) => alert.series.startsWith(`seed-${seed + 1}-`));
  const found = recall(own, all).reduce((sum, score) => sum + score.found, 0);
  expect(found / all.length).toBeGreaterThan(0.7);
  expect(falseAlerts(own, all).length).toBeLessThanOrEqual(1);

  const first = all[0];
  if (first === undefined) throw new Error('there is an incident');
  const begin = Math.floor(first.from / hour) * hour;
  const whole = await db.read(trafficFindings, { from: argument(begin + minute), to: argument(begin + hour) });
  const single: unknown[] = [];
  for (let at = begin + minute; at <= begin + hour; at += minute)
    single.push(...(await db.read(trafficFindings, { from: argument(at), to: argument(at) })));
  expect(sorted(single)).toEqual(sorted(whole));
  expect(whole.length).toBeGreaterThan(0);
});

test('an instant that nobody looked at has no data, and keeps what was found last as such', async () => {
  const [row] = await db.query<{ at: string }>(
    'SELECT toUnixTimestamp64Milli(max(evaluated_at)) AS at FROM detections',
  );
  const last = Number(row?.at);
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
    `INSERT INTO detection_calendar (tenant_id, deployment, kind, starts_at, ends_at, author, reason)
     VALUES ('${one.tenant_id}', '${one.deployment}', 'maintenance', '${argument(at - hour)}', '${argument(at + hour)}', 'test', 'test')`,
  );
  const after = await db.read(trafficFindings, { from: argument(at), to: argument(at) });
  expect(after.some((row) => row.labels['deployment'] === one.deployment)).toBe(false);
  await find(db, at, at);
});
