import type { Database } from './client.ts';
import { argument } from './detect.ts';
import { detections, measurements } from './detection_tables.ts';
import {
  comparedMetrics,
  measuredMetrics,
  metricFeatures,
  metricFindings,
  metricScores,
  metricsThrough,
  metricValues,
  rankedMetrics,
} from './metrics.ts';

/* The order in which the tables of metrics are filled: values, how they differ, how far in the tail that is, findings. */

const minuteMs = 60_000;
const fiveMs = 5 * minuteMs;
const dayMs = 24 * 60 * minuteMs;
/** A value is there so long after the end of its five minutes: Azure Monitor has it after three, the poller after four. */
const settledMs = fiveMs;
/** Values that come late are measured again for so long, and learned from. */
const againMs = 60 * minuteMs;
/** They are compared again for so long: what comes later still is not told, because it is over. */
const comparedAgainMs = 2 * fiveMs;

/**
 * Compares every metric with its own past up to `at` (ms) and stores what the minute before it shows. Costs a look at one
 * small table where there are no metrics. At most `daysMax` days are caught up with in one call. Every step may be
 * repeated. Errors of the database are thrown.
 */
export async function prepareMetrics(db: Database, at: number, daysMax: number = 2): Promise<void> {
  const [known] = await db.read(metricsThrough, { at: argument(at) });
  const through = known?.through ?? null;
  const first = through ?? known?.first_value ?? null;
  if (first === null) return;
  const due = floor(at - settledMs, fiveMs);
  let done = through === null ? floor(Date.parse(first), dayMs) : Date.parse(through);
  for (let days = daysMax; days > 0 && done < due; days -= 1) {
    const to = Math.min(due, floor(done, dayMs) + dayMs);
    await measure(db, done - againMs, to);
    await compare(db, done - comparedAgainMs, to);
    await db.insert(measurements, JSON.stringify(['metrics', argument(to)]));
    done = to;
  }
  await findInMetrics(db, at, at);
}

/** Stores the values of [from, to) (ms, on borders of five minutes). */
export async function measure(db: Database, from: number, to: number): Promise<void> {
  await db.insertFrom(metricValues, measuredMetrics, { from: argument(from), to: argument(to) });
}

/** Compares the values of [from, to), about a day at most (ms), with what was before each. */
export async function compare(db: Database, from: number, to: number): Promise<void> {
  const args = { from: argument(from), to: argument(to) };
  await db.insertFrom(metricFeatures, comparedMetrics, args);
  await db.insertFrom(metricScores, rankedMetrics, args);
}

/** Stores what the minutes from `from` through `to` (ms) show. */
async function findInMetrics(db: Database, from: number, to: number): Promise<void> {
  await db.insertFrom(detections, metricFindings, { from: argument(from), to: argument(to) });
}

function floor(ms: number, step: number): number {
  return Math.floor(ms / step) * step;
}
