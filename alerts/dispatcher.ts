import { alertDeliveries } from '#clickhouse/alert_tables.ts';
import { deliveries, outbox, replaysAsked } from '#clickhouse/alerts.ts';
import type { Database } from '#clickhouse/client.ts';
import { assert } from '#common/assert.ts';
import type { Verdict } from './channel.ts';
import type { Delivery } from './config.ts';
import type { Election } from './election.ts';
import { instant } from './instant.ts';
import type { Action, Message } from './message.ts';
import type { Notify } from './notice.ts';
import { type Due, giveUpAfterMs, type Notice, Outbox, pauseAfter, type Target } from './outbox.ts';
import type { Guard } from './outgoing.ts';
import { patiently } from './patience.ts';
import { post } from './post.ts';

/** Of one receiver. */
const atOnceMax = 8;
/** A round waits so long for what it has begun; then others are told, and what hangs goes on. */
const patienceMs = 1_000;
const rememberedMs = 31 * 86_400_000;
const reloadedMs = 86_400_000;

export type DispatcherOptions = {
  readonly db: Database;
  readonly owner: string;
  readonly election: Election;
  readonly delivery: Delivery;
  readonly guard: Guard;
  readonly notify: Notify;
  /** The clock of attempts, in milliseconds of the epoch. */
  readonly now: () => number;
};

/**
 * Delivers what the journal says is to be told. An attempt is stored after it was made, so that a crash makes it again,
 * with the same key; nothing is marked as delivered that was not. Of the delivery log this process is the only writer
 * while it is elected.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  #outbox: Outbox;
  #loadedAt = 0;
  #busy: Promise<void> = Promise.resolve();
  /** By receiver: what is being attempted. Each has its own, so that one that hangs holds up nobody else. */
  readonly #lanes = new Map<string, Promise<void>>();
  /** Raised to end all lanes after the attempts that have begun. */
  #generation = 0;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#outbox = new Outbox(options.delivery.receivers);
  }

  /** Reads everything that is not delivered. To be called when elected, and before the first round. */
  async load(): Promise<void> {
    await this.#alone(async () => this.#read());
  }

  /** Ends after the attempts that have begun. */
  async rest(): Promise<void> {
    this.#generation += 1;
    await Promise.allSettled(this.#lanes.values());
  }

  async #read(): Promise<void> {
    const { db, delivery, now } = this.#options;
    await this.rest();
    this.#loadedAt = now();
    const since = instant(now() - rememberedMs);
    const [notices, targets] = await Promise.all([
      db.read(
        outbox,
        {},
        { orderBy: (['tick', 'position'] as const).map((column) => ({ column, descending: false })) },
      ),
      db.read(deliveries, { since }),
    ]);
    this.#outbox = new Outbox(delivery.receivers);
    for (const row of targets) this.#outbox.know(row.notification_key, row.receiver, targetOf(row));
    for (const row of notices) {
      this.#outbox.add({
        key: row.notification_key,
        alertId: row.alert_id,
        fingerprint: row.fingerprint,
        action: actionOf(row.action),
        receiver: row.receiver,
        message: JSON.parse(row.message) as Message,
      });
    }
  }

  add(notice: Notice): void {
    this.#outbox.add(notice);
  }

  settled(alertId: string, receiver: string): boolean {
    return this.#outbox.settled(alertId, receiver);
  }

  get waiting(): number {
    return this.#outbox.waiting;
  }

  /**
   * Begins to attempt all that is due now, a few at a time of each receiver, and waits a moment for it. Whether something
   * was begun: what follows it is due in the next round.
   */
  async round(): Promise<boolean> {
    return this.#alone(async () => this.#deliver());
  }

  /** Reading anew forgets what is in flight, so that nothing may be. */
  async #alone<T>(act: () => Promise<T>): Promise<T> {
    const before = this.#busy;
    const done = Promise.withResolvers<void>();
    this.#busy = done.promise;
    await before;
    try {
      return await act();
    } finally {
      done.resolve();
    }
  }

  async #deliver(): Promise<boolean> {
    await this.#heedReplays();
    const { due, skipped } = this.#outbox.next(this.#options.now());
    for (const one of skipped) {
      this.#outbox.begin(one);
      await this.#store(one, { kind: 'skipped' });
    }
    let begun = skipped.length;
    for (const [receiver, ones] of Map.groupBy(due, (one) => one.receiver)) {
      if (this.#lanes.has(receiver)) continue;
      const lane = this.#attemptAll(ones).finally(() => this.#lanes.delete(receiver));
      this.#lanes.set(receiver, lane);
      begun += ones.length;
    }
    await patiently(Promise.all(this.#lanes.values()), patienceMs);
    return begun > 0;
  }

  async #attemptAll(due: readonly Due[]): Promise<void> {
    const generation = this.#generation;
    const rest = due.values();
    const work = async (): Promise<void> => {
      for (const one of rest) {
        if (!this.#options.election.maySend || generation !== this.#generation) return;
        await this.#attempt(one);
      }
    };
    const ended = await Promise.allSettled(Array.from({ length: Math.min(atOnceMax, due.length) }, work));
    for (const one of ended) if (one.status === 'rejected') throw one.reason;
  }

  async #attempt(one: Due): Promise<void> {
    const { delivery, guard, now, notify } = this.#options;
    const receiver = delivery.receivers.get(one.receiver);
    this.#outbox.begin(one);
    if (receiver === undefined) notify('receiver_unknown', { receiver: one.receiver });
    const verdict: Verdict =
      receiver === undefined
        ? { kind: 'dead', status: null, reason: 'unknown_receiver' }
        : await post(receiver, one.notice.message, new Date(now()), guard);
    await this.#store(one, verdict);
  }

  async #store(one: Due, verdict: Verdict | { readonly kind: 'skipped' }): Promise<void> {
    const at = this.#options.now();
    const target = this.#outcome(one, verdict, at);
    const status = verdict.kind === 'skipped' ? null : verdict.status;
    const detail =
      verdict.kind === 'skipped' ? 'its trigger was not delivered' : verdict.kind === 'delivered' ? '' : verdict.reason;
    const { notice, receiver, attempt } = one;
    const retryAt = target.outcome === 'retry' ? new Date(target.retryAt).toISOString() : null;
    const row = [notice.key, receiver, notice.alertId, notice.action, attempt, target.outcome, status, detail, retryAt];
    try {
      await this.#options.db.insert(
        alertDeliveries,
        JSON.stringify([...row, this.#options.owner, new Date(at).toISOString()]),
      );
    } catch (error) {
      // Delivered or not, nobody knows of it: the attempt is made again.
      this.#outbox.end(one, null);
      throw error;
    }
    this.#outbox.end(one, target);
    const fields = { receiver, alert_id: notice.alertId, action: notice.action, attempt, status, reason: detail };
    if (target.outcome === 'delivered') this.#options.notify('delivered', fields);
    else if (target.outcome === 'retry') this.#options.notify('delivery_failed', fields);
    else if (target.outcome === 'dead') this.#options.notify('delivery_dead', fields);
  }

  #outcome(one: Due, verdict: Verdict | { readonly kind: 'skipped' }, at: number): Target {
    const firstAt = this.#outbox.firstAt(one) ?? at;
    const gaveUp = verdict.kind === 'retry' && at - firstAt >= giveUpAfterMs;
    const pause = verdict.kind === 'retry' ? Math.max(verdict.afterMs ?? 0, pauseAfter(one.attempt, Math.random)) : 0;
    return {
      attempts: one.attempt,
      outcome: gaveUp ? 'dead' : verdict.kind,
      firstAt,
      lastAt: at,
      retryAt: at + pause,
    };
  }

  /** Somebody asked for what was given up: it is read anew, in its order; and so once a day, to forget what is old. */
  async #heedReplays(): Promise<void> {
    if (this.#options.now() - this.#loadedAt > reloadedMs) await this.#read();
    const asked = await this.#options.db.read(replaysAsked, { since: instant(this.#loadedAt) });
    if (asked.some((row) => Date.parse(row.written_at) > this.#loadedAt)) await this.#read();
  }
}

function targetOf(row: {
  attempts: number;
  outcome: string;
  first_at: string;
  last_at: string;
  retry_at: string | null;
}): Target {
  const { outcome } = row;
  const known = (['delivered', 'retry', 'dead', 'skipped', 'replay'] as const).find((name) => name === outcome);
  assert(known !== undefined, `unknown outcome ${outcome}`);
  const lastAt = Date.parse(row.last_at);
  return {
    attempts: row.attempts,
    outcome: known,
    firstAt: Date.parse(row.first_at),
    lastAt,
    retryAt: row.retry_at === null ? lastAt : Date.parse(row.retry_at),
  };
}

function actionOf(text: string): Action {
  const action = (['trigger', 'acknowledge', 'resolve'] as const).find((name) => name === text);
  assert(action !== undefined, `unknown action ${text}`);
  return action;
}
