import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Running } from '#common/lifecycle.ts';
import { countedCalls, ready, settled, summary } from './answers.ts';
import { replayTrace } from './producer.ts';
import { startStack, type Stack } from './stack.ts';

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
  const stack = await startStack({
    ...options,
    dataDirectory: resolve(options.dataDirectory),
    onStep: (step) => progress.show(step),
    onRestart: (name, reason) => progress.say(`${name} ended (${reason}) and is started again`),
  });
  const stopping = new AbortController();
  const shown =
    options.traffic === 'trace' ? replay(stack, options.seed, progress, stopping.signal) : Promise.resolve();
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

/** Sends the trace, and shows how the answers grow until all of it is counted. */
async function replay(stack: Stack, seed: number, progress: Progress, signal: AbortSignal): Promise<void> {
  const sending = { sent: 'sending', over: false };
  const sent = replayTrace({
    connectionString: stack.hubConnectionString,
    hub: stack.hub,
    planFile: join(stack.dataDirectory, 'traffic.json'),
    seed,
    signal,
    onProgress: (done, of) => (sending.sent = `sent ${done} of ${of} messages`),
  }).finally(() => (sending.over = true));
  let answered = false;
  // Asked also after all was sent: the last messages are still on their way then.
  while (!signal.aborted) {
    const calls = await countedCalls(stack);
    if (!answered && calls !== '0') {
      answered = true;
      progress.say(`first answer after ${progress.seconds()} s`);
    }
    progress.show(`${sending.sent}, counted ${calls} calls`);
    if (sending.over && (await settled(stack))) break;
    await delay(400, undefined, { signal }).catch(() => {});
  }
  const replayed = await sent;
  if (!signal.aborted) progress.say(await summary(stack, replayed, progress.seconds()));
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
