import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '#clickhouse/client.ts';
import { streamStates } from '#clickhouse/tables.ts';
import { messageOf } from '#common/error.ts';
import type { Logger } from '#common/log.ts';
import type { Hub } from './hub.ts';
import type { IngestMetrics } from './metrics.ts';
import { claim, planned } from './ownership.ts';
import { sweepOrphans } from './seal.ts';
import { PartitionWorker, type End } from './worker.ts';

export type PartitionsOptions = {
  readonly db: Database;
  readonly hub: Hub;
  readonly log: Logger;
  readonly metrics: IngestMetrics;
  /** Unique among workers, and the same after a restart of this one. */
  readonly ownerName: string;
  readonly messagesMax: number;
  readonly paceMs: number;
};

const roundMs = 2_000;
const sweepMs = 30_000;

/**
 * Which partitions this process reads, decided anew every round among all living workers, and the beat that says so.
 * A process that cannot reach the database claims nothing and loses nothing: its readers wait.
 */
export class Partitions {
  readonly #options: PartitionsOptions;
  readonly #owner: string;
  readonly #workers = new Map<string, PartitionWorker>();
  readonly #epochs = new Map<string, number>();
  /** Streams that a person must look at; not read again by this process. */
  readonly #refused = new Set<string>();
  readonly #skippedAt = new Map<string, number>();
  readonly #running = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  #sweptThrough: string | null = null;
  #sweptAt = 0;

  constructor(options: PartitionsOptions) {
    this.#options = options;
    this.#owner = `${options.ownerName}/${randomUUID().slice(0, 8)}`;
    options.metrics.observe(() => this.#observations());
  }

  /** Runs rounds until `close`. */
  async run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await this.#round();
      } catch (error) {
        this.#options.log.warn(
          { event: 'round_failed', error: messageOf(error) },
          'hub or database did not answer; the round is tried again',
        );
      }
      await delay(roundMs, undefined, { signal: this.#stop.signal }).catch(() => {});
    }
  }

  async close(): Promise<void> {
    this.#stop.abort();
    const streams = [...this.#workers.values()];
    await Promise.all(streams.map(async (worker) => worker.stop()));
    await Promise.all(this.#running);
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
      if (epoch !== null) this.#start(stream, String(partitions.get(stream)), epoch, sealedThrough);
    }
    await this.#refreshHeld(partitions);
    await this.#sweep(streams[0]);
  }

  #start(stream: string, partition: string, epoch: number, sealedThrough: number): void {
    const { ownerName: _ownerName, ...shared } = this.#options;
    const skippedBefore = this.#skippedAt.get(stream) ?? null;
    const worker = new PartitionWorker({ ...shared, partition, epoch, sealedThrough, skippedBefore });
    this.#options.log.info({ event: 'claimed', stream, epoch }, 'reading a partition');
    this.#workers.set(stream, worker);
    this.#epochs.set(stream, epoch);
    const running = worker.run().then((end) => this.#ended(stream, worker, end));
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
  }

  #ended(stream: string, worker: PartitionWorker, end: End): void {
    this.#options.log.info({ event: 'released', stream, end }, 'a partition is no longer read');
    if (worker.skippedAt !== null) this.#skippedAt.set(stream, worker.skippedAt);
    if (end === 'recreated') this.#refused.add(stream);
    // While closing, the last report still needs the positions.
    if (!this.#stop.signal.aborted) this.#workers.delete(stream);
  }

  async #refreshHeld(partitions: ReadonlyMap<string, string>): Promise<void> {
    for (const [stream, worker] of this.#workers) {
      const partition = partitions.get(stream);
      if (partition !== undefined) worker.state.held = await this.#options.hub.held(partition);
    }
  }

  /** One row per stream we read, and one for ourselves, so that a worker without a partition is counted too. */
  async #report(state: 'reading' | 'left'): Promise<void> {
    const rows: unknown[][] = [[`worker/${this.#owner}`, this.#owner, 0, state, -1, -1, 0, -1]];
    for (const [stream, worker] of this.#workers) {
      const { watermark, sealedThrough, held } = worker.state;
      rows.push([
        stream,
        this.#owner,
        this.#epochs.get(stream) ?? 0,
        state === 'left' ? 'released' : state,
        watermark,
        sealedThrough,
        held.beginning,
        held.last,
      ]);
    }
    for (const stream of this.#refused)
      rows.push([stream, this.#owner, this.#epochs.get(stream) ?? 0, 'recreated', -1, -1, 0, -1]);
    await this.#options.db.insert(streamStates, rows.map((row) => JSON.stringify(row)).join('\n'));
  }

  /** The reader of the first partition shows the orphans for all. */
  async #sweep(firstStream: string | undefined): Promise<void> {
    if (firstStream === undefined || !this.#workers.has(firstStream) || performance.now() - this.#sweptAt < sweepMs)
      return;
    const swept = await sweepOrphans(this.#options.db, this.#sweptThrough);
    this.#sweptThrough = swept.through;
    this.#sweptAt = performance.now();
    if (swept.shown > 0)
      this.#options.log.warn(
        { event: 'orphans', calls: swept.shown },
        'calls without their gateway record are shown as unattributed',
      );
  }

  *#observations(): Iterable<{ stream: string; waiting: number; watermark: number }> {
    for (const [stream, { state }] of this.#workers) {
      yield { stream, watermark: state.watermark, waiting: Math.max(0, state.held.last - state.watermark) };
    }
  }
}
