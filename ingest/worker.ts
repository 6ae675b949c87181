import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '#clickhouse/client.ts';
import { gaps } from '#clickhouse/tables.ts';
import { messageOf } from '#common/error.ts';
import { audit } from './audit.ts';
import { commit, cut, onRetryOf, repeat, type CommitOptions, type Outcome } from './commit.ts';
import { hash64 } from './hash.ts';
import type { Held, Hub, Reading } from './hub.ts';
import type { Message } from './message.ts';
import type { IngestMetrics } from './metrics.ts';
import type { Notify } from './notice.ts';
import { messageRows, type MessageRows, type RowOptions } from './rows.ts';
import type { Sealer, Sealing } from './sealing.ts';
import { traced } from './span.ts';

/** Why a worker ended: `stolen` by a later owner, `stopped` by us, `recreated` is a hub whose positions mean other messages. */
export type End = 'stolen' | 'stopped' | 'recreated' | 'failed';

export type WorkerOptions = {
  readonly db: Database;
  readonly hub: Hub;
  readonly notify: Notify;
  readonly metrics: IngestMetrics;
  readonly sealer: Sealer;
  readonly partition: string;
  readonly epoch: number;
  /** Messages up to here were sealed, as far as the last owner reported. */
  readonly sealedThrough: number;
  /** The position that an earlier reading was refused, or null. */
  readonly skippedBefore: number | null;
  readonly messagesMax: number;
  /** The least time between two inserts of this partition: small batches make small parts. */
  readonly paceMs: number;
  readonly rows: RowOptions;
};

/** What a worker reports for its stream. */
export type WorkerState = { readonly watermark: number; readonly sealedThrough: number; readonly held: Held };

/**
 * Reads one partition: cut, insert, verify, then and only then checkpoint and seal. The order is the guarantee: a crash
 * anywhere leaves either nothing or a whole batch in `events`, and the watermark is read from there again.
 */
export class PartitionWorker {
  readonly stream: string;
  /** What the hub holds, as it was last asked. */
  held: Held = { beginning: 0, last: -1 };
  /** Where this reading met a gap, or null. */
  skippedAt: number | null = null;
  readonly #options: WorkerOptions;
  readonly #stop = new AbortController();
  readonly #retrying: CommitOptions;
  readonly #sealing: Sealing;
  #ended: ((end: End) => void) | null = null;
  #reading: Reading | null = null;
  #watermark = -1;
  #nextExpected = 0;
  #identity = '';

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.stream = options.hub.streamOf(options.partition);
    const { db, notify, sealer, sealedThrough } = options;
    this.#retrying = { db, signal: this.#stop.signal, onRetry: onRetryOf(notify, this.stream) };
    this.#sealing = sealer.open(this.stream, sealedThrough);
  }

  /** Before the audit has found the watermark it is -1, and what was sealed is as the last owner reported it. */
  get state(): WorkerState {
    return { watermark: this.#watermark, sealedThrough: this.#sealing.through, held: this.held };
  }

  /** Runs until the partition is lost or `stop` is called. */
  async run(): Promise<End> {
    const over = new Promise<End>((resolve) => (this.#ended = resolve));
    try {
      // Asked before anything is compared: what is received must be of this very hub.
      this.#identity = await repeat('hub', async () => this.#options.hub.identity(), this.#retrying);
      const found = await audit({ ...this.#options, stream: this.stream, ...this.#retrying });
      this.#watermark = found.watermark;
      this.held = found.held;
      if (found.kind === 'recreated') {
        this.#recreated();
        return await over;
      }
      this.#nextExpected = found.nextExpected;
      await this.#sealing.catchUp(found.watermark);
      this.#read(found.reread);
      return await over;
    } catch (error) {
      if (this.#stop.signal.aborted) return 'stopped';
      this.#options.notify('worker_failed', this.stream, { error: messageOf(error) });
      return 'failed';
    } finally {
      this.#stop.abort();
      await this.#reading?.close().catch(() => {});
      await this.#sealing.leave();
    }
  }

  async stop(): Promise<void> {
    this.#end('stopped');
    this.#stop.abort();
    await this.#sealing.leave();
  }

  #end(end: End): void {
    this.#ended?.(end);
  }

  /** Subscribes after the watermark. `reread` asks for the stored last message once more, to match it. */
  #read(reread: { readonly hash: string } | null): void {
    const { hub, partition, epoch, messagesMax, notify } = this.#options;
    const after = this.#watermark < 0 ? null : { sequence_number: this.#watermark, inclusive: reread !== null };
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
            if (!matches(messages[0], this.#watermark, match.hash)) {
              this.#recreated();
              return;
            }
            match = null;
          }
          await this.#receive(messages);
        } catch (error) {
          // Aborted while waiting for the database: the messages are not in the table and will be read again.
          if (this.#stop.signal.aborted) return;
          notify('worker_failed', this.stream, { error: messageOf(error) });
          this.#end('failed');
        }
      },
      onEnd: (reason, detail) => {
        notify('reading_ended', this.stream, { reason, detail });
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
    const now = await repeat('hub', async () => this.#options.hub.identity(), this.#retrying);
    if (now === this.#identity) return true;
    this.#options.notify('hub_changed', this.stream);
    this.#end('failed');
    return false;
  }

  #recreated(): void {
    this.#options.notify('hub_recreated', this.stream, { watermark: this.#watermark });
    this.#end('recreated');
  }

  /**
   * Stores what has come, and returns after the pace: meanwhile the hub's messages gather, and the next call has all of
   * them. A pause before the insert would let each message wait for two.
   */
  async #receive(messages: readonly Message[]): Promise<void> {
    const { paceMs, messagesMax } = this.#options;
    const began = performance.now();
    const { next, gapBefore } = contiguous(messages, this.#nextExpected);
    if (next.length > 0) await this.#store(next);
    if (gapBefore !== null) {
      await this.#skipped(gapBefore);
      return;
    }
    const wait = began + paceMs - performance.now();
    if (wait > 0 && messages.length < messagesMax) await delay(wait, undefined, { signal: this.#stop.signal });
  }

  async #store(messages: readonly Message[]): Promise<void> {
    const { stream } = this;
    await traced('store', { stream, messages: messages.length }, async (span) => {
      let rest: readonly MessageRows[] = await traced('decode', { stream, messages: messages.length }, () =>
        messages.map((message) => messageRows(message, this.#options.rows)),
      );
      span.setAttribute(
        'rows',
        rest.reduce((sum, { rows }) => sum + rows.length, 0),
      );
      while (rest.length > 0) {
        const batch = cut(rest);
        const outcome = await commit(batch, this.#watermark, this.#retrying);
        this.#count(batch, outcome);
        this.#advance(outcome.watermark, outcome.kind === 'stored' ? batch : null);
        rest = rest.filter(({ message }) => message.sequence_number > this.#watermark);
      }
    });
  }

  #count(batch: readonly MessageRows[], outcome: Outcome): void {
    const { metrics, notify } = this.#options;
    const { stream } = this;
    if (outcome.kind === 'overtaken') {
      notify('overtaken', stream, { watermark: outcome.watermark });
      return;
    }
    metrics.stored(stream, batch);
    if (outcome.burntTokens > 0)
      notify('burnt_token', stream, { watermark: outcome.watermark, tokens: outcome.burntTokens });
  }

  #advance(watermark: number, batch: readonly MessageRows[] | null): void {
    this.#watermark = watermark;
    this.held = { ...this.held, last: Math.max(this.held.last, watermark) };
    this.#nextExpected = watermark + 1;
    this.#sealing.follow(watermark, batch);
  }

  /**
   * A message is missing between the watermark and what the hub sent. Reading starts again, and the audit finds out
   * whether the hub has lost it. Where the hub says that it has it and leaves it out again, the gap is recorded, so
   * that one message which never comes does not hold up all that follow.
   */
  async #skipped(first: number): Promise<void> {
    const { db, notify, skippedBefore } = this.#options;
    this.skippedAt = this.#nextExpected;
    notify('sequence_gap', this.stream, { expected: this.#nextExpected, received: first });
    if (skippedBefore === this.#nextExpected) {
      const line = JSON.stringify([this.stream, this.#nextExpected, first - 1, 'not_delivered']);
      await repeat('database', async () => db.insert(gaps, line), this.#retrying);
    }
    this.#end('failed');
  }
}

/**
 * The messages that follow each other from the expected one on, without those that came before; and the message before
 * which others are missing, or null. What is stored after a gap would be a hole that only the next audit finds.
 */
export function contiguous(
  messages: readonly Message[],
  expected: number,
): { readonly next: readonly Message[]; readonly gapBefore: number | null } {
  const next: Message[] = [];
  for (const message of messages) {
    const wanted = expected + next.length;
    if (message.sequence_number > wanted) return { next, gapBefore: message.sequence_number };
    if (message.sequence_number === wanted) next.push(message);
  }
  return { next, gapBefore: null };
}

function matches(message: Message | undefined, watermark: number, hash: string): boolean {
  return message !== undefined && message.sequence_number === watermark && hash64(message.body) === hash;
}
