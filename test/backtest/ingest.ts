import type { Database } from '#clickhouse/client.ts';
import { openDatabase } from '#clickhouse/client.ts';
import { argument, find, learnCounts, prepare } from '#clickhouse/detect.ts';
import { measurements } from '#clickhouse/detection_tables.ts';
import { startMigratedEngine } from '../support/schema-directory.ts';
import { Stack } from '../support/stack.ts';
import { type TrafficConfig, weeks } from './config.ts';
import type { Row } from './must.ts';
import { type Alert, alertsOf, recall } from './score.ts';
import { storeSeries } from './store.ts';
import { compare, meant, measured, minutesFrom, prepareBooks, sendThrough } from './through.ts';
import { type Series, seriesOf } from './traffic.ts';
import { readFindings } from './weeks.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** A day of few series, because each of its calls is two records. */
export const oneDay: TrafficConfig = { ...weeks, deployments: 6, mean: [5, 100], scoredDays: 1, learnedDays: 1 };

export type IngestRun = {
  readonly messages: number;
  readonly calls: number;
  readonly compared: ReturnType<typeof compare>;
  /** The same alert, at the same minutes, on both ways; and those that only one has. */
  readonly same: number;
  readonly onlyThrough: readonly string[];
  readonly onlyWritten: readonly string[];
  readonly found: number;
  readonly incidents: number;
};

/**
 * One seed's day twice: every call as the records of a gateway, through the SDK, the hub, ingest and sealing, and then
 * measured by `prepare` as the clock goes on; and written as minutes, as the other parts do. Weeks before are written.
 */
export async function runIngest(
  config: TrafficConfig,
  seed: number,
  progress: (text: string) => void,
): Promise<IngestRun> {
  const series = seriesOf(config, seed);
  const from = config.scoredFrom;
  const to = from + config.scoredDays * dayMs;
  // What is measured again each time reaches back before the day.
  const minutes = minutesFrom(config, series, seed, from - 10 * minuteMs);
  const stack = await Stack.start();
  const engine = await startMigratedEngine();
  const written = openDatabase(engine.config, 'backtest', 600_000);
  try {
    await history(stack.db, config, series, seed, from);
    await history(written, config, series, seed, Number.POSITIVE_INFINITY);
    await prepareBooks(stack.db, series, from);
    stack.ingest({ messagesMax: 500 });
    const messages = await sendThrough(stack, minutes, seed);
    progress(`${messages} messages stored and sealed`);
    const known = ['hours', 'minutes'].map((what) => JSON.stringify([what, argument(from)]));
    await stack.db.insert(measurements, known.join('\n'));
    for (let hour = from; hour < to; hour += hourMs) {
      await goThrough(stack.db, hour);
      await find(written, hour + minuteMs, hour + 59 * minuteMs);
      await learnCounts(written, hour);
      await find(written, hour + hourMs, hour + hourMs);
      progress(argument(hour));
    }
    const scored = minutes.filter(({ minute }) => minute.at >= from);
    const alerts = [await alertsIn(stack.db, config), await alertsIn(written, config)] as const;
    const [through, direct] = alerts.map((all) => new Set(all.map(text))) as [Set<string>, Set<string>];
    const incidents = series.flatMap((one) => one.incidents);
    return {
      messages,
      calls: scored.reduce((n, { minute }) => n + minute.calls, 0),
      compared: compare(meant(scored), await measured(stack.db, from, to)),
      same: [...through].filter((one) => direct.has(one)).length,
      onlyThrough: [...through].filter((one) => !direct.has(one)),
      onlyWritten: [...direct].filter((one) => !through.has(one)),
      found: recall(alerts[0], incidents).reduce((n, { found }) => n + found, 0),
      incidents: incidents.length,
    };
  } finally {
    await written.close();
    await engine.stop();
    await stack.close();
  }
}

/** Weeks by the hour and the last day by the minute, and what is learned of them. */
async function history(
  db: Database,
  config: TrafficConfig,
  series: readonly Series[],
  seed: number,
  until: number,
): Promise<void> {
  for (const [index, one] of series.entries())
    await storeSeries(db, config, one, seed * 1_000 + index, { metric: 'generation', until });
  const from = config.scoredFrom;
  for (let hour = from - config.learnedDays * dayMs; hour < from; hour += hourMs) await learnCounts(db, hour);
}

/** An hour of the clock, measured in two pieces, as after an outage; each of its minutes is looked at as a tick would. */
async function goThrough(db: Database, hour: number): Promise<void> {
  await prepare(db, hour + 59 * minuteMs);
  await find(db, hour + minuteMs, hour + 59 * minuteMs);
  // Learns from the hour, before its last minute is looked at.
  await prepare(db, hour + hourMs);
  await find(db, hour + hourMs, hour + hourMs);
}

async function alertsIn(db: Database, config: TrafficConfig): Promise<Alert[]> {
  const { findings, timings } = await readFindings(db, config);
  return alertsOf(findings, (rule) => timings(rule));
}

function text(alert: Alert): string {
  return `${alert.rule} ${alert.severity} ${alert.series} ${argument(alert.firedAt)} to ${argument(alert.endedAt)}`;
}

export function ingestLines(run: IngestRun): string[] {
  const { compared } = run;
  return [
    `through ingest: ${run.calls} calls in ${run.messages} messages; ${compared.minutes} minutes of series, ${compared.different.length} of them with other counts`,
    `largest difference of a mean logarithm of time: ${compared.largestLog.toExponential(2)} (records have whole milliseconds)`,
    `alerts: ${run.same} the same on both ways; ${run.found} of ${run.incidents} incidents found`,
    ...compared.different.slice(0, 10),
    ...run.onlyThrough.map((one) => `only through ingest: ${one}`),
    ...run.onlyWritten.map((one) => `only as written: ${one}`),
  ];
}

export function ingestMust({ compared, onlyThrough, onlyWritten, same }: IngestRun): Row[] {
  const none = { must: 0, stretch: null };
  const { minutes, different } = compared;
  const other = onlyThrough.length + onlyWritten.length;
  const row = (what: string, value: number, of: number): Row => ({
    what,
    limits: none,
    sense: '≤',
    value,
    got: `${value} of ${of}`,
  });
  return [
    row('minutes with other counts through ingest than written', different.length, minutes),
    row('alerts of one way only', other, same + other),
  ];
}
