import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { claim } from '#clickhouse/claims.ts';
import type { Database } from '#clickhouse/client.ts';
import { streamStates } from '#clickhouse/tables.ts';
import { messageOf } from '#common/error.ts';
import { onRetryOf } from './commit.ts';
import type { Hub } from './hub.ts';
import { sealLeftBehind } from './journal.ts';
import type { IngestMetrics } from './metrics.ts';
import type { Notify } from './notice.ts';
import { planned } from './ownership.ts';
import type { RowOptions } from './rows.ts';
import { sweepOrphans } from './seal.ts';
import { Sealer } from './sealing.ts';
import { PartitionWorker, type End, type WorkerState } from './worker.ts';

export type PartitionsOptions = {
  readonly db: Database;
  readonly hub: Hub;
  readonly notify: Notify;
  readonly metrics: IngestMetrics;
  /** Unique among workers, and the same after a restart of this one. */
  readonly ownerName: string;
  readonly messagesMax: number;
  readonly paceMs: number;
  readonly rows: RowOptions;
};

const roundMs = 2_000;
const sweepMs = 30_000;
/** Messages of the hub in one sealing; they are 256 KB at most, and most have a few records. */
const sealedMax = 10_000;

/**
 * Which partitions this process reads, decided anew every round among all living workers, and the beat that says so.
 * A process that cannot reach the database claims nothing and loses nothing: its readers wait.
 */
export class Partitions {
  readonly #options: PartitionsOptions;
  readonly #owner: string;
  readonly #sealer: Sealer;
  readonly #workers = new Map<string, PartitionWorker>();
  readonly #epochs = new Map<string, number>();
  /** Streams that a person must look at; not read again by this process. */
  readonly #refused = new Map<string, WorkerState>();
  readonly #skippedAt = new Map<string, number>();
  readonly #running = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  #sweptThrough: string | null = null;
  #sweptAt = Number.NEGATIVE_INFINITY;
  #sweeping: Promise<void> | null = null;

  constructor(options: PartitionsOptions) {
    this.#options = options;
    this.#owner = `${options.ownerName}/${randomUUID().slice(0, 8)}`;
    const { db, metrics, notify } = options;
    this.#sealer = new Sealer({ db, metrics, onRetry: onRetryOf(notify, ''), messagesMax: sealedMax });
    metrics.observe(() => this.#observations());
  }

  /** Runs rounds until `close`. */
  async run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await this.#round();
      } catch (error) {
        this.#options.notify('round_failed', '', { error: messageOf(error) });
      }
      await delay(roundMs, undefined, { signal: this.#stop.signal }).catch(() => {});
    }
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#options.hub.leave();
    const streams = [...this.#workers.values()];
    await Promise.all([this.#sealer.close(), ...streams.map(async (worker) => worker.stop())]);
    await Promise.all(this.#running);
    await this.#sweeping;
    await this.#report('left').catch(() => {});
  }

  async #round(): Promise<void> {
    const { db, hub } = this.#options;
    const partitions = new Map((await hub.partitions()).map((id) => [hub.streamOf(id), id]));
    const streams = [...partitions.keys()].filter((stream) => !this.#refused.has(stream));
    await this.#report('reading');
    const plan = await planned(db, this.#owner, streams, new Set(this.#workers.keys()));
    for (const { stream, lastEpoch, sealedThrough } of plan.take) {
      if (this.#stop.signal.aborted) return;
      const epoch = await claim(db, stream, this.#owner, lastEpoch);
      // Who closed meanwhile has stopped its workers already, and would not hear of another one.
      if (epoch !== null && !this.#stop.signal.aborted)
        this.#start(stream, String(partitions.get(stream)), epoch, sealedThrough);
    }
    await this.#refreshHeld(partitions);
    // Not awaited: a sweep over much may take longer than the lease, and the beat must not wait for it.
    if (plan.sweeps) this.#sweeping ??= this.#sweep().finally(() => (this.#sweeping = null));
  }

  #start(stream: string, partition: string, epoch: number, sealedThrough: number): void {
    const { ownerName: _ownerName, ...shared } = this.#options;
    const skippedBefore = this.#skippedAt.get(stream) ?? null;
    const worker = new PartitionWorker({
      ...shared,
      sealer: this.#sealer,
      partition,
      epoch,
      sealedThrough,
      skippedBefore,
    });
    this.#options.notify('claimed', stream, { epoch });
    this.#workers.set(stream, worker);
    this.#epochs.set(stream, epoch);
    const running = worker.run().then((end) => this.#ended(stream, worker, end));
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
  }

  #ended(stream: string, worker: PartitionWorker, end: End): void {
    this.#options.notify('released', stream, { end });
    if (worker.skippedAt !== null) this.#skippedAt.set(stream, worker.skippedAt);
    if (end === 'recreated') this.#refused.set(stream, worker.state);
    // While closing, the last report still needs the positions.
    if (!this.#stop.signal.aborted) this.#workers.delete(stream);
  }

  async #refreshHeld(partitions: ReadonlyMap<string, string>): Promise<void> {
    await Promise.all(
      [...this.#workers].map(async ([stream, worker]) => {
        const partition = partitions.get(stream);
        if (partition !== undefined) worker.held = await this.#options.hub.held(partition);
      }),
    );
  }

  /** One row per stream we read, and one for ourselves, so that a worker without a partition is counted too. */
  async #report(state: 'reading' | 'left'): Promise<void> {
    const rows: unknown[][] = [[`worker/${this.#owner}`, this.#owner, 0, state, -1, -1, 0, -1]];
    const add = (stream: string, own: string, { watermark, sealedThrough, held }: WorkerState): void => {
      const epoch = this.#epochs.get(stream) ?? 0;
      rows.push([stream, this.#owner, epoch, own, watermark, sealedThrough, held.beginning, held.last]);
    };
    for (const [stream, worker] of this.#workers) add(stream, state === 'left' ? 'released' : state, worker.state);
    // With what was sealed: whoever reads the stream again would seal all of it anew.
    for (const [stream, last] of this.#refused) add(stream, 'recreated', last);
    await this.#options.db.insert(streamStates, rows.map((row) => JSON.stringify(row)).join('\n'));
  }

  /** One of all workers shows the orphans of all streams; if two do for a while, they write the same rows. */
  async #sweep(): Promise<void> {
    if (performance.now() - this.#sweptAt < sweepMs) return;
    try {
      const swept = await sweepOrphans(this.#options.db, this.#sweptThrough);
      this.#sweptThrough = swept.through;
      this.#sweptAt = performance.now();
      const { db, notify } = this.#options;
      const retrying = { db, signal: this.#stop.signal, onRetry: onRetryOf(notify, '') };
      await sealLeftBehind({ ...retrying, owner: this.#owner });
      if (swept.shown > 0) this.#options.notify('orphans', '', { calls: swept.shown });
    } catch (error) {
      this.#options.notify('sweep_failed', '', { error: messageOf(error) });
    }
  }

  *#observations(): Iterable<{ stream: string; waiting: number; watermark: number }> {
    for (const [stream, { state }] of this.#workers) {
      yield { stream, watermark: state.watermark, waiting: Math.max(0, state.held.last - state.watermark) };
    }
  }
}
