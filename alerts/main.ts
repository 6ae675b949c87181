import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { databaseConfig, databaseVariables, openDatabase, type DatabaseConfig } from '#clickhouse/client.ts';
import { differences } from '#clickhouse/contract.ts';
import { classify } from '#clickhouse/error.ts';
import { ConfigurationError, httpAddress, messageOf, readEnvironment, wholeNumber } from '#common/environment.ts';
import { type Running, runUntilSignal } from '#common/lifecycle.ts';
import { createLog, type Logger } from '#common/log.ts';
import { retryUntilDone } from '#common/retry.ts';
import { serveMetrics, startTelemetry, telemetryVariables } from '#common/telemetry.ts';
import { type Delivery, nobody, readDelivery } from './config.ts';
import { detect, lookBack } from './detect.ts';
import { Evaluator } from './evaluator.ts';
import type { Places } from './message.ts';
import { observe } from './metrics.ts';
import { notifier } from './notice.ts';
import { guard } from './outgoing.ts';

export type Config = {
  readonly database: DatabaseConfig;
  readonly name: string;
  readonly delivery: Delivery;
  readonly places: Places;
  readonly roundMs: number;
  readonly metricsPort: number | null;
  readonly metricsHost: string;
  readonly otlpEndpoint: string | undefined;
  readonly log: Logger;
};

/** Every variable of this program. */
export const variables = {
  ...databaseVariables,
  ...telemetryVariables,
  ALERTS_CONFIG: z
    .string()
    .min(1)
    .optional()
    .describe(
      'File with receivers, routes and silences, YAML or JSON; unset tells nobody, and alerts are kept all the same',
    ),
  ALERTS_NAME: z
    .string()
    .regex(/^[\w.-]+$/)
    .default(hostname())
    .describe('Name of this evaluator: unique among them, the same after a restart (default the host name)'),
  ALERTS_ROUND_MS: wholeNumber(100, 15_000)
    .default(5_000)
    .describe(
      'Pause between two looks at what is to be evaluated and what people have said, milliseconds (default 5000)',
    ),
  PUBLIC_URL: httpAddress()
    .default('http://127.0.0.1:8080')
    .describe('Address of the API as people reach it, for the links in alerts (default http://127.0.0.1:8080)'),
  GRAFANA_DASHBOARD_URL: httpAddress()
    .optional()
    .describe(
      'Address of the Grafana dashboard that alerts link to, for example `https://grafana.example/d/gatemeter-on-call`',
    ),
  RUNBOOK_URL: httpAddress()
    .optional()
    .describe('Address of the runbook, to which a heading is added (default PUBLIC_URL with /runbook)'),
  ALERTS_METRICS_PORT: wholeNumber(1, 65_535).optional().describe('Port of /metrics and /healthz; unset opens none'),
  ALERTS_METRICS_HOST: z.string().default('127.0.0.1').describe('Address of /metrics (default 127.0.0.1)'),
  LOG_LEVEL: z
    .enum(['debug', 'info', 'warn', 'error'])
    .default('info')
    .describe('Least level of log lines (default info)'),
};

const deliverMs = 1_000;

/** Evaluates and tells until closed. Waits for the database as long as it takes; errors of it delay a round. */
export async function start(config: Config): Promise<Running> {
  const telemetry = await startTelemetry('alerts', config.otlpEndpoint);
  const db = openDatabase(config.database, 'alerts');
  const notify = notifier(config.log);
  const stop = new AbortController();
  const onFailure = (error: Error): void => notify('database_retry', { reason: messageOf(error) });
  const wrong = await retryUntilDone(async () => differences(db), { signal: stop.signal, onFailure });
  if (wrong.length > 0) {
    throw new ConfigurationError(
      `the database does not fit this version; run \`npm run migrate\`:\n${wrong.join('\n')}`,
    );
  }
  const { name, delivery, places } = config;
  const options = { db, name, delivery, places, detect, lookBack, notify, guard: guard(delivery.private_addresses) };
  const evaluator = new Evaluator(options);
  observe(evaluator);
  const closeMetrics =
    config.metricsPort === null
      ? async (): Promise<void> => {}
      : await serveMetrics(telemetry, config.metricsPort, config.metricsHost);
  const again = async (act: () => Promise<void>, everyMs: number): Promise<void> => {
    while (!stop.signal.aborted) {
      await act().catch((error: unknown) => {
        notify('database_retry', { reason: messageOf(error), kind: classify(error).kind });
      });
      await pause(everyMs, undefined, { signal: stop.signal }).catch(() => {});
    }
  };
  notify('started', { receivers: delivery.receivers.size, routes: delivery.routes.length });
  const rounds = [
    again(async () => evaluator.round(), config.roundMs),
    again(async () => evaluator.deliver(), deliverMs),
  ];
  const running = (async (): Promise<void> => void (await Promise.all(rounds)))();
  return {
    closed: running,
    close: async () => {
      stop.abort();
      await running;
      await evaluator.rest();
      // Somebody else may begin at once; if the database does not hear of it, they wait for the lease to end.
      await evaluator.election.release().catch(() => {});
      await closeMetrics();
      await db.close();
      await telemetry.close();
    },
  };
}

/** The configuration from environment variables and the file that they name, or every problem with it at once. */
export async function configFrom(environment: Readonly<Record<string, string | undefined>>): Promise<Config> {
  const found = await deliveryFrom(environment['ALERTS_CONFIG'] ?? '', environment);
  const problems = found.kind === 'delivery' ? [] : found.problems;
  const read = readEnvironment(variables, environment, () => problems);
  const base = read.PUBLIC_URL.replace(/\/$/, '');
  return {
    database: databaseConfig(read),
    name: read.ALERTS_NAME,
    delivery: found.kind === 'delivery' ? found.delivery : nobody,
    places: {
      base,
      grafana: read.GRAFANA_DASHBOARD_URL ?? null,
      runbook: read.RUNBOOK_URL ?? `${base}/runbook`,
    },
    roundMs: read.ALERTS_ROUND_MS,
    metricsPort: read.ALERTS_METRICS_PORT ?? null,
    metricsHost: read.ALERTS_METRICS_HOST,
    otlpEndpoint: read.OTEL_EXPORTER_OTLP_ENDPOINT,
    log: createLog('alerts', read.LOG_LEVEL),
  };
}

/** What the file says, or its problems under its name; without a file nobody is told. */
async function deliveryFrom(
  path: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<ReturnType<typeof readDelivery>> {
  if (path === '') return { kind: 'delivery', delivery: nobody };
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    return { kind: 'problems', problems: [`ALERTS_CONFIG ${path} cannot be read: ${messageOf(error)}`] };
  }
  const found = readDelivery(text, environment);
  if (found.kind === 'delivery') return found;
  return { kind: 'problems', problems: found.problems.map((problem) => `${path}: ${problem}`) };
}

if (import.meta.main) await runUntilSignal(async () => start(await configFrom(process.env)));
