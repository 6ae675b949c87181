import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '#clickhouse/client.ts';
import { retryUntilDone } from '#common/retry.ts';
import type { RetryOptions } from './commit.ts';
import type { IngestMetrics } from './metrics.ts';
import type { MessageRows } from './rows.ts';
import { seal, type Range } from './seal.ts';
import { traced } from './span.ts';

/** Kinds of records that say nothing of any call, nor that two are one. */
const silent = new Set(['dropped', 'rejected']);

/**
 * The least time between two sealings. The database plans one for 60 ms of processor time, however few calls it has
 * and however many streams they are of. Below the pace of inserts, so that under a light load each is sealed at once.
 */
const paceMs = 250;
/** A sealing that took long, because the database is busy, is followed by a pause of this many times as long. */
const pauseShare = 2;
const pauseMaxMs = 1_000;

export type SealerOptions = {
  readonly db: Database;
  readonly metrics: IngestMetrics;
  readonly onRetry: RetryOptions['onRetry'];
  /** Messages of one sealing over all streams: it holds their calls in the database's memory. */
  readonly messagesMax: number;
};

/** Writes the calls of all streams of a process together, behind their inserts and never in their way. */
export class Sealer {
  readonly #options: SealerOptions;
  readonly #stop = new AbortController();
  /** In the order of their turns: who was sealed last comes last. */
  readonly #streams = new Set<Sealing>();
  #running: Promise<void> = Promise.resolve();
  #isRunning = false;
  #notBefore = 0;
  /** How many sealings are to be of a single stream, after one of several has failed. */
  #alone = 0;

  constructor(options: SealerOptions) {
    this.#options = options;
  }

  /** Takes a stream on, of which the messages up to `through` have been sealed. */
  open(stream: string, through: number, onCaughtUp: () => void = () => {}): Sealing {
    const sealing = new Sealing(stream, through, onCaughtUp, {
      wake: () => this.#wake(),
      forget: () => this.#streams.delete(sealing),
    });
    this.#streams.add(sealing);
    return sealing;
  }

  /** Nothing new begins; resolves when what runs has ended. What is not sealed yet will be, by whoever reads it next. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    for (const sealing of this.#streams) void sealing.leave();
  }

  #wake(): void {
    if (this.#isRunning || this.#stop.signal.aborted) return;
    this.#isRunning = true;
    this.#running = this.#run();
  }

  /** Seals until every stream has caught up; what is inserted meanwhile is sealed in one go after. */
  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const { onRetry } = this.#options;
    try {
      while (this.#next().length > 0) {
        const wait = this.#notBefore - performance.now();
        if (wait > 0) await delay(wait, undefined, { signal });
        await retryUntilDone(async () => this.#attempt(), {
          signal,
          onFailure: (error, tries) => onRetry('database', error, tries),
        });
      }
    } catch {
      // Stopped.
    } finally {
      // Here and not in a callback after: what is inserted in between would wake nobody.
      this.#isRunning = false;
    }
  }

  /** The streams that have something to seal now, with what of it. */
  #next(): readonly (readonly [Sealing, Range])[] {
    const next: (readonly [Sealing, Range])[] = [];
    let room = this.#options.messagesMax;
    for (const sealing of this.#streams) {
      const range = sealing.next(room);
      if (range === null) continue;
      next.push([sealing, range]);
      room -= range.through - range.after;
      if (room <= 0 || this.#alone > 0) break;
    }
    return next;
  }

  /** One sealing. Streams that have left since the last try are not in it. */
  async #attempt(): Promise<void> {
    const next = this.#next();
    if (next.length === 0) return;
    const { db, metrics } = this.#options;
    const ranges = next.map(([, range]) => range);
    const messages = ranges.reduce((sum, { after, through }) => sum + through - after, 0);
    for (const [sealing] of next) {
      sealing.began();
      this.#streams.delete(sealing);
      this.#streams.add(sealing);
    }
    const began = performance.now();
    let isSealed = false;
    try {
      await traced('seal', { streams: ranges.length, messages }, async () => seal(db, ranges));
      isSealed = true;
      this.#alone = Math.max(0, this.#alone - 1);
      const took = performance.now() - began;
      this.#notBefore = began + Math.max(paceMs, took + Math.min(pauseMaxMs, pauseShare * took));
      metrics.sealed(took);
    } catch (error) {
      // So that one stream whose calls cannot be sealed does not hold up the others.
      this.#alone = this.#streams.size;
      throw error;
    } finally {
      for (const [sealing, { through }] of next) sealing.ended(isSealed ? through : null);
    }
  }
}

/** One stream's part in the sealing. */
export class Sealing {
  readonly stream: string;
  readonly #onCaughtUp: () => void;
  readonly #sealer: { readonly wake: () => void; readonly forget: () => void };
  #through: number;
  #wanted: number;
  #isSealing = false;
  #hasLeft = false;
  #waiting: (() => void)[] = [];

  constructor(
    stream: string,
    through: number,
    onCaughtUp: () => void,
    sealer: { readonly wake: () => void; readonly forget: () => void },
  ) {
    this.stream = stream;
    this.#through = through;
    this.#wanted = through;
    this.#onCaughtUp = onCaughtUp;
    this.#sealer = sealer;
  }

  /** Messages up to here have been sealed, or have nothing to seal. */
  get through(): number {
    return this.#through;
  }

  /** After an audit: nothing beyond the watermark can have been sealed, and what is before it is sealed first. */
  async catchUp(watermark: number): Promise<void> {
    this.#through = Math.min(this.#through, watermark);
    this.#wanted = watermark;
    this.#sealer.wake();
    await this.settled();
  }

  /** After an insert: `batch` is what was stored up to the watermark, or null when another owner stored it. */
  follow(watermark: number, batch: readonly MessageRows[] | null): void {
    const isUpToDate = !this.#isSealing && this.#through === this.#wanted;
    this.#wanted = watermark;
    if (isUpToDate && batch?.every(({ rows }) => rows.every(({ kind }) => silent.has(kind))) === true) {
      this.#advance(watermark);
      return;
    }
    this.#sealer.wake();
  }

  /** Resolves when everything that was stored is sealed, or nothing more will be. */
  async settled(): Promise<void> {
    if (!this.#isSealing && (this.#hasLeft || this.#through >= this.#wanted)) return;
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Nothing new begins for this stream; resolves when what runs for it has ended. */
  async leave(): Promise<void> {
    this.#hasLeft = true;
    this.#sealer.forget();
    if (this.#isSealing) await this.settled();
    else this.#release();
  }

  /** What is to be sealed next, at most so many messages; null where there is nothing. For the sealer. */
  next(messagesMax: number): Range | null {
    if (this.#hasLeft || this.#through >= this.#wanted) return null;
    return { stream: this.stream, after: this.#through, through: Math.min(this.#wanted, this.#through + messagesMax) };
  }

  /** A sealing that this stream is part of has begun. */
  began(): void {
    this.#isSealing = true;
  }

  /** It has ended and sealed up to `through`, or failed. */
  ended(through: number | null): void {
    this.#isSealing = false;
    if (through !== null) this.#advance(through);
    if (this.#hasLeft) this.#release();
  }

  #advance(through: number): void {
    this.#through = through;
    if (through < this.#wanted) return;
    this.#release();
    this.#onCaughtUp();
  }

  #release(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
