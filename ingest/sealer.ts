import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '#clickhouse/client.ts';
import { repeat, type CommitOptions } from './commit.ts';
import { seal } from './seal.ts';

/**
 * The least time between two sealings of a stream. The database plans a sealing for 80 ms of processor time, however
 * few calls it has; without a pause ten messages a second keep two cores busy.
 */
const paceMs = 1_000;

/** Seals a stream behind its writer: one sealing at a time, each of everything stored since the last. */
export class Sealer {
  readonly #db: Database;
  readonly #stream: string;
  readonly #options: CommitOptions;
  readonly #sealed: (ms: number) => void;
  #stored: number;
  #through: number;
  #running: Promise<void> | null = null;
  #lastAt = Number.NEGATIVE_INFINITY;

  constructor(stream: string, from: number, options: CommitOptions, sealed: (ms: number) => void) {
    this.#db = options.db;
    this.#stream = stream;
    this.#stored = from;
    this.#through = from;
    this.#options = options;
    this.#sealed = sealed;
  }

  /** Messages up to here have been sealed into calls. */
  get through(): number {
    return this.#through;
  }

  /** Messages up to here are stored and may be sealed. */
  stored(watermark: number): void {
    this.#stored = watermark;
    this.#running ??= this.#catchUp().finally(() => (this.#running = null));
  }

  /** Settles when nothing stored waits to be sealed, or the signal has aborted. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #catchUp(): Promise<void> {
    const { signal } = this.#options;
    while (this.#through < this.#stored && !signal.aborted) {
      try {
        const wait = this.#lastAt + paceMs - performance.now();
        if (wait > 0) await delay(wait, undefined, { signal });
        const through = this.#stored;
        this.#lastAt = performance.now();
        await repeat(async () => seal(this.#db, this.#stream, this.#through, through), this.#options);
        this.#through = through;
        this.#sealed(performance.now() - this.#lastAt);
      } catch {
        // Stopped. What is not sealed yet will be, by whoever looks after the stream next.
        return;
      }
    }
  }
}
