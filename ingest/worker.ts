import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '#clickhouse/client.ts';
import { gaps } from '#clickhouse/tables.ts';
import { messageOf } from '#common/error.ts';
import type { Logger } from '#common/log.ts';
import { audit } from './audit.ts';
import { commit, cut, repeat, type CommitOptions, type Outcome } from './commit.ts';
import { hash64 } from './hash.ts';
import type { Held, Hub, Reading } from './hub.ts';
import type { Message } from './message.ts';
import type { IngestMetrics } from './metrics.ts';
import { messageRows, type MessageRows } from './rows.ts';
import { seal } from './seal.ts';

/** Why a worker ended: `stolen` by a later owner, `stopped` by us, `recreated` is a hub whose positions mean other messages. */
export type End = 'stolen' | 'stopped' | 'recreated' | 'failed';

export type WorkerOptions = {
  readonly db: Database;
  readonly hub: Hub;
  readonly log: Logger;
  readonly metrics: IngestMetrics;
  readonly partition: string;
  readonly epoch: number;
  /** Messages up to here were sealed, as far as the last owner reported. */
  readonly sealedThrough: number;
  /** The position that an earlier reading was refused, or null. */
  readonly skippedBefore: number | null;
  readonly messagesMax: number;
  /** The least time between two inserts of this partition: small batches make small parts. */
  readonly paceMs: number;
};

/**
 * The least time between two sealings of a partition. The database plans a sealing for 80 ms of processor time, however
 * few calls it has; without a pause ten messages a second keep two cores busy.
 */
const sealPaceMs = 1_000;

/** What a worker reports for its stream. */
export type WorkerState = { watermark: number; sealedThrough: number; held: Held };

/**
 * Reads one partition: cut, insert, verify, then and only then checkpoint and seal. The order is the guarantee: a crash
 * anywhere leaves either nothing or a whole batch in `events`, and the watermark is read from there again.
 */
export class PartitionWorker {
  readonly stream: string;
  readonly state: WorkerState = { watermark: -1, sealedThrough: -1, held: { beginning: 0, last: -1 } };
  /** Where this reading met a gap, or null. */
  skippedAt: number | null = null;
  readonly #options: WorkerOptions;
  readonly #stop = new AbortController();
  #ended: ((end: End) => void) | null = null;
  #reading: Reading | null = null;
  #sealing: Promise<void> | null = null;
  #nextExpected = 0;
  #identity = '';
  #lastInsertAt = 0;
  #sealedAt = Number.NEGATIVE_INFINITY;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.stream = options.hub.streamOf(options.partition);
  }

  /** Runs until the partition is lost or `stop` is called. */
  async run(): Promise<End> {
    const over = new Promise<End>((resolve) => (this.#ended = resolve));
    try {
      // Asked before anything is compared: what is received must be of this very hub.
      this.#identity = await repeat(async () => this.#options.hub.identity(), this.#commitOptions());
      const found = await audit({ ...this.#options, stream: this.stream, ...this.#commitOptions() });
      if (found.kind === 'recreated') return 'recreated';
      this.state.watermark = found.watermark;
      this.state.held = found.held;
      this.state.sealedThrough = Math.min(this.#options.sealedThrough, found.watermark);
      this.#nextExpected = found.nextExpected;
      await this.#sealBehind();
      this.#read(found.reread);
      return await over;
    } catch (error) {
      if (this.#stop.signal.aborted) return 'stopped';
      this.#options.log.error(
        { event: 'worker_failed', stream: this.stream, error: messageOf(error) },
        'the partition is tried again',
      );
      return 'failed';
    } finally {
      this.#stop.abort();
      await this.#reading?.close().catch(() => {});
      await this.#sealing;
    }
  }

  async stop(): Promise<void> {
    this.#end('stopped');
    this.#stop.abort();
    await this.#sealing;
  }

  #end(end: End): void {
    this.#ended?.(end);
  }

  #commitOptions(): CommitOptions {
    const { db, log, metrics } = this.#options;
    return {
      db,
      signal: this.#stop.signal,
      onRetry: (error, tries) => {
        metrics.retried(this.stream);
        const level = error.message.startsWith('permanent') ? 'error' : 'warn';
        log[level](
          { event: 'database_retry', stream: this.stream, tries, error: error.message.slice(0, 500) },
          'the database is tried again',
        );
      },
    };
  }

  /** Subscribes after the watermark. `reread` asks for the stored last message once more, to match it. */
  #read(reread: { readonly hash: string } | null): void {
    const { hub, partition, epoch, messagesMax, log } = this.#options;
    const after =
      this.state.watermark < 0 ? null : { sequence_number: this.state.watermark, inclusive: reread !== null };
    let match = reread;
    this.#reading = hub.read({
      partition,
      after,
      ownerLevel: epoch,
      messagesMax,
      onMessages: async (messages) => {
        try {
          if (!(await this.#isSameHub())) return;
          if (match !== null) {
            if (!matches(messages[0], this.state.watermark, match.hash)) {
              this.#recreated();
              return;
            }
            match = null;
          }
          await this.#receive(messages);
        } catch (error) {
          // Aborted while waiting for the database: the messages are not in the table and will be read again.
          if (!this.#stop.signal.aborted) {
            log.error(
              { event: 'worker_failed', stream: this.stream, error: messageOf(error) },
              'the partition is tried again',
            );
            this.#end('failed');
          }
        }
      },
      onEnd: (reason, detail) => {
        log.warn({ event: 'reading_ended', stream: this.stream, reason, detail }, 'the hub ended the reading');
        if (reason === 'invalid_position') this.#recreated();
        else this.#end(reason);
      },
    });
  }

  /**
   * After a broken connection the SDK goes on at its position by itself, also when another hub has come under the same
   * name, and nothing in the messages tells. So each batch is believed only when the hub, asked after it was received,
   * is still the one that was audited; otherwise the audit compares the stored messages with it again.
   */
  async #isSameHub(): Promise<boolean> {
    const now = await repeat(async () => this.#options.hub.identity(), this.#commitOptions());
    if (now === this.#identity) return true;
    const { log } = this.#options;
    log.warn({ event: 'hub_changed', stream: this.stream }, 'the hub was created anew; reading starts again');
    this.#end('failed');
    return false;
  }

  #recreated(): void {
    this.#options.log.error(
      { event: 'hub_recreated', stream: this.stream, watermark: this.state.watermark },
      'the hub holds another message at our watermark: it was recreated or failed over. Nothing more is read from this partition. ' +
        'Remedy: when the old messages are known to be gone, set EVENT_HUB_GENERATION one higher',
    );
    this.#end('recreated');
  }

  async #receive(messages: readonly Message[]): Promise<void> {
    const { paceMs } = this.#options;
    const fresh = messages.filter((message) => message.sequence_number > this.state.watermark);
    const first = fresh[0];
    if (first === undefined) return;
    if (first.sequence_number > this.#nextExpected) {
      await this.#skipped(first.sequence_number);
      return;
    }
    const wait = this.#lastInsertAt + paceMs - performance.now();
    if (wait > 0 && messages.length < this.#options.messagesMax)
      await delay(wait, undefined, { signal: this.#stop.signal });
    let rows = fresh.map((message) => messageRows(message));
    while (rows.length > 0) {
      const batch = cut(rows);
      this.#lastInsertAt = performance.now();
      const outcome = await commit(batch, this.state.watermark, this.#commitOptions());
      this.#count(batch, outcome);
      this.#advance(outcome.watermark);
      rows = rows.filter(({ message }) => message.sequence_number > this.state.watermark);
    }
  }

  #count(batch: readonly MessageRows[], outcome: Outcome): void {
    const { log, metrics } = this.#options;
    const { stream } = this;
    if (outcome.kind === 'overtaken') {
      metrics.overtaken(stream);
      log.warn({ event: 'overtaken', stream, watermark: outcome.watermark }, 'another owner had stored this batch');
      return;
    }
    metrics.stored(stream, batch, outcome.burntTokens);
    if (outcome.burntTokens > 0)
      log.warn(
        { event: 'burnt_token', stream, watermark: outcome.watermark, tokens: outcome.burntTokens },
        'an insert was acknowledged and left nothing, as after a crash of the database; it was repeated under a new token',
      );
  }

  #advance(watermark: number): void {
    this.state.watermark = watermark;
    this.state.held = { ...this.state.held, last: Math.max(this.state.held.last, watermark) };
    this.#nextExpected = watermark + 1;
    this.#sealing ??= this.#sealBehind().finally(() => (this.#sealing = null));
  }

  /** Seals until it has caught up; what is inserted meanwhile is sealed in one go after. */
  async #sealBehind(): Promise<void> {
    while (this.state.sealedThrough < this.state.watermark && !this.#stop.signal.aborted) {
      try {
        const wait = this.#sealedAt + sealPaceMs - performance.now();
        if (wait > 0) await delay(wait, undefined, { signal: this.#stop.signal });
        const through = this.state.watermark;
        this.#sealedAt = performance.now();
        await repeat(
          async () => seal(this.#options.db, this.stream, this.state.sealedThrough, through),
          this.#commitOptions(),
        );
        this.state.sealedThrough = through;
        this.#options.metrics.sealed(this.stream, performance.now() - this.#sealedAt);
      } catch {
        // Stopped. What is not sealed yet will be, by whoever reads the stream next.
        return;
      }
    }
  }

  /**
   * A message is missing between the watermark and what the hub sent. Reading starts again, and the audit finds out
   * whether the hub has lost it. Where the hub says that it has it and leaves it out again, the gap is recorded, so
   * that one message which never comes does not hold up all that follow.
   */
  async #skipped(first: number): Promise<void> {
    const { log, db, skippedBefore } = this.#options;
    this.skippedAt = this.#nextExpected;
    log.error(
      { event: 'sequence_gap', stream: this.stream, expected: this.#nextExpected, received: first },
      'the hub left messages out; reading starts again from the watermark',
    );
    if (skippedBefore === this.#nextExpected) {
      const line = JSON.stringify([this.stream, this.#nextExpected, first - 1, 'not_delivered']);
      await repeat(async () => db.insert(gaps, line), this.#commitOptions());
    }
    this.#end('failed');
  }
}

function matches(message: Message | undefined, watermark: number, hash: string): boolean {
  return message !== undefined && message.sequence_number === watermark && hash64(message.body) === hash;
}
