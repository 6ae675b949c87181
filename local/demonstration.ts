import { join, resolve } from 'node:path';
import { setImmediate as soon, setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '#common/error.ts';
import type { Running } from '#common/lifecycle.ts';
import { countedCalls, ready, settled, summary } from './answers.ts';
import type { Replay } from './producer.ts';
import { startStack, type HubAddress, type Stack } from './stack.ts';

export type DemonstrationOptions = {
  readonly dataDirectory: string;
  readonly port: number;
  readonly hubPort: number;
  readonly key: string | null;
  readonly seed: number;
  readonly traffic: 'trace' | 'none';
};

/** `npm start`: the stack, the trace through it, and what was counted. Stays up until closed. */
export async function demonstrate(options: DemonstrationOptions): Promise<Running> {
  const progress = new Progress();
  const stopping = new AbortController();
  const dataDirectory = resolve(options.dataDirectory);
  const hub = Promise.withResolvers<HubAddress>();
  const sending = options.traffic === 'trace' ? new Sending(hub.promise, dataDirectory, options.seed, stopping) : null;
  const stack = await startStack({
    ...options,
    dataDirectory,
    onHub: hub.resolve,
    onStep: (step) => progress.show(step),
    onRestart: (name, reason) => progress.say(`${name} ended (${reason}) and is started again`),
  });
  // Not at once: Ctrl-C is heard from when this function has returned, and nobody is told of it before.
  const shown = sending === null ? soon() : show(stack, sending, progress, stopping.signal);
  const closed = Promise.withResolvers<void>();
  shown.then(
    () => stopping.signal.aborted || progress.say(ready(stack)),
    (error: unknown) => stopping.signal.aborted || closed.reject(error),
  );
  return {
    closed: closed.promise,
    close: async () => {
      stopping.abort();
      progress.show('stopping');
      await shown.catch(() => {});
      await stack.close();
      progress.say('stopped');
    },
  };
}

/** The trace on its way to the hub, which begins as soon as the hub is up: it keeps what nobody reads yet. */
class Sending {
  readonly done: Promise<Replay>;
  state = 'sending';
  isOver = false;

  constructor(hub: Promise<HubAddress>, dataDirectory: string, seed: number, stopping: AbortController) {
    this.done = this.#send(hub, dataDirectory, seed, stopping.signal);
    // Whoever shows the progress waits for it, but only once the stack has started.
    this.done.catch(() => {});
  }

  async #send(hub: Promise<HubAddress>, dataDirectory: string, seed: number, signal: AbortSignal): Promise<Replay> {
    try {
      const { replayTrace } = await import('./producer.ts');
      return await replayTrace({
        ...(await hub),
        planFile: join(dataDirectory, 'traffic.json'),
        seed,
        signal,
        onProgress: (done, of) => (this.state = `sent ${done} of ${of} messages`),
      });
    } finally {
      this.isOver = true;
    }
  }
}

/** Shows how the answers grow until all of the trace is counted. */
async function show(stack: Stack, sending: Sending, progress: Progress, signal: AbortSignal): Promise<void> {
  let answered = false;
  // Asked also after all was sent: the last messages are still on their way then.
  while (!signal.aborted) {
    try {
      const calls = await countedCalls(stack);
      if (!answered && calls !== '0') {
        answered = true;
        progress.say(`first answer after ${progress.seconds()} s`);
      }
      progress.show(`${sending.state}, counted ${calls} calls`);
      if (sending.isOver && (await settled(stack))) {
        progress.say(await summary(stack, await sending.done, progress.seconds()));
        return;
      }
    } catch (error) {
      if (sending.isOver) await sending.done;
      // A process that ended is started again, and the question is asked again then.
      progress.show(`${sending.state}; no answer: ${messageOf(error)}`);
    }
    await delay(400, undefined, { signal }).catch(() => {});
  }
  // The hub stays until the sending has noticed.
  await sending.done;
}

/** One line that is written over on a terminal, and a new line each time it changes elsewhere, as in a log. */
class Progress {
  readonly #began = performance.now();
  #last = '';

  seconds(): string {
    return ((performance.now() - this.#began) / 1_000).toFixed(1);
  }

  show(text: string): void {
    if (text === this.#last) return;
    this.#last = text;
    process.stderr.write(process.stderr.isTTY ? `\r\u001b[K${text}` : `${text}\n`);
  }

  say(text: string): void {
    if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
    process.stdout.write(`${text}\n`);
  }
}
