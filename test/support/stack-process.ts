import { fork, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export type ProgramOptions = {
  /** A program's main.ts, relative to the root of the project. */
  readonly program: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Of node itself, such as --cpu-prof. */
  readonly nodeArgs?: readonly string[];
  /** Its output is appended here. */
  readonly logFile: string;
};

/** A program as a child process that may be killed at any time. Nothing starts it again by itself. */
export type Program = {
  readonly pid: number;
  /** The port that it said to listen on, or 0. Rejects when the program ends before it has started. */
  readonly started: Promise<number>;
  readonly exited: Promise<void>;
  readonly signal: (signal: NodeJS.Signals) => void;
  /** SIGKILL, and the end of the process. */
  readonly kill: () => Promise<void>;
  /** SIGTERM, and the end of the process; SIGKILL when it takes too long. */
  readonly stop: () => Promise<void>;
};

const stopPatienceMs = 15_000;

export function startProgram(options: ProgramOptions): Program {
  const log = openSync(options.logFile, 'a');
  const script = fileURLToPath(new URL(`../../${options.program}`, import.meta.url));
  const child = fork(script, [...options.args], {
    env: { ...options.environment },
    execArgv: [...(options.nodeArgs ?? [])],
    stdio: ['ignore', log, log, 'ipc'],
  });
  closeSync(log);
  const exited = new Promise<void>((resolve) => void child.once('exit', () => resolve()));
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
  };
  return {
    pid: child.pid ?? 0,
    started: startedPort(child, options),
    exited,
    signal: (signal) => void child.kill(signal),
    kill,
    stop: async () => {
      child.kill('SIGTERM');
      if ((await Promise.race([exited, delay(stopPatienceMs, 'late', { ref: false })])) === 'late') await kill();
    },
  };
}

function startedPort(child: ChildProcess, options: ProgramOptions): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.once('message', (message) => resolve((message as { port?: number }).port ?? 0));
  child.once('exit', (code, signal) => {
    const output = readFileSync(options.logFile, 'utf8').slice(-2_000);
    reject(new Error(`${options.program} ended with ${signal ?? code} before it had started:\n${output}`));
  });
  // Whoever waits for the start sees the failure; nobody has to.
  promise.catch(() => {});
  return promise;
}

/** The resident memory of a process in bytes. */
export function residentBytes(pid: number): number {
  const [, pages = '0'] = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ');
  return Number(pages) * 4_096;
}

/** The processor time of a process so far, all its threads, in microseconds; by clock ticks of 10 ms. */
export function processorMicroseconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name in parentheses may hold spaces; the fields after it are counted from the third.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}
