import type { Database } from '#clickhouse/client.ts';
import { trafficHours, trafficMinutes } from '#clickhouse/detection_tables.ts';
import type { TrafficConfig } from './config.ts';
import { type Minute, minutesOf, type Series } from './traffic.ts';

const dayMs = 86_400_000;
const hourMs = 3_600_000;
function wire(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
}

type Metric = 'first_token' | 'generation';

/** Of which time a series knows the logarithm, and before which instant (ms) it is written. */
type Part = { readonly metric: Metric; readonly until: number };

/**
 * Writes a series as the ledger would have measured it: the first weeks by the hour, as they would be kept by now, the
 * rest by the minute. `linesMax` bounds what is in memory.
 */
export async function storeSeries(
  db: Database,
  config: TrafficConfig,
  series: Series,
  seed: number,
  part: Part = { metric: 'first_token', until: Number.POSITIVE_INFINITY },
): Promise<void> {
  const minutesFrom = config.scoredFrom - config.learnedDays * dayMs;
  const computed = wire(config.scoredFrom);
  const minutes: string[] = [];
  const hours: string[] = [];
  let hour: Minute[] = [];
  for (const minute of minutesOf(config, series, seed)) {
    if (minute.at >= part.until) break;
    if (minute.at >= minutesFrom) {
      if (minute.calls > 0) minutes.push(minuteLine(series, minute, computed, part.metric));
      continue;
    }
    hour.push(minute);
    if (hour.length === 60) {
      hours.push(hourLine(series, hour, computed, part.metric));
      hour = [];
    }
  }
  await db.insert(trafficHours, hours.join('\n'));
  await db.insert(trafficMinutes, minutes.join('\n'));
}

const costPerToken = 0.000_005;

/** The list cost of so many tokens, in US dollars. */
export function costOf(tokens: number): string {
  return (tokens * costPerToken).toFixed(6);
}

function minuteLine(series: Series, minute: Minute, computed: string, metric: Metric): string {
  const cost = costOf(minute.tokens);
  const log = `${minute.timed},${minute.log.toFixed(5)}`;
  const logs = metric === 'first_token' ? `${log},0,0` : `0,0,${log}`;
  const { tenant_id, deployment, provider_name } = series;
  return `["${wire(minute.at)}","${tenant_id}","${deployment}","${provider_name}","region",${minute.calls},${minute.failed},${minute.failed},${minute.throttled},${minute.tokens},"${cost}",0,[],${logs},"${computed}"]`;
}

function sum(of: (minute: Minute) => number, part: readonly Minute[]): number {
  return part.reduce((n, m) => n + of(m), 0);
}

function hourLine(series: Series, minutes: readonly Minute[], computed: string, metric: Metric): string {
  const fives = Array.from({ length: 12 }, (_, i) => minutes.slice(5 * i, 5 * i + 5));
  const tokens = fives.map((part) => sum((m) => m.tokens, part));
  const logs = fives.map((part) => {
    const timed = sum((m) => m.timed, part);
    return timed < 3 ? 'nan' : Number((sum((m) => m.log, part) / timed).toFixed(5));
  });
  const row = [
    wire(Math.floor((minutes[0]?.at ?? 0) / hourMs) * hourMs),
    series.tenant_id,
    series.deployment,
    fives.map((part) => sum((m) => m.calls, part)),
    tokens,
    tokens.map((n) => Number((n * costPerToken).toFixed(6))),
    sum((m) => m.calls, minutes),
    sum((m) => m.failed, minutes),
    sum((m) => m.failed, minutes),
    sum((m) => m.throttled, minutes),
    metric === 'first_token' ? logs : [],
    metric === 'first_token' ? [] : logs,
    'nan',
    [],
    0,
    false,
    computed,
  ];
  return JSON.stringify(row);
}
