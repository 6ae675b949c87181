import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { databaseConfig, databaseVariables, openDatabase, type Database } from '#clickhouse/client.ts';
import { backfills } from '#clickhouse/tables.ts';
import { polledThrough } from '#clickhouse/ledger.ts';
import { httpAddress, readEnvironment } from '#common/environment.ts';
import { ConfigurationError, messageOf } from '#common/error.ts';
import type { Running } from '#common/lifecycle.ts';
import { createLog } from '#common/log.ts';
import { azureCredential } from './credential.ts';
import { Journal } from './journal.ts';
import { ingestMetrics } from './metrics.ts';
import { notPolled, openMetricsApi, type MetricRecord, type MetricsApi } from './metrics_api.ts';
import { notifier, type Notify } from './notice.ts';
import { wireInstant } from './reader.ts';

const minuteMs = 60_000;
/** Azure Monitor has a minute's values whole about three minutes later. */
const settledMs = 4 * minuteMs;
/** After a long pause the poller goes back this far; older minutes are for `import`. */
const backMs = 24 * 60 * minuteMs;
/** Minutes asked for at once. */
const windowMs = 60 * minuteMs;

/** The variables of the poller. */
export const pollVariables = {
  ...databaseVariables,
  METRICS_ENDPOINT: httpAddress().describe(
    'Regional metrics endpoint, for example https://westeurope.metrics.monitor.azure.com',
  ),
  METRICS_RESOURCES: z
    .string()
    .transform((text) => text.split(',').map((id) => id.trim()))
    .superRefine((ids, context) => {
      for (const id of ids) {
        const why = notPolled(id);
        if (why !== null) context.addIssue({ code: 'custom', message: `${id} ${why}` });
      }
    })
    .describe('Ids of the resources to poll, comma separated; the identity needs Monitoring Reader on them'),
  METRICS_AUDIENCE: z
    .url()
    .default('https://metrics.monitor.azure.com')
    .describe(
      'Audience of the metrics API, another one in sovereign clouds (default https://metrics.monitor.azure.com)',
    ),
};

export type PollOptions = {
  readonly db: Database;
  readonly journal: Journal;
  readonly api: MetricsApi;
  readonly notify: Notify;
  readonly resources: readonly string[];
  readonly now: () => number;
};

/**
 * Stores the minutes of each resource's metrics since the last stored one. The same minute read twice is the same
 * record, and the views take it once. Returns the records stored; a resource that fails is tried again next time.
 */
export async function pollOnce(options: PollOptions): Promise<number> {
  const { db, journal, api, notify, resources, now } = options;
  const last = Math.floor((now() - settledMs) / minuteMs) * minuteMs;
  const known = new Map((await db.read(polledThrough, {})).map((row) => [row.workspace, Date.parse(row.through)]));
  let stored = 0;
  for (const resource of resources) {
    let from = Math.max(known.get(resource) ?? last - windowMs, last - backMs);
    try {
      for (; from < last; from += windowMs) {
        const to = Math.min(last, from + windowMs);
        const records = await api.read(resource, from, to);
        stored += await store(journal, records);
        await db.insert(
          backfills,
          JSON.stringify([resource, 'metrics', wireInstant(from), wireInstant(to), records.length]),
        );
      }
    } catch (error) {
      notify('poll_failed', journal.stream, { resource, error: messageOf(error) });
    }
  }
  return stored;
}

async function store(journal: Journal, records: readonly MetricRecord[]): Promise<number> {
  if (records.length === 0) return 0;
  const appended = journal.append({ body: Buffer.from(JSON.stringify({ records })), source: 'azure_metric' });
  if (appended === null) throw new Error('too much waits to be stored');
  return (await appended).records;
}

/** Polls every minute until closed. */
export async function startPolling(environment: Readonly<Record<string, string | undefined>>): Promise<Running> {
  const read = readEnvironment(pollVariables, environment);
  if (read.METRICS_RESOURCES.length === 0) throw new ConfigurationError('METRICS_RESOURCES names no resource');
  const credentials = { scopes: [`${read.METRICS_AUDIENCE}/.default`] };
  const api = openMetricsApi(read.METRICS_ENDPOINT, await azureCredential(), { credentials });
  const db = openDatabase(databaseConfig(read), 'poll');
  const log = createLog('poll');
  const metrics = ingestMetrics();
  const notify = notifier(log, metrics);
  const journal = new Journal('poll', { db, log, metrics, owner: hostname(), rows: {} });
  const stop = new AbortController();
  const options = { db, journal, api, notify, resources: read.METRICS_RESOURCES, now: Date.now };
  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await pollOnce(options).catch((error: unknown) => {
        notify('poll_failed', journal.stream, { error: messageOf(error) });
      });
      await delay(minuteMs, undefined, { signal: stop.signal }).catch(() => {});
    }
  };
  const running = run();
  return {
    closed: running,
    close: async () => {
      stop.abort();
      await running;
      await journal.close();
      await db.close();
    },
  };
}
