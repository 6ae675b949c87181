import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { openDatabase, type Database } from '#clickhouse/client.ts';
import { differences } from '#clickhouse/contract.ts';
import { classify } from '#clickhouse/error.ts';
import { clock, heardGateways, workers } from '#clickhouse/ledger.ts';
import { streamStates } from '#clickhouse/tables.ts';
import { present } from '#common/assert.ts';
import { ConfigurationError, messageOf } from '#common/error.ts';
import type { Config } from './main.ts';
import { openHub, type Hub } from './hub.ts';
import type { Message } from './message.ts';
import { wireInstant } from './reader.ts';

/** What the doctor found out about one thing; a problem has its remedy. */
export type Finding =
  | { readonly kind: 'ok' | 'note'; readonly check: string; readonly detail: string }
  | { readonly kind: 'problem'; readonly check: string; readonly detail: string; readonly remedy: string };

const usage = `usage: npm run doctor [-- --wait SECONDS]
  --wait  how long to wait for the first record of a gateway (default 60; 0 does not wait)`;

/** ClickHouse's code for a database that does not exist. */
const unknownDatabase = 81;
const clockErrorMs = 2_000;
const probeMs = 15_000;
/** Retention below this leaves little time to mend an ingest that stands still. */
const retentionHours = 24;

/** Every check in turn; those that need what an earlier one did not find are left out. */
export async function* examine(config: Config, waitMs: number): AsyncGenerator<Finding> {
  const db = openDatabase(config.database, 'doctor', 10_000);
  try {
    const database = await tried('database', async () => examineDatabase(db, config), databaseRemedy);
    yield* database;
    yield* await tried('hub', async () => withHub(config), hubRemedy);
    if (database.every(({ kind }) => kind !== 'problem')) yield* heard(db, waitMs);
  } finally {
    await db.close();
  }
}

const databaseRemedy =
  'check CLICKHOUSE_URL, CLICKHOUSE_USER and CLICKHOUSE_PASSWORD, and that this machine reaches the server';
const hubRemedy =
  'check the namespace or connection string, EVENT_HUB_NAME, the firewall (AMQP, port 5671), and that the identity has the role Azure Event Hubs Data Receiver';

async function tried(check: string, examineIt: () => Promise<Finding[]>, remedy: string): Promise<Finding[]> {
  try {
    return await examineIt();
  } catch (error) {
    return [{ kind: 'problem', check, detail: messageOf(error), remedy }];
  }
}

async function examineDatabase(db: Database, config: Config): Promise<Finding[]> {
  const version = db.query<{ version: string }>('SELECT version() AS version');
  const [row] = await version.catch((error: unknown) => {
    const failure = classify(error);
    if (failure.kind === 'permanent' && failure.code === unknownDatabase) return [];
    throw error;
  });
  if (row === undefined) {
    const detail = `the server has no database ${config.database.database}`;
    return [{ kind: 'problem', check: 'schema', detail, remedy: 'npm run migrate' }];
  }
  const found: Finding[] = [{ kind: 'ok', check: 'database', detail: `ClickHouse ${row.version}` }];
  const wrong = await differences(db);
  if (wrong.length > 0) {
    const detail = `${wrong.length} difference(s), the first: ${wrong[0]}`;
    return [...found, { kind: 'problem', check: 'schema', detail, remedy: 'npm run migrate' }];
  }
  found.push({ kind: 'ok', check: 'schema', detail: `${config.database.database} fits this version` });
  await db.insert(streamStates, JSON.stringify(['worker/doctor', 'doctor', 0, 'left', -1, -1, 0, -1]));
  found.push({ kind: 'ok', check: 'permission to write', detail: 'a row was inserted' });
  const before = Date.now();
  const now = Date.parse(present((await db.read(clock, {}))[0], 'the clock has one row').now);
  const ahead = now - (before + Date.now()) / 2;
  const detail = `the database's clock is ${Math.abs(Math.round(ahead))} ms ${ahead < 0 ? 'behind' : 'ahead of'} ours`;
  found.push(
    Math.abs(ahead) > clockErrorMs
      ? { kind: 'problem', check: 'clock', detail, remedy: 'synchronise both machines by NTP' }
      : { kind: 'ok', check: 'clock', detail },
  );
  return found;
}

/** A hub that does not answer is a finding, and not a reason to wait as a worker does. */
async function withHub(config: Config): Promise<Finding[]> {
  const hub = await openHub(config.hub, 2);
  try {
    return await examineHub(hub);
  } finally {
    await hub.close().catch(() => {});
  }
}

async function examineHub(hub: Hub): Promise<Finding[]> {
  const partitions = await hub.partitions();
  const created = await hub.identity();
  const found: Finding[] = [
    { kind: 'ok', check: 'hub', detail: `${partitions.length} partition(s), created ${created}` },
  ];
  let oldest: Message | null = null;
  for (const partition of partitions) {
    const { beginning, last } = await hub.held(partition);
    if (last < beginning) continue;
    const read = await firstMessage(hub, partition);
    if (read.kind === 'failed') {
      const remedy = `check that the consumer group exists and belongs to this ledger alone; ${hubRemedy}`;
      return [...found, { kind: 'problem', check: 'consumer group', detail: read.detail, remedy }];
    }
    if (read.kind === 'message' && (oldest === null || read.message.enqueued_at_ms < oldest.enqueued_at_ms))
      oldest = read.message;
    if (read.kind === 'taken') {
      found.push({ kind: 'ok', check: 'consumer group', detail: `partition ${partition} is read by a worker` });
      return found;
    }
  }
  if (oldest === null) {
    const detail = 'the hub holds no message';
    const remedy = 'point the gateway at this hub: docs/connect-apim.md';
    return [...found, { kind: 'problem', check: 'messages', detail, remedy }];
  }
  found.push({ kind: 'ok', check: 'consumer group', detail: 'messages can be received' });
  const hours = (Date.now() - oldest.enqueued_at_ms) / 3_600_000;
  const age = (Date.now() - Date.parse(created)) / 3_600_000;
  const detail = `the oldest message is ${hours.toFixed(1)} h old`;
  // An old hub without old messages may be quiet; what it would keep is not to be had from its own protocol.
  if (age > retentionHours && hours < retentionHours) {
    const remedy = `if the hub is not merely quiet, set its retention to ${retentionHours * 3} h or more`;
    return [...found, { kind: 'problem', check: 'retention', detail, remedy }];
  }
  return [...found, { kind: 'ok', check: 'retention', detail }];
}

type First =
  | { readonly kind: 'message'; readonly message: Message }
  | { readonly kind: 'taken' }
  | { readonly kind: 'failed'; readonly detail: string };

/** The oldest message, read without ownership: a worker that reads the partition is not disturbed, and refuses us. */
async function firstMessage(hub: Hub, partition: string): Promise<First> {
  const { promise, resolve } = Promise.withResolvers<First>();
  const reading = hub.read({
    partition,
    after: null,
    ownerLevel: null,
    messagesMax: 1,
    onMessages: async ([message]) => {
      if (message !== undefined) resolve({ kind: 'message', message });
    },
    onEnd: (reason, detail) => resolve(reason === 'stolen' ? { kind: 'taken' } : { kind: 'failed', detail }),
  });
  const late = delay(probeMs, { kind: 'failed', detail: `nothing came within ${probeMs / 1000} s` } as const, {
    ref: false,
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    await reading.close().catch(() => {});
  }
}

/** Waits for the first record of each gateway; needs a worker that stores them. */
async function* heard(db: Database, waitMs: number): AsyncGenerator<Finding> {
  const alive = await db.read(workers, {});
  if (alive.length === 0) {
    const remedy = 'start one: npm run ingest';
    yield { kind: 'problem', check: 'workers', detail: 'no ingest worker is running', remedy };
    return;
  }
  yield { kind: 'ok', check: 'workers', detail: alive.map(({ owner }) => owner).join(', ') };
  const since = wireInstant(Date.now());
  const until = performance.now() + waitMs;
  const known = new Set<string>();
  for (;;) {
    for (const row of await db.read(heardGateways, { since })) {
      const name = `${row.gateway} (${row.source})`;
      if (known.has(name)) continue;
      known.add(name);
      yield { kind: 'ok', check: 'gateway', detail: `heard of ${name}` };
    }
    if (performance.now() >= until) break;
    await delay(Math.min(1_000, until - performance.now()));
  }
  if (known.size === 0 && waitMs > 0) {
    const detail = `no record came within ${waitMs / 1000} s`;
    const remedy =
      'make a call through the gateway; Azure delivers diagnostic logs after minutes. Then check its diagnostic settings: docs/connect-apim.md';
    yield { kind: 'problem', check: 'gateway', detail, remedy };
  }
}

/** The command line; its exit code is 1 when there is a problem. */
export async function examineFromCommandLine(args: readonly string[], config: Config): Promise<void> {
  let problems = 0;
  for await (const finding of examine(config, waitOf(args))) {
    const remedy = finding.kind === 'problem' ? `\n          remedy: ${finding.remedy}` : '';
    process.stdout.write(`${finding.kind.padEnd(8)}  ${finding.check}: ${finding.detail}${remedy}\n`);
    if (finding.kind === 'problem') problems += 1;
  }
  process.stdout.write(problems === 0 ? 'nothing is wrong\n' : `${problems} problem(s)\n`);
  if (problems > 0) process.exitCode = 1;
}

function waitOf(args: readonly string[]): number {
  try {
    const { values } = parseArgs({ args: [...args], options: { wait: { type: 'string', default: '60' } } });
    if (!/^\d{1,5}$/.test(values.wait)) throw new Error(`--wait ${values.wait} is not a number of seconds`);
    return Number(values.wait) * 1_000;
  } catch (error) {
    throw new ConfigurationError(`${messageOf(error)}\n${usage}`);
  }
}
