import { createHash, randomBytes } from 'node:crypto';
import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { openDatabase, type Database, type DatabaseConfig } from '#clickhouse/client.ts';
import { attributions, tenants } from '#clickhouse/money.ts';
import { apiKeys } from '#clickhouse/tables.ts';
import { ConfigurationError, messageOf } from '#common/error.ts';
import { createLog } from '#common/log.ts';
import { engineThreads } from './engine-threads.ts';
import { keep, type KeptProcess } from './process.ts';
import { consumers } from './traffic.ts';

export type StackOptions = {
  readonly dataDirectory: string;
  /** Of the API; 0 for any free port. */
  readonly port: number;
  /** Of the local Event Hub; 0 for any free port. */
  readonly hubPort: number;
  /** The API key to accept; null for the one of an earlier start, or a new one. */
  readonly key: string | null;
  readonly onRestart: (name: string, reason: string) => void;
  /** Hears where messages may be sent, as soon as they may. */
  readonly onHub: (hub: HubAddress) => void;
  /** What the stack is doing, for a progress line. */
  readonly onStep: (step: string) => void;
};

export type HubAddress = { readonly connectionString: string; readonly hub: string };

export type Stack = {
  readonly apiUrl: string;
  readonly key: string;
  readonly databaseUrl: string;
  readonly hubConnectionString: string;
  readonly dataDirectory: string;
  readonly close: () => Promise<void>;
};

const hubName = 'gateway-logs';
const databaseName = 'gatemeter';
/** What a directory answers that is none, or that we may not write into. */
const unusable = new Set(['EACCES', 'EEXIST', 'EISDIR', 'ENOSPC', 'ENOTDIR', 'EPERM', 'EROFS']);

/** Starts engine, hub, ingest, alerts and API as processes of their own: all at once, and each waits for what it needs. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const logDirectory = join(options.dataDirectory, 'logs');
  const started: KeptProcess[] = [];
  const close = async (): Promise<void> => {
    for (const process of started.toReversed()) await process.stop();
  };
  const run: Run = (name, args, environment, after) => {
    const process = keep({ name, args, environment, logDirectory, after, onRestart: options.onRestart });
    started.push(process);
    return process;
  };
  try {
    await mkdir(logDirectory, { recursive: true });
    return { ...(await startAll(options, run)), close };
  } catch (error) {
    await close();
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!unusable.has(code)) throw error;
    throw new ConfigurationError(`--data ${options.dataDirectory} cannot be used: ${messageOf(error)}`);
  }
}

type Run = (
  name: string,
  args: readonly string[],
  environment: Record<string, string>,
  after?: Promise<void>,
) => KeptProcess;

async function startAll(options: StackOptions, run: Run): Promise<Omit<Stack, 'close'>> {
  const directory = options.dataDirectory;
  const password = await kept(join(directory, 'clickhouse-password'), null);
  const ports = {
    engine: await freePort(),
    hub: options.hubPort || (await freePort()),
    api: options.port || (await freePort()),
    intake: await freePort(),
  };
  const database: DatabaseConfig = {
    url: `http://127.0.0.1:${ports.engine}`,
    database: databaseName,
    user: 'default',
    password,
  };
  const hubConnectionString = `Endpoint=sb://127.0.0.1:${ports.hub};SharedAccessKeyName=local;SharedAccessKey=local;UseDevelopmentEmulator=true;EntityPath=${hubName}`;
  const clickhouse = { CLICKHOUSE_URL: database.url, CLICKHOUSE_DATABASE: databaseName, CLICKHOUSE_PASSWORD: password };

  options.onStep('starting the embedded ClickHouse');
  const engine = run('engine', ['engine', '--data', join(directory, 'clickhouse'), '--port', String(ports.engine)], {
    GATEMETER_ENGINE_PASSWORD: password,
    UV_THREADPOOL_SIZE: String(engineThreads),
  });
  const opened = Promise.withResolvers<void>();
  const hub = run('hub', ['hub', '--data', join(directory, 'hub'), '--port', String(ports.hub)], {}, opened.promise);
  // Loading their code takes these three as long as the database takes to be ready for them.
  const prepared = Promise.withResolvers<void>();
  const hubVariables = {
    EVENT_HUB_CONNECTION_STRING: hubConnectionString,
    EVENT_HUB_NAME: hubName,
    INGEST_OWNER: 'local',
    INGEST_INTAKE_PORT: String(ports.intake),
  };
  const ingest = run('ingest', ['ingest'], { ...clickhouse, ...hubVariables }, prepared.promise);
  const api = run(
    'api',
    ['api'],
    { ...clickhouse, PORT: String(ports.api), INTAKE_URL: `http://127.0.0.1:${ports.intake}` },
    prepared.promise,
  );
  // Who is to be told of alerts stands in a file of the data directory; without it they are kept and told to nobody.
  const alertsFile = join(directory, 'alerts.yaml');
  const told = await access(alertsFile).then(
    () => ({ ALERTS_CONFIG: alertsFile }),
    () => ({}),
  );
  const links = { ALERTS_NAME: 'local', PUBLIC_URL: `http://127.0.0.1:${ports.api}` };
  const alerts = run('alerts', ['alerts'], { ...clickhouse, ...links, ...told }, prepared.promise);

  // The engine lets one process into its directory. Nothing of a stack that runs there already is touched before that.
  await engine.started;
  opened.resolve();
  const key = await kept(join(directory, 'api-key'), options.key);
  // The hub keeps what is sent before anybody reads it.
  const hubIsUp = hub.started.then(() => options.onHub({ connectionString: hubConnectionString, hub: hubName }));
  // Its failure is met below; until then nobody waits for it.
  hubIsUp.catch(() => {});
  options.onStep('migrating');
  await prepare(database, key);
  prepared.resolve();
  options.onStep('starting ingest, alerts and API');
  await Promise.all([hubIsUp, ingest.started, alerts.started, api.started]);
  return {
    apiUrl: `http://127.0.0.1:${ports.api}`,
    key,
    databaseUrl: database.url,
    hubConnectionString,
    dataDirectory: directory,
  };
}

async function prepare(database: DatabaseConfig, key: string): Promise<void> {
  const { migrate } = await import('../migrations/main.ts');
  await migrate({ database, enginePrefix: '', log: createLog('migrations', 'warn') });
  const db = openDatabase(database, 'local');
  try {
    await writeBooks(db, key);
  } finally {
    await db.close();
  }
}

/** A secret that survives restarts: the given one, the one in the file, or a new one. */
async function kept(file: string, given: string | null): Promise<string> {
  if (given === null) {
    const before = await readFile(file, 'utf8').catch(() => '');
    // A start that was killed may have left it empty, and an editor adds a line break.
    if (before.trim() !== '') return before.trim();
  }
  const secret = given ?? `gm_${randomBytes(32).toString('base64url')}`;
  await writeFile(file, secret, { mode: 0o600 });
  return secret;
}

/** The tenants and rules of the local traffic, and the key; each once. */
async function writeBooks(db: Database, key: string): Promise<void> {
  const since = '2020-01-01 00:00:00.000';
  const names = [...new Set(consumers.map((consumer) => consumer.tenant_id))];
  const author = 'local stack';
  const rules = consumers.map(({ consumer_id, tenant_id }) =>
    line(consumer_id, '', '', tenant_id, `cc-${tenant_id}`, `${tenant_id}-lead`, since, null, author, 'example'),
  );
  // The token makes a second start write nothing.
  await db.insert(
    tenants,
    names.map((id) => line(id, id, 'UTC', since, null, author, 'example')).join('\n'),
    'local stack',
  );
  await db.insert(attributions, rules.join('\n'), 'local stack');
  const hash = createHash('sha256').update(key).digest('hex');
  await db.insert(apiKeys, line(hash, 'local', 'admin', ['*'], null, false));
}

function line(...values: unknown[]): string {
  return JSON.stringify(values);
}

async function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
