import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import type { Database } from '#clickhouse/client.ts';
import { compare, measure } from '#clickhouse/compare.ts';
import { argument } from '#clickhouse/detect.ts';
import { detectorValues } from '#clickhouse/detection.ts';
import { metricAnomalies, metricFindings } from '#clickhouse/metrics.ts';
import { createLog } from '#common/log.ts';
import { Journal } from '../../ingest/journal.ts';
import { ingestMetrics } from '../../ingest/metrics.ts';
import { probation, type Window } from './nab.ts';
import { type Alert, alertsOf, type Finding } from './score.ts';

const minuteMs = 60_000;
const fiveMs = 5 * minuteMs;
const dayMs = 24 * 60 * minuteMs;

/** A file of values with labelled windows, instants in ms. */
export type LabelledSeries = {
  readonly file: string;
  readonly times: readonly number[];
  readonly values: readonly number[];
  readonly windows: readonly Window[];
  /** First row that is scored. */
  readonly scoredFrom: number;
};

/** Every CSV (timestamp,value in UTC, with a header) below a directory, with what a JSON of file → [[from, to]] says of it. */
export async function readLabelled(directory: string, labels: string): Promise<LabelledSeries[]> {
  const known = JSON.parse(await readFile(labels, 'utf8')) as Record<string, [string, string][] | undefined>;
  const names = (await readdir(directory, { recursive: true })).filter((name) => name.endsWith('.csv')).sort();
  return Promise.all(
    names.map(async (file) => {
      const rows = parse(await readFile(join(directory, file), 'utf8'), { from_line: 2 });
      const times = rows.map(([time = '']) => instantOf(time, file));
      const windows = (known[file.replaceAll('\\', '/')] ?? []).map(([from, to]): Window => {
        const [begin, end] = [instantOf(from, file), instantOf(to, file)];
        return [times.findIndex((time) => time >= begin), times.findLastIndex((time) => time <= end)];
      });
      return { file, times, values: rows.map((row) => Number(row[1])), windows, scoredFrom: probation(rows.length) };
    }),
  );
}

function instantOf(text: string, file: string): number {
  const ms = Date.parse(`${text.trim().replace(' ', 'T')}Z`);
  if (Number.isNaN(ms)) throw new Error(`${file}: ${text} is no instant like 2026-01-31 08:05:00`);
  return ms;
}

/** Stores the values as those of platform metrics that were polled; the series is in the back end's name. */
async function store(db: Database, series: readonly LabelledSeries[]): Promise<void> {
  const log = createLog('backtest', 'silent');
  const journal = new Journal('poll', { db, log, metrics: ingestMetrics(), owner: 'backtest', rows: {} });
  const account = '/subscriptions/s/resourceGroups/r/providers/Microsoft.CognitiveServices/accounts/series';
  for (const [index, { times, values }] of series.entries()) {
    const about = { metricName: 'Value', resourceId: `${account}-${index}`, timeGrain: 'PT1M', count: 1 };
    for (let from = 0; from < times.length; from += 1_000) {
      const records = times.slice(from, from + 1_000).map((time, i) => {
        const average = values[from + i];
        return Object.assign({ time: new Date(time).toISOString(), average }, about);
      });
      const stored = await journal.append({ body: Buffer.from(JSON.stringify({ records })), source: 'azure_metric' });
      if (stored === null || stored.kinds['metric'] !== records.length)
        throw new Error('not every value was understood');
    }
  }
  await journal.close();
}

export type LabelledRun = {
  readonly series: readonly LabelledSeries[];
  /** The threshold that holds in the parameters now, of which `alerts` are. */
  readonly threshold: number;
  /** Alerts at a threshold that is not below `lowestThreshold`, by series. */
  readonly alertsAt: (threshold: number) => readonly (readonly Alert[])[];
  readonly tick: { readonly series: number; readonly fifthMs: number[]; readonly otherMs: number[] };
};

/** The lowest threshold that is tried. */
export const lowestThreshold = 1;

/**
 * Stores the series, lets the days of their values pass one by one, and asks what every minute shows. A threshold is only
 * compared with scores, so the findings of the lowest hold those of all.
 */
export async function runLabelled(
  db: Database,
  series: readonly LabelledSeries[],
  options: { readonly threshold: number | null; readonly progress: (text: string) => void },
): Promise<LabelledRun> {
  await store(db, series);
  options.progress('stored');
  const days = [...new Set(series.flatMap(({ times }) => times.map((time) => Math.floor(time / dayMs) * dayMs)))].sort(
    (a, b) => a - b,
  );
  for (const [index, day] of days.entries()) {
    await measure(db, day, day + dayMs);
    await compare(db, day, day + dayMs);
    if (index % 100 === 99) options.progress(`${index + 1} of ${days.length} days`);
  }
  const last = (days.at(-1) ?? 0) + 2 * dayMs;
  const [known] = await db.read(detectorValues, { at: argument(last) });
  const values = known?.values ?? {};
  await setThreshold(db, 2, lowestThreshold);
  const lowest = await findingsOf(db, days[0] ?? 0, last);
  const threshold = options.threshold ?? values['metric_anomaly.score'] ?? 0;
  await setThreshold(db, 3, threshold);
  const keepMs = (values['metric_anomaly.keep_firing_for_seconds'] ?? 0) * 1_000;
  const timing = { forMs: (values['metric_anomaly.for_seconds'] ?? 0) * 1_000, keepMs };
  const alertsAt = (least: number): readonly (readonly Alert[])[] =>
    series.map((_, index) =>
      runs(
        (lowest.get(`series-${index}`) ?? []).filter(({ score }) => score >= least),
        2 * keepMs,
      ).flatMap((run) => alertsOf(run, () => timing)),
    );
  return { series, threshold, alertsAt, tick: await tickCost(db, series) };
}

/** A parameter in a later version, as anybody changes it. */
async function setThreshold(db: Database, version: number, value: number): Promise<void> {
  await db.command(
    `INSERT INTO detector_parameters (name, version, value, valid_from, author, reason)
     VALUES ('metric_anomaly.score', ${version}, ${value}, '2000-01-01 00:00:00', 'backtest', 'a threshold that is tried')`,
  );
}

async function findingsOf(db: Database, from: number, to: number): Promise<Map<string, Finding[]>> {
  const columns = ['evaluated_at', 'labels', 'severity', 'score'] as const;
  const rows = await db.read(metricFindings, { from: argument(from), to: argument(to) }, { columns });
  const findings = rows.map(({ evaluated_at, labels, severity, score }): Finding => {
    const found = { series: labels['backend'] ?? '', at: Date.parse(evaluated_at), severity, score };
    return Object.assign(found, { rule: 'metric_anomaly', observed: 0, expected: 0, evidence: '' });
  });
  return Map.groupBy(
    findings.sort((a, b) => a.at - b.at),
    ({ series }) => series,
  );
}

/** Findings so far apart that an alert of the first is over and forgotten: the same alerts, without the minutes between. */
function runs(findings: readonly Finding[], apartMs: number): Finding[][] {
  const all: Finding[][] = [];
  for (const finding of findings) {
    const run = all.at(-1);
    const before = run?.at(-1);
    if (run !== undefined && before !== undefined && finding.at - before.at <= Math.max(apartMs, dayMs))
      run.push(finding);
    else all.push([finding]);
  }
  return all;
}

/** Milliseconds of single minutes in the middle of the day with the most series: every fifth compares, each one asks. */
async function tickCost(db: Database, series: readonly LabelledSeries[]): Promise<LabelledRun['tick']> {
  const alive = (at: number): number =>
    series.filter(({ times }) => (times[0] ?? at) <= at && (times.at(-1) ?? 0) >= at).length;
  const middles = series.map(({ times }) => Math.floor((times[Math.floor(times.length * 0.9)] ?? 0) / fiveMs) * fiveMs);
  const at = middles.reduce((most, one) => (alive(one) > alive(most) ? one : most), middles[0] ?? 0);
  const [fifthMs, otherMs]: [number[], number[]] = [[], []];
  for (let tick = 0; tick < 10; tick += 1) {
    const now = at + tick * fiveMs;
    const began = performance.now();
    await measure(db, now - 60 * minuteMs, now);
    await compare(db, now - 3 * fiveMs, now);
    const asked = performance.now();
    await db.read(metricAnomalies, { at: argument(now + fiveMs) });
    otherMs.push(performance.now() - asked);
    fifthMs.push(performance.now() - began);
  }
  return { series: alive(at), fifthMs, otherMs };
}
