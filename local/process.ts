import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fstatSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import { ConfigurationError } from '#common/error.ts';

export type ProcessOptions = {
  readonly name: string;
  /** The role first. */
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly logDirectory: string;
  /** The child loads its code at once, and starts when this is fulfilled and it is told so by a message. */
  readonly after?: Promise<void> | undefined;
  /** Hears that the process ended by itself and is started again. */
  readonly onRestart: (name: string, reason: string) => void;
};

/** A child process that is kept running: it is started again when it ends without having been asked to. */
export type KeptProcess = {
  /** Settles when the child has said that it started; the port it listens on, or 0. */
  readonly started: Promise<number>;
  readonly pid: () => number | undefined;
  readonly stop: () => Promise<void>;
};

const restartPauseMs = 500;
const stopPatienceMs = 10_000;
/** The exit code of `runUntilSignal` for what a person can mend. */
const wrongConfiguration = 2;

/** What a process wrote that is no log line and no trace of its code: why it ended, as it would tell a person. */
function lastWords(output: string): string {
  const lines = output.split('\n').filter((line) => line.trim() !== '' && !/^(\{| +at )/.test(line));
  return [...new Set(lines)].map((line) => `\n  ${line}`).join('');
}

/** Starts a role of `main.ts` as a child. Its log lines go to a file; a child whose first start fails rejects `started`. */
export function keep(options: ProcessOptions): KeptProcess {
  const logFile = join(options.logDirectory, `${options.name}.log`);
  const log = openSync(logFile, 'a');
  const before = fstatSync(log).size;
  const first = Promise.withResolvers<number>();
  // Whoever waits for the start sees the failure; nobody has to.
  first.promise.catch(() => {});
  let child: ChildProcess | null = null;
  let closing = false;
  let everStarted = false;
  const spawn = (): void => {
    child = fork(fileURLToPath(new URL('main.ts', import.meta.url)), [...options.args], {
      env: { ...options.environment },
      // Its own process group, so that Ctrl-C reaches the parent alone, which stops the children in order.
      detached: true,
      stdio: ['ignore', log, log, 'ipc'],
    });
    const own = child;
    void options.after?.then(() => own.connected && own.send({ kind: 'start' }));
    child.on('message', (message) => {
      everStarted = true;
      first.resolve((message as { port?: number }).port ?? 0);
    });
    child.on('exit', (code, signal) => {
      if (closing) return;
      if (!everStarted) {
        const said = lastWords(readFileSync(logFile).subarray(before).toString());
        const text = `${options.name} did not start (${signal ?? `exit code ${code}`}); see ${logFile}${said}`;
        first.reject(code === wrongConfiguration ? new ConfigurationError(text) : new Error(text));
        return;
      }
      options.onRestart(options.name, signal ?? `exit code ${code}`);
      setTimeout(() => {
        if (!closing) spawn();
      }, restartPauseMs);
    });
  };
  spawn();
  return {
    started: first.promise,
    pid: () => child?.pid,
    stop: async () => {
      closing = true;
      if (child === null || child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      const patience = delay(stopPatienceMs, 'late', { ref: false });
      if ((await Promise.race([exited, patience])) === 'late') {
        child.kill('SIGKILL');
        await exited;
      }
    },
  };
}
