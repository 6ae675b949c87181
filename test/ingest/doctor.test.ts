import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { examine, type Finding } from '../../ingest/doctor.ts';
import { configFrom } from '../../ingest/main.ts';
import { Stack } from '../support/stack.ts';
import { untilTrue } from '../support/stack-until.ts';

/* Each finding of the doctor is provoked on the real engine and the local hub. The tests follow each other on one stack. */

let stack: Stack;
beforeAll(async () => {
  stack = await Stack.start({ partitionCount: 2 });
});
afterAll(async () => stack.close());

function environment(changed: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    CLICKHOUSE_URL: stack.config.url,
    CLICKHOUSE_DATABASE: stack.config.database,
    CLICKHOUSE_PASSWORD: stack.config.password,
    EVENT_HUB_CONNECTION_STRING: stack.hub.connectionString,
    EVENT_HUB_NAME: 'gateway-logs',
    ...changed,
  };
}

async function findings(changed: Readonly<Record<string, string>> = {}, waitMs = 0): Promise<Finding[]> {
  return Array.fromAsync(examine(configFrom(environment(changed)), waitMs));
}

/** Kind and name of each finding, in turn. */
function outline(found: readonly Finding[]): string[] {
  return found.map(({ kind, check }) => `${kind} ${check}`);
}

function problem(found: readonly Finding[], check: string): { detail: string; remedy: string } {
  const one = found.find((finding) => finding.check === check && finding.kind === 'problem');
  return one?.kind === 'problem' ? one : { detail: 'no such problem', remedy: '' };
}

/** A policy event of a call through a gateway of this name. */
function call(gateway: string, requestId: string): string {
  return JSON.stringify({
    schema: 'gatemeter.call.v1',
    time: new Date().toISOString(),
    requestId,
    gateway,
    subscriptionId: 'retail',
    status: 200,
    stream: false,
    elapsedMs: 700,
  });
}

async function commandLine(
  args: readonly string[],
  changed: Readonly<Record<string, string>> = {},
): Promise<{ code: number | null; output: string }> {
  const main = fileURLToPath(new URL('../../ingest/main.ts', import.meta.url));
  const child = spawn(process.execPath, [main, 'doctor', ...args], {
    env: { ...process.env, ...environment(changed) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve) => void child.once('exit', resolve));
  const [output, errors, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, output: output + errors };
}

test('a hub without messages, and no worker: each with its remedy', async () => {
  const found = await findings();
  expect(outline(found)).toEqual([
    'ok database',
    'ok schema',
    'ok permission to write',
    'ok clock',
    'ok hub',
    'problem messages',
    'problem workers',
  ]);
  expect(problem(found, 'messages').remedy).toContain('docs/connect-apim.md');
  expect(problem(found, 'workers').remedy).toContain('npm run ingest');
});

test('a wrong password is the database’s problem, and the hub is examined all the same', async () => {
  const found = await findings({ CLICKHOUSE_PASSWORD: 'wrong' });
  expect(outline(found)).toEqual(['problem database', 'ok hub', 'problem messages']);
  expect(problem(found, 'database').detail).toMatch(/authentication/i);
  expect(problem(found, 'database').remedy).toContain('CLICKHOUSE_PASSWORD');
});

test('a server that nobody listens on, a database that does not exist, and one that is not migrated', async () => {
  const unreachable = await findings({ CLICKHOUSE_URL: 'http://127.0.0.1:1' });
  expect(problem(unreachable, 'database').remedy).toContain('CLICKHOUSE_URL');
  const absent = await findings({ CLICKHOUSE_DATABASE: 'absent' });
  expect(problem(absent, 'schema').remedy).toBe('npm run migrate');
  await stack.db.command('CREATE DATABASE bare');
  const bare = await findings({ CLICKHOUSE_DATABASE: 'bare' });
  expect(outline(bare).slice(0, 2)).toEqual(['ok database', 'problem schema']);
  expect(problem(bare, 'schema').detail).toContain('does not exist');
  expect(problem(bare, 'schema').remedy).toBe('npm run migrate');
});

test('a hub that nobody listens on, and a name that the namespace does not have', async () => {
  const elsewhere = stack.hub.connectionString.replace(/localhost:\d+|127\.0\.0\.1:\d+/, '127.0.0.1:1');
  expect(elsewhere).not.toBe(stack.hub.connectionString);
  const { code, output } = await commandLine(['--wait', '0'], { EVENT_HUB_CONNECTION_STRING: elsewhere });
  expect(output).toMatch(/problem +hub: .*\n +remedy: .*5671/);
  expect(code).toBe(1);
  const misnamed = await findings({ EVENT_HUB_NAME: 'other', EVENT_HUB_CONNECTION_STRING: withoutEntity() });
  expect(problem(misnamed, 'hub').remedy).toContain('EVENT_HUB_NAME');
});

function withoutEntity(): string {
  return stack.hub.connectionString.replace(/;?EntityPath=[^;]*/, '');
}

test('messages that can be received, and no worker', async () => {
  await stack.send([{ partition: 0, body: call('apim-before', 'one') }]);
  const found = await findings();
  expect(outline(found).slice(4)).toEqual(['ok hub', 'ok consumer group', 'ok retention', 'problem workers']);
  const { code, output } = await commandLine(['--wait', '0']);
  expect(code).toBe(1);
  expect(output).toContain('remedy: start one: npm run ingest');
  expect(output).toContain('1 problem(s)');
});

test('with a worker the first record of each gateway is heard, the worker is not disturbed, and nothing is wrong', async () => {
  const ingest = stack.ingest();
  const stored = async (n: number): Promise<boolean> => {
    const [row] = await stack.db.query<{ n: string }>('SELECT count() AS n FROM events');
    return row?.n === String(n);
  };
  await untilTrue('the message is stored', async () => stored(1));
  const found: Finding[] = [];
  for await (const finding of examine(configFrom(environment()), 30_000)) {
    found.push(finding);
    if (finding.check === 'workers') await stack.send([{ partition: 1, body: call('apim-after', 'two') }]);
    if (finding.check === 'gateway') break;
  }
  expect(outline(found).slice(4)).toEqual(['ok hub', 'ok consumer group', 'ok workers', 'ok gateway']);
  expect(found.find(({ check }) => check === 'consumer group')?.detail).toContain('read by a worker');
  expect(found.at(-1)?.detail).toContain('apim-after');

  const silent = await findings({}, 1);
  expect(problem(silent, 'gateway').remedy).toContain('diagnostic settings');
  const { code, output } = await commandLine(['--wait', '0']);
  expect(output).toContain('nothing is wrong');
  expect(code).toBe(0);
  expect(await stack.logged('reading_ended')).toEqual([]);
  await stack.send([{ partition: 0, body: call('apim-before', 'three') }]);
  await untilTrue('the worker still reads', async () => stored(3));
  await ingest.stop();
});

test('a wait that is no number is refused with the usage', async () => {
  const { code, output } = await commandLine(['--wait', 'long']);
  expect(code).not.toBe(0);
  expect(output).toContain('usage: npm run doctor');
});
