import { argument } from '#clickhouse/detect.ts';
import { latencyFits } from '#clickhouse/detection_tables.ts';
import { prices } from '#clickhouse/money.ts';
import type { Database } from '#clickhouse/client.ts';
import { settled } from '../support/stack-verify.ts';
import type { Stack } from '../support/stack.ts';
import { chance } from './chance.ts';
import type { TrafficConfig } from './config.ts';
import { backend, consumerOf, messagesOf, model, warm } from './messages.ts';
import { seriesKey } from './score.ts';
import { costOf } from './store.ts';
import { payersOf } from './trace.ts';
import { type Minute, minutesOf, type Series } from './traffic.ts';

const hourMs = 3_600_000;

/** One minute of one series, as texts that must be equal, and the sum of logarithms, that is rounded by whole milliseconds. */
export type MeasuredMinute = { readonly counts: string; readonly timed: number; readonly log: number };

/** Who pays, at which price, and what a warm call takes: what turns the records of a gateway into measured minutes. */
export async function prepareBooks(db: Database, series: readonly Series[], from: number): Promise<void> {
  const tenants = [...new Set(series.map(({ tenant_id }) => tenant_id))];
  await payersOf(
    db,
    tenants.map((tenant_id) => ({ consumer_id: consumerOf(tenant_id), tenant_id })),
  );
  const since = argument(Date.UTC(2026, 0));
  const lines = ['input', 'output'].map((kind) => {
    const price = ['backtest', 'azure.ai.openai', model, '', 'standard', kind, 0, '5', 1_000_000, 'Tokens', 'USD'];
    return JSON.stringify([...price, since, null, 'backtest', 'backtest']);
  });
  await db.insert(prices, lines.join('\n'));
  const hour = argument(from - hourMs).slice(0, 19);
  const fits = [...new Set(series.map(({ deployment }) => deployment))].map((deployment) =>
    // Of the least spread, so that it stands beside what is learned meanwhile.
    JSON.stringify([hour, deployment, backend, 'total', warm.interceptMs, warm.perTokenMs, 0, 0.05, 1_000, hour]),
  );
  await db.insert(latencyFits, fits.join('\n'));
}

/** Minutes of series from an instant on, hour by hour; the seed of each is the run's, times a thousand, and its place. */
export function minutesFrom(config: TrafficConfig, all: readonly Series[], seed: number, from: number) {
  const minutes: { readonly series: Series; readonly minute: Minute }[] = [];
  for (const [index, series] of all.entries())
    for (const minute of minutesOf(config, series, seed * 1_000 + index))
      if (minute.at >= from && minute.calls > 0) minutes.push({ series, minute });
  return minutes;
}

/** Sends the calls of these minutes through the hub, and waits until they are stored and sealed. */
export async function sendThrough(
  stack: Stack,
  minutes: ReturnType<typeof minutesFrom>,
  seed: number,
): Promise<number> {
  const draw = chance(seed);
  let sent = 0;
  const hours = Map.groupBy(minutes, ({ minute }) => Math.floor(minute.at / hourMs));
  for (const hour of [...hours.keys()].sort((a, b) => a - b)) {
    const messages = messagesOf(hours.get(hour) ?? [], stack.partitionCount, draw);
    await stack.send(messages);
    sent += messages.length;
  }
  await settled(stack, 600_000);
  return sent;
}

/** What the generator means, by minute and series. */
export function meant(minutes: ReturnType<typeof minutesFrom>): Map<string, MeasuredMinute> {
  return new Map(
    minutes.map(({ series, minute }) => {
      const { calls, failed, throttled, tokens, timed, log } = minute;
      const counts = [calls, failed, failed, throttled, tokens, tokens === 0 ? 0 : Number(costOf(tokens))].join();
      return [`${argument(minute.at)} ${seriesKey(series)}`, { counts, timed, log }];
    }),
  );
}

/** What was measured of [from, to), by minute and series. */
export async function measured(db: Database, from: number, to: number): Promise<Map<string, MeasuredMinute>> {
  const rows = await db.query<Record<string, string>>(
    `SELECT toUnixTimestamp(minute) AS at, tenant_id, deployment, calls, failed, server_failed, throttled, tokens, toString(ifNull(list_cost, 0)) AS cost,
            generation_calls AS timed, generation_log AS log
     FROM traffic_minutes FINAL WHERE calls > 0 AND minute >= toDateTime(${from / 1_000}, 'UTC') AND minute < toDateTime(${to / 1_000}, 'UTC')`,
  );
  return new Map(
    rows.map((row) => {
      const counts = [
        row['calls'],
        row['failed'],
        row['server_failed'],
        row['throttled'],
        row['tokens'],
        Number(row['cost']),
      ];
      const key = `${argument(Number(row['at']) * 1_000)} ${row['tenant_id']}/${row['deployment']}`;
      return [key, { counts: counts.join(), timed: Number(row['timed']), log: Number(row['log']) }];
    }),
  );
}

/** Minutes whose counts differ or that only one side has, and the largest difference of a mean logarithm. */
export function compare(
  a: ReadonlyMap<string, MeasuredMinute>,
  b: ReadonlyMap<string, MeasuredMinute>,
): { readonly minutes: number; readonly different: readonly string[]; readonly largestLog: number } {
  const keys = new Set([...a.keys(), ...b.keys()]);
  const different: string[] = [];
  let largestLog = 0;
  for (const key of keys) {
    const [one, other] = [a.get(key), b.get(key)];
    if (one?.counts !== other?.counts || one?.timed !== other?.timed)
      different.push(`${key}: ${one?.counts} of ${one?.timed}, ${other?.counts} of ${other?.timed}`);
    else if (one !== undefined && other !== undefined && one.timed > 0)
      largestLog = Math.max(largestLog, Math.abs(one.log - other.log) / one.timed);
  }
  return { minutes: keys.size, different, largestLog };
}
