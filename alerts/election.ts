import { evaluators } from '#clickhouse/alert_tables.ts';
import { evaluator } from '#clickhouse/alerts.ts';
import { claim } from '#clickhouse/claims.ts';
import type { Database } from '#clickhouse/client.ts';

/** Who was not heard of for this long is not elected any more; by the database's clock. */
const leaseMs = 20_000;
/** A request to a receiver may take this long, and must have ended before somebody else can be elected. */
const sendMs = 11_000;
const stream = 'alerts';

/**
 * One evaluator of all that run. `owner` is name/boot: who restarts under its name is elected again at once. Being elected
 * saves work and keeps deliveries in order; that no tick is written twice is decided by the journal.
 */
export class Election {
  readonly #db: Database;
  readonly #owner: string;
  #epoch = 0;
  #heardAt = Number.NEGATIVE_INFINITY;

  constructor(db: Database, owner: string) {
    this.#db = db;
    this.#owner = owner;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** Whether a delivery that begins now ends before anybody else may begin one. */
  get maySend(): boolean {
    return this.#epoch > 0 && performance.now() - this.#heardAt < leaseMs - sendMs;
  }

  /** Stays elected, or becomes it where nobody is. To be called more often than the lease is long. */
  async hold(): Promise<boolean> {
    const asked = performance.now();
    const [now] = await this.#db.read(evaluator, {});
    const elected = now !== undefined && now.owner === this.#owner;
    if (!elected && this.#epoch > 0) this.resign();
    const name = this.#owner.slice(0, this.#owner.lastIndexOf('/') + 1);
    const free =
      now === undefined || now.owner.startsWith(name) || now.state === 'released' || Number(now.silent_ms) > leaseMs;
    if (!elected && !free) return false;
    if (!elected) {
      const epoch = await claim(this.#db, stream, this.#owner, Number(now?.epoch ?? 0));
      if (epoch === null) return false;
      this.#epoch = epoch;
    } else this.#epoch = Number(now.epoch);
    await this.#say('evaluating');
    this.#heardAt = asked;
    return true;
  }

  /** Without a word to others: the journal has told that somebody else is elected. */
  resign(): void {
    this.#epoch = 0;
    this.#heardAt = Number.NEGATIVE_INFINITY;
  }

  /** Lets somebody else begin at once. */
  async release(): Promise<void> {
    if (this.#epoch === 0) return;
    await this.#say('released');
    this.resign();
  }

  async #say(state: 'evaluating' | 'released'): Promise<void> {
    await this.#db.insert(evaluators, JSON.stringify([this.#owner, this.#epoch, state]));
  }
}
