import { hostname } from 'node:os';
import { z } from 'zod';
import {
  databaseConfig,
  databaseVariables,
  openDatabase,
  type Database,
  type DatabaseConfig,
} from '#clickhouse/client.ts';
import { differences } from '#clickhouse/contract.ts';
import { classify } from '#clickhouse/error.ts';
import { ConfigurationError, httpAddress, readEnvironment, wholeNumber } from '#common/environment.ts';
import { runUntilSignal, type Running } from '#common/lifecycle.ts';
import { createLog, type Logger } from '#common/log.ts';
import { retryUntilDone } from '#common/retry.ts';
import { serveMetrics, startTelemetry, telemetryVariables } from '#common/telemetry.ts';
import { connectionStringProblems, entityPathOf } from './connection_string.ts';
import { openHub, type HubConfig } from './hub.ts';
import { onRetryOf } from './commit.ts';
import { openIntake, type Intake } from './intake.ts';
import { Journal } from './journal.ts';
import { mappingProblems } from './mapping_file.ts';
import { ingestMetrics, type IngestMetrics } from './metrics.ts';
import { notifier, type Notify } from './notice.ts';
import { Partitions } from './partitions.ts';
import { replay } from './replay.ts';
import { rowOptions, rowVariables } from './row_options.ts';
import type { RowOptions } from './rows.ts';

export type Config = {
  readonly database: DatabaseConfig;
  readonly hub: HubConfig;
  readonly ownerName: string;
  readonly messagesMax: number;
  readonly paceMs: number;
  /** Of the intake over HTTP; null opens none, 0 takes a free port. */
  readonly intakePort: number | null;
  readonly intakeHost: string;
  readonly metricsPort: number | null;
  readonly metricsHost: string;
  readonly otlpEndpoint: string | undefined;
  readonly rows: RowOptions;
  readonly log: Logger;
};

/** Every variable of this program. */
export const variables = {
  ...databaseVariables,
  ...telemetryVariables,
  EVENT_HUB_CONNECTION_STRING: z
    .string()
    .superRefine((text, context) => {
      for (const message of connectionStringProblems(text)) context.addIssue({ code: 'custom', message });
    })
    .optional()
    .describe('Connection string of the namespace or hub; or set EVENT_HUB_NAMESPACE for Microsoft Entra ID'),
  EVENT_HUB_NAMESPACE: z
    .string()
    .regex(/^[a-z0-9.-]+$/i)
    .optional()
    .describe(
      'Fully qualified namespace, for example contoso.servicebus.windows.net; read with DefaultAzureCredential',
    ),
  EVENT_HUB_NAME: z
    .string()
    .min(1)
    .optional()
    .describe('Event hub that the gateways log to (default the EntityPath of the connection string, or gateway-logs)'),
  EVENT_HUB_CONSUMER_GROUP: z
    .string()
    .min(1)
    .default('$Default')
    .describe('Consumer group of this ledger alone (default $Default)'),
  EVENT_HUB_GENERATION: wholeNumber(1, 1_000_000)
    .default(1)
    .describe('Raise by one after the hub was recreated under its name (default 1)'),
  EVENT_HUB_CHECKPOINT_CONTAINER_URL: httpAddress()
    .optional()
    .describe('Blob container for checkpoints that other tools read; ingest itself trusts the database only'),
  INGEST_OWNER: z
    .string()
    .regex(/^[\w.-]+$/)
    .default(hostname())
    .describe('Name of this worker: unique among workers, the same after a restart (default the host name)'),
  INGEST_MESSAGES_MAX: wholeNumber(1, 10_000)
    .default(500)
    .describe('Messages held per partition, which bounds memory: partitions × this × message size (default 500)'),
  INGEST_PACE_MS: wholeNumber(0, 60_000)
    .default(1_000)
    .describe('Least time between two inserts of a partition, milliseconds (default 1000)'),
  INGEST_INTAKE_PORT: wholeNumber(0, 65_535)
    .optional()
    .describe('Port of the intake for gateways that push over HTTP; the API relays to it; unset opens none'),
  INGEST_INTAKE_HOST: z
    .string()
    .default('127.0.0.1')
    .describe('Address of the intake (default 127.0.0.1); requests need a key; put TLS in front of any other address'),
  INGEST_METRICS_PORT: wholeNumber(1, 65_535).optional().describe('Port of /metrics and /healthz; unset opens none'),
  INGEST_METRICS_HOST: z.string().default('127.0.0.1').describe('Address of /metrics (default 127.0.0.1)'),
  ...rowVariables,
  LOG_LEVEL: z
    .enum(['debug', 'info', 'warn', 'error'])
    .default('info')
    .describe('Least level of log lines (default info)'),
};

/** Reads the hub into the ledger until closed. Waits for the database and the hub as long as it takes. */
export async function start(config: Config): Promise<Running> {
  const telemetry = await startTelemetry('ingest', config.otlpEndpoint);
  const db = openDatabase(config.database, 'ingest');
  const metrics = ingestMetrics();
  const notify = notifier(config.log, metrics);
  const wrong = await untilItAnswers(async () => differences(db), notify);
  if (wrong.length > 0) {
    throw new ConfigurationError(
      `the database does not fit this version; run \`npm run migrate\`:\n${wrong.join('\n')}`,
    );
  }
  const hub = await openHub(config.hub);
  const partitions = new Partitions({ ...config, db, hub, metrics, notify });
  const ways = await openWaysIn(config, { db, metrics, notify });
  const closeMetrics =
    config.metricsPort === null
      ? async (): Promise<void> => {}
      : await serveMetrics(telemetry, config.metricsPort, config.metricsHost);
  const running = partitions.run();
  notify('started', '', { hub: config.hub.hub });
  return {
    ...(ways === null ? {} : { address: { port: ways.port } }),
    closed: running,
    close: async () => {
      await ways?.close();
      await partitions.close();
      await running;
      await hub.close();
      await closeMetrics();
      await db.close();
      await telemetry.close();
    },
  };
}

/** The intake and the replay, each with a stream of its own; null where no port is set. */
async function openWaysIn(
  config: Config,
  shared: { readonly db: Database; readonly metrics: IngestMetrics; readonly notify: Notify },
): Promise<Intake | null> {
  if (config.intakePort === null) return null;
  const options = { ...shared, log: config.log, owner: config.ownerName, rows: config.rows };
  const journals = { intake: new Journal('intake', options), replay: new Journal('replay', options) };
  const intake = await openIntake({
    ...options,
    journal: journals.intake,
    replay: async (wanted) => replay({ ...options, journal: journals.replay }, wanted),
    port: config.intakePort,
    host: config.intakeHost,
  });
  return {
    port: intake.port,
    close: async () => {
      await intake.close();
      await Promise.all([journals.intake.close(), journals.replay.close()]);
    },
  };
}

/** Only a failure that no waiting mends is thrown, such as a wrong password. */
async function untilItAnswers<T>(ask: () => Promise<T>, notify: Notify): Promise<T> {
  const answer = await retryUntilDone(
    async () =>
      ask().then(
        (value) => ({ kind: 'answer' as const, value }),
        (error: unknown) => {
          if (classify(error).kind === 'permanent') return { kind: 'permanent' as const, error };
          throw error;
        },
      ),
    {
      // Signals end the process by themselves until it has started.
      signal: new AbortController().signal,
      onFailure: (error, tries) => onRetryOf(notify, '')('database', error, tries),
    },
  );
  if (answer.kind === 'permanent') throw answer.error;
  return answer.value;
}

const defaultHub = 'gateway-logs';

/** What is wrong with the hub's variables together. */
function hubProblems(given: Readonly<Record<string, string | undefined>>): string[] {
  const { EVENT_HUB_CONNECTION_STRING: connectionString, EVENT_HUB_NAMESPACE: namespace, EVENT_HUB_NAME: name } = given;
  if ((connectionString === undefined) === (namespace === undefined))
    return ['set exactly one of EVENT_HUB_CONNECTION_STRING and EVENT_HUB_NAMESPACE'];
  const path = entityPathOf(connectionString);
  if (path === undefined || name === undefined || path === name) return [];
  return [`EVENT_HUB_NAME is ${name}, and EVENT_HUB_CONNECTION_STRING is of the hub ${path}; leave EVENT_HUB_NAME out`];
}

/** The configuration from environment variables, or every problem with them and the files that they name at once. */
export function configFrom(environment: Readonly<Record<string, string | undefined>>): Config {
  const read = readEnvironment(variables, environment, (given) => [
    ...hubProblems(given),
    ...mappingProblems(given['INGEST_MAPPINGS']),
  ]);
  const { EVENT_HUB_CONNECTION_STRING: connectionString, EVENT_HUB_NAMESPACE: namespace } = read;
  return {
    database: databaseConfig(read),
    hub: {
      access:
        connectionString === undefined
          ? { kind: 'entra', namespace: String(namespace) }
          : { kind: 'connection_string', connectionString },
      hub: read.EVENT_HUB_NAME ?? entityPathOf(connectionString) ?? defaultHub,
      consumerGroup: read.EVENT_HUB_CONSUMER_GROUP,
      generation: read.EVENT_HUB_GENERATION,
      checkpointContainerUrl: read.EVENT_HUB_CHECKPOINT_CONTAINER_URL ?? null,
    },
    ownerName: read.INGEST_OWNER,
    messagesMax: read.INGEST_MESSAGES_MAX,
    paceMs: read.INGEST_PACE_MS,
    intakePort: read.INGEST_INTAKE_PORT ?? null,
    intakeHost: read.INGEST_INTAKE_HOST,
    metricsPort: read.INGEST_METRICS_PORT ?? null,
    metricsHost: read.INGEST_METRICS_HOST,
    otlpEndpoint: read.OTEL_EXPORTER_OTLP_ENDPOINT,
    rows: rowOptions(read),
    log: createLog('ingest', read.LOG_LEVEL),
  };
}

/** What `node ingest/main.ts COMMAND` does beside reading the hub. Each loads its code when it is asked for. */
const commands: Readonly<Record<string, (args: readonly string[]) => Promise<Running | null>>> = {
  import: async (args) => {
    const { importFiles } = await import('./import.ts');
    await importFiles(args, process.env);
    return null;
  },
  backfill: async (args) => {
    const { backfillFromCommandLine } = await import('./backfill.ts');
    await backfillFromCommandLine(args, process.env);
    return null;
  },
  poll: async () => {
    const { startPolling } = await import('./poll.ts');
    return startPolling(process.env);
  },
  doctor: async (args) => {
    const { examineFromCommandLine } = await import('./doctor.ts');
    await examineFromCommandLine(args, configFrom(process.env));
    return null;
  },
};

if (import.meta.main) {
  const [name, ...args] = process.argv.slice(2);
  await runUntilSignal(async () => {
    if (name === undefined) return start(configFrom(process.env));
    const command = commands[name];
    if (command === undefined) {
      throw new ConfigurationError(`unknown command ${name}; there are: ${Object.keys(commands).join(', ')}`);
    }
    return (await command(args)) ?? { close: async () => {}, closed: Promise.resolve() };
  });
}
