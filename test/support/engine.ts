import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import {
  ClickHouseLogLevel,
  createClient,
  type ClickHouseClient,
  type ClickHouseClientConfigOptions,
} from '@clickhouse/client';
import { type DoorOptions } from '../../local/door.ts';
import { engineThreads } from '../../local/engine-threads.ts';

export type EngineOptions = Partial<Omit<DoorOptions, 'dataDirectory' | 'port'>> & {
  /** A directory that an earlier engine left; it is not removed at the end then. */
  readonly directory?: string;
};

/** An embedded ClickHouse in a child process, spoken to over HTTP. */
export type TestEngine = {
  readonly url: string;
  readonly password: string;
  readonly directory: string;
  readonly pid: number;
  /** SIGKILL; the directory stays. */
  readonly kill: () => Promise<void>;
  /** Closes cleanly and removes the directory, unless it was given. */
  readonly stop: () => Promise<void>;
};

/** Starts an engine on a fresh directory, or on a given one. */
export async function startEngine(options: EngineOptions = {}): Promise<TestEngine> {
  const { directory: given, ...rest } = options;
  const directory = given ?? (await mkdtemp(join(tmpdir(), 'gatemeter-engine-')));
  const password = options.password ?? 'secret';
  const door = {
    memoryBytes: 2_000_000_000,
    minimumFreeBytes: 0,
    ...rest,
    password,
    dataDirectory: directory,
    port: 0,
  };
  const script = fileURLToPath(new URL('door-child.ts', import.meta.url));
  const child = spawn(process.execPath, [script, JSON.stringify(door)], {
    env: { ...process.env, UV_THREADPOOL_SIZE: String(engineThreads) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const port = await portOf(child);
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  };
  return {
    url: `http://127.0.0.1:${port}`,
    password,
    directory,
    pid: child.pid ?? 0,
    kill: () => end('SIGKILL'),
    stop: async () => {
      await end('SIGTERM');
      if (given === undefined) await rm(directory, { recursive: true, force: true });
    },
  };
}

/** The real client on an engine. It logs nothing, because many tests are about failures. */
export function connect(engine: TestEngine, options: ClickHouseClientConfigOptions = {}): ClickHouseClient {
  return createClient({
    url: engine.url,
    password: engine.password,
    log: { level: ClickHouseLogLevel.OFF },
    ...options,
  });
}

/** The port that the child reports, or its error output if it ends instead. */
async function portOf(child: ChildProcess): Promise<number> {
  let errors = '';
  child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  if (child.stdout === null) throw new Error('the child has no output');
  for await (const line of createInterface({ input: child.stdout })) {
    const { port } = JSON.parse(line) as { port: number };
    return port;
  }
  throw new Error(`the engine did not start: ${errors}`);
}
