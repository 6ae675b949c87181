import { serve, type ServerType } from '@hono/node-server';
import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { z } from 'zod';
import {
  type Database,
  databaseConfig,
  databaseVariables,
  openDatabase,
  type DatabaseConfig,
} from '#clickhouse/client.ts';
import { differences } from '#clickhouse/contract.ts';
import { ConfigurationError, httpAddress, messageOf, readEnvironment, wholeNumber } from '#common/environment.ts';
import { type Running, runUntilSignal } from '#common/lifecycle.ts';
import { createLog, type Logger } from '#common/log.ts';
import { startTelemetry, telemetryVariables } from '#common/telemetry.ts';
import { writer } from './append.ts';
import { createApp } from './app.ts';
import { parseBookCommand, runBookCommand } from './book_command.ts';
import { apiTarget, databaseTarget } from './book_target.ts';
import { createKey, parseKeyOptions } from './keys.ts';
import { reader } from './reader.ts';
import { apiBooks, databaseBooks, parseReconcileCommand, runReconcileCommand } from './reconcile_command.ts';
import { readiness } from './readiness.ts';

export { createKey };

export type Config = {
  readonly database: DatabaseConfig;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Where traces and metrics go by OTLP/HTTP; undefined sends nothing. */
  readonly otlpEndpoint?: string | undefined;
  /** Of the ingest worker that takes what is pushed; null refuses it. */
  readonly intakeUrl?: string | null;
  /** Who bills, as statements name it; undefined is Gatemeter. */
  readonly issuer?: string | undefined;
  readonly log: Logger;
};

const now = (): Date => new Date();

const defaultIssuer = 'Gatemeter';

/** A command that has done what it was asked for. */
const ended: Running = { close: async () => {}, closed: Promise.resolve() };

/** Requests in flight get this long to end when the program is asked to stop. */
const graceMs = 10_000;

/** Serves until it is closed; refuses to start on a database that differs from its declarations. `url` says where. */
export async function start(config: Config): Promise<Running & { readonly url: string }> {
  const telemetry = await startTelemetry('api', config.otlpEndpoint);
  const db = openDatabase(config.database, 'api');
  try {
    const wrong = await differences(db);
    if (wrong.length > 0) {
      throw new ConfigurationError(`the database differs from what this version needs:\n  ${wrong.join('\n  ')}`);
    }
    const setting = {
      db: reader(db),
      books: writer(db),
      now,
      log: config.log,
      intakeUrl: config.intakeUrl ?? null,
      issuer: config.issuer ?? defaultIssuer,
    };
    const app = createApp(
      setting,
      { readiness: readiness(db, now), metricsText: telemetry.metricsText },
      await version(),
    );
    const { server, url } = await listen(app.fetch, config);
    config.log.info({ event: 'listening', url }, 'the API answers');
    const ended = Promise.withResolvers<void>();
    server.once('error', ended.reject);
    const end = async (): Promise<void> => {
      await stop(server);
      await db.close();
      await telemetry.close();
      ended.resolve();
    };
    let closing: Promise<void> | null = null;
    return { url, closed: ended.promise, close: async () => (closing ??= end()) };
  } catch (error) {
    await db.close();
    await telemetry.close();
    throw error;
  }
}

async function version(): Promise<string> {
  const text = await readFile(new URL('../package.json', import.meta.url), 'utf8');
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version;
}

async function listen(
  fetch: (request: Request) => Response | Promise<Response>,
  config: Config,
): Promise<{ server: ServerType; url: string }> {
  return new Promise((resolve, reject) => {
    const server = serve({ fetch, port: config.port, hostname: config.host, overrideGlobalObjects: false }, (at) => {
      server.off('error', refuse);
      const host = at.family === 'IPv6' ? `[${at.address}]` : at.address;
      resolve({ server, url: `http://${host}:${at.port}` });
    });
    const refuse = (error: Error): void => {
      reject(new ConfigurationError(`cannot listen on ${config.host}:${config.port}: ${messageOf(error)}`));
    };
    server.once('error', refuse);
  });
}

/** Takes no new request, lets those in flight end, and cuts off what takes too long. */
async function stop(server: ServerType): Promise<void> {
  const cut = setTimeout(() => 'closeAllConnections' in server && server.closeAllConnections(), graceMs);
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  clearTimeout(cut);
}

/** Every variable of this program. */
export const variables = {
  ...databaseVariables,
  ...telemetryVariables,
  HOST: z
    .string()
    .default('127.0.0.1')
    .describe(
      'Address to listen on (default 127.0.0.1). Questions need a key, but /healthz, /readyz, /metrics, /openapi.json, /docs and / are open to all who reach it; put TLS in front of any other address',
    ),
  INTAKE_URL: httpAddress()
    .optional()
    .describe('Intake of an ingest worker (its INGEST_INTAKE_PORT), for POST /v1/intake; unset refuses what is pushed'),
  PORT: wholeNumber(0, 65_535).default(8080).describe('Port to listen on (default 8080; 0 takes a free one)'),
  STATEMENT_ISSUER: z
    .string()
    .trim()
    .min(1)
    .max(200)
    .default(defaultIssuer)
    .describe(
      'Who bills, as FOCUS files name it (default Gatemeter); a closed month keeps the name it was closed under',
    ),
};

/** The configuration from environment variables, or every problem with them at once. */
export function configFrom(environment: Readonly<Record<string, string | undefined>>): Config {
  const read = readEnvironment(variables, environment);
  return {
    database: databaseConfig(read),
    host: read.HOST,
    port: read.PORT,
    otlpEndpoint: read.OTEL_EXPORTER_OTLP_ENDPOINT,
    intakeUrl: read.INTAKE_URL ?? null,
    issuer: read.STATEMENT_ISSUER,
    log: createLog('api'),
  };
}

if (import.meta.main) {
  const [command, ...args] = process.argv.slice(2);
  await runUntilSignal(async () => {
    if (command === 'key') return printKey(args);
    if (command === 'chargeback') return handOut(args);
    if (command === 'books') return keepBooks(args);
    if (command === 'reconcile') return reconcile(args);
    if (command !== undefined)
      throw new ConfigurationError(`unknown command ${command}; there are: key, books, chargeback, reconcile`);
    return start(configFrom(process.env));
  });
}

/** `node api/main.ts key …`: the one time that the key is seen. */
async function printKey(args: readonly string[]): Promise<Running> {
  const wanted = parseKeyOptions(args);
  return onDatabase(async (db) => print(`${await createKey(db, wanted)}\n`));
}

/** `node api/main.ts chargeback …`: the statement of a month, from a running API or from the database. */
async function handOut(args: readonly string[]): Promise<Running> {
  const { chargeback } = await import('./chargeback_command.ts');
  await chargeback(args, process.env);
  return ended;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function print(text: string): void {
  process.stdout.write(text);
}

/** `node api/main.ts books …`: the books as files, in the database or through a running API. */
async function keepBooks(args: readonly string[]): Promise<Running> {
  const command = parseBookCommand(args);
  if (command.url !== undefined && command.key !== undefined) {
    await runBookCommand(command, apiTarget(command.url, command.key), say, print);
    return ended;
  }
  return onDatabase(async (db) => runBookCommand(command, databaseTarget(db, authorOf(command)), say, print));
}

/** `node api/main.ts reconcile …`: an invoice against the ledger. */
async function reconcile(args: readonly string[]): Promise<Running> {
  const command = parseReconcileCommand(args);
  if (command.url !== undefined && command.key !== undefined) {
    await runReconcileCommand(command, apiBooks(command.url, command.key), say, print);
    return ended;
  }
  return onDatabase(async (db) => runReconcileCommand(command, databaseBooks(db, authorOf(command)), say, print));
}

function authorOf({ author }: { readonly author?: string | undefined }): string {
  return author ?? userInfo().username;
}

async function onDatabase(run: (db: Database) => Promise<void>): Promise<Running> {
  const db = openDatabase(databaseConfig(readEnvironment(databaseVariables, process.env)), 'api');
  try {
    await run(db);
  } finally {
    await db.close();
  }
  return ended;
}
