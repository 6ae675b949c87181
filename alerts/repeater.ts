import type { Alert } from './alert.ts';
import type { Delivery } from './config.ts';
import type { Dispatcher } from './dispatcher.ts';
import { minuteMs } from './instant.ts';
import type { Message } from './message.ts';
import type { Notify } from './notice.ts';
import type { Guard } from './outgoing.ts';
import { heartbeat, repeat } from './post.ts';

/** As long as Prometheus does: an Alertmanager that was away must still hear that an alert is over. */
const resolvedForMs = 15 * minuteMs;

/** Rules of the wall clock are evaluated each minute, whatever the ledger does; after so long something is wrong. */
const staleMs = 3 * minuteMs;

/** Of the last evaluation that is in the journal: up to when it looked at calls, and when it was. */
export type LastTick = { readonly evaluatedAt: number; readonly recordedAt: number };

type RepeaterOptions = {
  readonly delivery: Delivery;
  readonly guard: Guard;
  readonly notify: Notify;
  /** Milliseconds of the epoch. */
  readonly now: () => number;
  readonly dispatcher: Pick<Dispatcher, 'settled'>;
};

/**
 * What is said again and again instead of once: to an Alertmanager, every alert that it was told of, because it forgets;
 * and to the receivers of the watchdog, that alerts are evaluated, because silence must be an alarm; not when they are
 * not, because then it must be silent.
 */
export class Repeater {
  readonly #options: RepeaterOptions;
  readonly #saidAt = new Map<string, number>();
  readonly #since: number;

  constructor(options: RepeaterOptions) {
    this.#options = options;
    this.#since = options.now();
  }

  async round(alerts: readonly Alert[], compose: (alert: Alert) => Message, last: LastTick): Promise<void> {
    const { delivery, guard, notify, now } = this.#options;
    for (const receiver of delivery.receivers.values()) {
      if (receiver.channel !== 'alertmanager' || !this.#due(`repeat ${receiver.name}`, minuteMs)) continue;
      const told = alerts.filter((alert) => this.#isToldOf(alert, receiver.name));
      const answers = await repeat(receiver, told.map(compose), new Date(now()), guard);
      if (answers.some((answer) => answer.kind !== 'answered' || answer.status >= 300))
        notify('repeat_failed', { receiver: receiver.name });
    }
    for (const { receiver: name, every_seconds } of delivery.watchdog) {
      const receiver = delivery.receivers.get(name);
      if (receiver === undefined || !this.#due(`watchdog ${name}`, every_seconds * 1_000)) continue;
      if (now() - last.recordedAt > staleMs) {
        notify('watchdog_withheld', { receiver: name, minutes: Math.floor((now() - last.recordedAt) / minuteMs) });
        continue;
      }
      const answer = await heartbeat(
        receiver,
        new Date(last.evaluatedAt),
        new Date(this.#since),
        new Date(now()),
        guard,
      );
      if (answer.kind !== 'answered' || answer.status >= 300) notify('watchdog_failed', { receiver: name });
    }
  }

  /** Once the outbox has told it all that it has to, so that a repetition overtakes nothing. */
  #isToldOf(alert: Alert, receiver: string): boolean {
    const { state, id, notified } = alert;
    const lately = state.resolvedAt !== null && this.#options.now() - state.resolvedAt < resolvedForMs;
    return (
      notified.includes(receiver) &&
      (state.status === 'firing' || (state.status === 'inactive' && lately)) &&
      this.#options.dispatcher.settled(id, receiver)
    );
  }

  #due(what: string, everyMs: number): boolean {
    const now = this.#options.now();
    if (now - (this.#saidAt.get(what) ?? Number.NEGATIVE_INFINITY) < everyMs) return false;
    this.#saidAt.set(what, now);
    return true;
  }
}
