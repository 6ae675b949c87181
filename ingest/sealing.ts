import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '#clickhouse/client.ts';
import { repeat, type RetryOptions } from './commit.ts';
import type { IngestMetrics } from './metrics.ts';
import type { MessageRows } from './rows.ts';
import { seal } from './seal.ts';
import { traced } from './span.ts';

/** Kinds of records that say nothing of any call, nor that two are one. */
const silent = new Set(['dropped', 'rejected']);

/**
 * The least time between two sealings of a stream. The database plans one for 100 ms of processor time, however few
 * calls it has. Below the pace of inserts, so that under a light load each insert is sealed at once.
 */
const paceMs = 700;
/** A sealing that took long, because the database is busy, is followed by a pause of this many times as long. */
const pauseShare = 4;
const pauseMaxMs = 1_000;
/** Messages of one sealing: it holds their calls in the database's memory. */
const messagesMax = 10_000;

export type SealingOptions = RetryOptions & {
  readonly db: Database;
  readonly metrics: IngestMetrics;
  readonly stream: string;
  /** Messages up to here have been sealed. */
  readonly through: number;
};

/** Writes the calls of one stream's messages, behind its inserts and never in their way. */
export class Sealing {
  readonly #options: SealingOptions;
  #through: number;
  #wanted: number;
  #running: Promise<void> | null = null;
  #notBefore = 0;

  constructor(options: SealingOptions) {
    this.#options = options;
    this.#through = options.through;
    this.#wanted = options.through;
  }

  /** Messages up to here have been sealed, or have nothing to seal. */
  get through(): number {
    return this.#through;
  }

  /** After an audit: nothing beyond the watermark can have been sealed, and what is before it is sealed first. */
  async catchUp(watermark: number): Promise<void> {
    this.#through = Math.min(this.#through, watermark);
    this.#wanted = watermark;
    await this.#run();
  }

  /** After an insert: `batch` is what was stored up to the watermark, or null when another owner stored it. */
  follow(watermark: number, batch: readonly MessageRows[] | null): void {
    const isUpToDate = this.#running === null && this.#through === this.#wanted;
    this.#wanted = watermark;
    if (isUpToDate && batch?.every(({ rows }) => rows.every(({ kind }) => silent.has(kind))) === true) {
      this.#through = watermark;
      return;
    }
    this.#running ??= this.#run().finally(() => (this.#running = null));
  }

  /** Resolves when what runs has ended; nothing new begins once the signal has aborted. */
  async ended(): Promise<void> {
    await this.#running;
  }

  /** Seals until it has caught up; what is inserted meanwhile is sealed in one go after. */
  async #run(): Promise<void> {
    const { db, metrics, stream, signal } = this.#options;
    while (this.#through < this.#wanted && !signal.aborted) {
      try {
        const wait = this.#notBefore - performance.now();
        if (wait > 0) await delay(wait, undefined, { signal });
        const after = this.#through;
        const through = Math.min(this.#wanted, after + messagesMax);
        const began = performance.now();
        await traced('seal', { stream, messages: through - after }, async () =>
          repeat('database', async () => seal(db, stream, after, through), this.#options),
        );
        const took = performance.now() - began;
        this.#through = through;
        this.#notBefore = began + Math.max(paceMs, took + Math.min(pauseMaxMs, pauseShare * took));
        metrics.sealed(stream, took);
      } catch {
        // Stopped. What is not sealed yet will be, by whoever reads the stream next.
        return;
      }
    }
  }
}
