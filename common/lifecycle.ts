import { ConfigurationError, messageOf } from './error.ts';

/** A started program: closing it is idempotent, and `closed` settles when it has ended by itself or was closed. */
export type Running = {
  readonly close: () => Promise<void>;
  /** Rejects when the program cannot go on. */
  readonly closed: Promise<void>;
  /** What a parent process is told when the program has started, such as the port it listens on. */
  readonly address?: { readonly port: number };
};

function abandoned(): void {
  process.exit(1);
}

/**
 * Runs a program until it ends or a signal asks it to. A second signal does not wait any longer. A broken
 * configuration prints its problems and no stack. Exit codes: 0 asked to stop, 1 failed, 2 wrong configuration.
 */
export async function runUntilSignal(start: () => Promise<Running>): Promise<void> {
  let running: Running;
  // A signal ends a program that is still starting. So does the end of its parent: what it waits for may never come then.
  process.on('disconnect', abandoned);
  try {
    running = await start();
  } catch (error) {
    if (error instanceof ConfigurationError) {
      process.stderr.write(`${error.message}\n`);
      process.exit(2);
    }
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exit(1);
  }
  let asked = false;
  const stop = (): void => {
    if (asked) process.exit(130);
    asked = true;
    running.close().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`while closing: ${messageOf(error)}\n`);
        process.exit(1);
      },
    );
  };
  process.off('disconnect', abandoned);
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  // Started by another program of this project (a channel is there): its end is ours.
  process.on('disconnect', stop);
  if (process.send !== undefined) {
    // A parent that ended while we started was not heard by the line above.
    if (process.connected) process.send({ kind: 'started', ...running.address });
    else stop();
  }
  try {
    await running.closed;
  } catch (error) {
    process.stderr.write(`stopped: ${messageOf(error)}\n`);
    process.exit(1);
  }
}
