import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '#clickhouse/client.ts';
import { streamStates } from '#clickhouse/tables.ts';
import { unsealed } from '#clickhouse/ledger.ts';
import { assert } from '#common/assert.ts';
import { messageOf } from '#common/error.ts';
import type { Logger } from '#common/log.ts';
import { commit, cut, onRetryOf, repeat, type CommitOptions } from './commit.ts';
import type { Message } from './message.ts';
import type { IngestMetrics } from './metrics.ts';
import { notifier } from './notice.ts';
import { messageRows, type MessageRows, type RowOptions } from './rows.ts';
import { seal } from './seal.ts';
import { Sealer, type Sealing } from './sealing.ts';

/** The ways in beside the hub; each is the first part of its streams' names. */
export type Way = 'intake' | 'import' | 'backfill' | 'poll' | 'replay';

/** What comes in by one of them, without a place in a stream yet. */
export type Arrival = Pick<Message, 'body' | 'source' | 'origin'>;

/** What became of an arrival: how many of its records are of which kind. */
export type Stored = { readonly records: number; readonly kinds: Readonly<Record<string, number>> };

export type JournalOptions = {
  readonly db: Database;
  readonly log: Logger;
  readonly metrics: IngestMetrics;
  readonly owner: string;
  readonly rows: RowOptions;
};

/** Waiting arrivals are held in memory; more than this is refused, so that a burst cannot take the process down. */
const waitingBytesMax = 64 * 1024 * 1024;

/** Messages in one sealing: an import puts a thousand records into each. */
const sealedMax = 100;

/** The least time between two reports: the next one covers what was sealed meanwhile. */
const reportMs = 2_000;

type Waiting = {
  readonly arrival: Arrival;
  readonly done: (stored: Stored) => void;
  readonly failed: (error: Error) => void;
};

/**
 * A stream of our own for what does not come from the hub. It is stored by the same commit as the hub's messages, with
 * sequence numbers that we give; each process writes a stream that nobody else writes, so there is no owner to agree on.
 */
export class Journal {
  readonly stream: string;
  readonly #options: JournalOptions;
  readonly #stop = new AbortController();
  readonly #commit: CommitOptions;
  readonly #sealer: Sealer;
  readonly #sealing: Sealing;
  readonly #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #watermark = -1;
  #writing: Promise<void> | null = null;
  #reporting: Promise<void> | null = null;

  constructor(way: Way, options: JournalOptions) {
    this.#options = options;
    this.stream = `${way}/${options.owner}/${randomUUID().slice(0, 8)}`;
    const { db, log, metrics } = options;
    this.#commit = {
      db,
      signal: this.#stop.signal,
      onRetry: onRetryOf(notifier(log, metrics), this.stream),
    };
    this.#sealer = new Sealer({ db, metrics, onRetry: this.#commit.onRetry, messagesMax: sealedMax });
    this.#sealing = this.#sealer.open(this.stream, -1, () => this.#reportSoon());
  }

  /** Settles when the arrival is in `events` for good; null where too much waits already. */
  append(arrival: Arrival): Promise<Stored> | null {
    if (this.#waitingBytes + arrival.body.length > waitingBytesMax) return null;
    this.#waitingBytes += arrival.body.length;
    const { promise, resolve, reject } = Promise.withResolvers<Stored>();
    this.#waiting.push({ arrival, done: resolve, failed: reject });
    this.#writing ??= this.#write();
    return promise;
  }

  /** Settles when every arrival is stored and sealed. */
  async idle(): Promise<void> {
    while (this.#writing !== null) await this.#writing;
    await this.#sealing.settled();
    await this.#report('reading');
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#writing;
    await this.#sealer.close();
    await this.#reporting;
    await this.#report('released').catch(() => {});
  }

  async #write(): Promise<void> {
    try {
      while (this.#waiting.length > 0) await this.#writeSome(this.#waiting.splice(0, 500));
    } finally {
      // Here and not in a callback after: what arrives in between would wait for nobody.
      this.#writing = null;
    }
  }

  async #writeSome(arrived: readonly Waiting[]): Promise<void> {
    const rows = arrived.map(({ arrival }, index) => this.#rows(arrival, this.#watermark + 1 + index));
    try {
      await this.#store(rows);
      for (const [index, { done }] of arrived.entries()) done(storedOf(rows[index]?.rows ?? []));
    } catch (error) {
      for (const { failed } of arrived) failed(error instanceof Error ? error : new Error(messageOf(error)));
    } finally {
      for (const { arrival } of arrived) this.#waitingBytes -= arrival.body.length;
    }
  }

  #rows(arrival: Arrival, sequence_number: number): MessageRows {
    const message = { ...arrival, stream: this.stream, sequence_number, enqueued_at_ms: Date.now() };
    return messageRows(message, this.#options.rows);
  }

  async #store(all: readonly MessageRows[]): Promise<void> {
    for (let rest = all; rest.length > 0;) {
      const batch = cut(rest);
      const outcome = await commit(batch, this.#watermark, this.#commit);
      assert(outcome.kind === 'stored', `another process writes ${this.stream}`);
      const { log, metrics } = this.#options;
      metrics.stored(this.stream, batch);
      if (outcome.burntTokens > 0) notifier(log, metrics)('burnt_token', this.stream, { tokens: outcome.burntTokens });
      this.#watermark = outcome.watermark;
      this.#sealing.follow(outcome.watermark, batch);
      rest = rest.slice(batch.length);
    }
  }

  /**
   * Reports what has been sealed while the stream is written, so that nobody takes a living process for one that is
   * gone, and the pipeline shows it as it is. The report comes after a pause and tells where the stream stands then.
   */
  #reportSoon(): void {
    this.#reporting ??= this.#reportAfterPause();
  }

  async #reportAfterPause(): Promise<void> {
    const { signal } = this.#stop;
    try {
      let reported = -1;
      while (reported < this.#sealing.through) {
        await delay(reportMs, undefined, { signal, ref: false });
        reported = this.#sealing.through;
        await repeat('database', async () => this.#report('reading'), this.#commit);
      }
    } catch {
      // Closed, which reports once more.
    } finally {
      this.#reporting = null;
    }
  }

  /** Where the stream stands, so that another process knows what it must seal if this one ends. */
  async #report(state: 'reading' | 'released'): Promise<void> {
    if (this.#watermark < 0) return;
    const row = [
      this.stream,
      this.#options.owner,
      0,
      state,
      this.#watermark,
      this.#sealing.through,
      0,
      this.#watermark,
    ];
    await this.#options.db.insert(streamStates, JSON.stringify(row));
  }
}

function storedOf(rows: MessageRows['rows']): Stored {
  const kinds: Record<string, number> = {};
  for (const { kind } of rows) kinds[kind] = (kinds[kind] ?? 0) + 1;
  return { records: rows.length, kinds };
}

/**
 * Seals what processes that are gone have stored in journals and not sealed. Anybody may, at any time: sealing the same
 * messages again changes nothing. Returns how many streams there were.
 */
export async function sealLeftBehind(options: CommitOptions & { readonly owner: string }): Promise<number> {
  const { db } = options;
  const left = await repeat('database', async () => db.read(unsealed, {}), options);
  for (const { stream, sealed_through, watermark } of left) {
    for (let after = Number(sealed_through); after < Number(watermark); after += sealedMax) {
      const through = Math.min(Number(watermark), after + sealedMax);
      await repeat('database', async () => seal(db, [{ stream, after, through }]), options);
    }
    const row = [stream, options.owner, 0, 'released', Number(watermark), Number(watermark), 0, Number(watermark)];
    await repeat('database', async () => db.insert(streamStates, JSON.stringify(row)), options);
  }
  return left.length;
}
