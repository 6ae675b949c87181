import type { Database } from '#clickhouse/client.ts';
import { argument, find, learnCounts } from '#clickhouse/detect.ts';
import { detectorValues } from '#clickhouse/detection.ts';
import { detections } from '#clickhouse/detection_tables.ts';
import type { TrafficConfig } from './config.ts';
import { alertsOf, type Alert, type Finding, type Timing } from './score.ts';
import { storeSeries } from './store.ts';
import { type Series, seriesOf } from './traffic.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

export type WeeksRun = {
  readonly series: readonly Series[];
  readonly findings: readonly Finding[];
  readonly timings: (rule: string) => Timing;
  readonly alerts: readonly Alert[];
  /** Milliseconds of the statements that found, one per hour of 60 ticks. */
  readonly findMs: readonly number[];
  readonly learnMs: readonly number[];
};

/** Writes the traffic of some seeds, and lets time pass over it: each hour is searched minute by minute, then learned. */
export async function runWeeks(
  db: Database,
  config: TrafficConfig,
  seeds: readonly number[],
  progress: (text: string) => void,
): Promise<WeeksRun> {
  const series: Series[] = [];
  for (const seed of seeds) {
    for (const [index, one] of seriesOf(config, seed).entries()) {
      await storeSeries(db, config, one, seed * 1_000 + index);
      series.push(one);
    }
    progress(`seed ${seed} written`);
  }
  for (let hour = config.scoredFrom - config.learnedDays * dayMs; hour < config.scoredFrom; hour += hourMs)
    await learnCounts(db, hour);
  progress('learned');
  const findMs: number[] = [];
  const learnMs: number[] = [];
  for (let hour = config.scoredFrom; hour < config.scoredFrom + config.scoredDays * dayMs; hour += hourMs) {
    const began = performance.now();
    await find(db, hour + minuteMs, hour + hourMs);
    findMs.push(performance.now() - began);
    await learnCounts(db, hour);
    learnMs.push(performance.now() - began - (findMs.at(-1) ?? 0));
    if ((hour - config.scoredFrom) % dayMs === 0) progress(argument(hour));
  }
  const { findings, timings } = await readFindings(db, config);
  return { series, findMs, learnMs, findings, timings, alerts: alertsOf(findings, (rule) => timings(rule)) };
}

/** Everything that was found, and the rules' own timings. */
export async function readFindings(
  db: Database,
  config: TrafficConfig,
): Promise<{ readonly findings: Finding[]; readonly timings: (rule: string) => Timing }> {
  const [known] = await db.read(detectorValues, { at: argument(config.scoredFrom) });
  const values = known?.values ?? {};
  const timings = (rule: string): Timing => ({
    forMs: (values[`${rule}.for_seconds`] ?? 0) * 1_000,
    keepMs: (values[`${rule}.keep_firing_for_seconds`] ?? 0) * 1_000,
  });
  const rows = await db.query<Omit<Finding, 'at'> & { readonly at: string }>(
    `SELECT rule, concat(labels['tenant_id'], '/', labels['deployment']) AS series, toUnixTimestamp64Milli(evaluated_at) AS at, severity,
            score, observed, expected, evidence
     FROM ${detections.name} FINAL WHERE state = 'firing'`,
  );
  return { findings: rows.map((row): Finding => Object.assign(row, { at: Number(row.at) })), timings };
}
