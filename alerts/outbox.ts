import type { Receiver } from './config.ts';
import type { Action, Message } from './message.ts';

/** A notification as the journal has it. */
export type Notice = {
  readonly key: string;
  readonly alertId: string;
  readonly fingerprint: string;
  readonly action: Action;
  readonly receiver: string;
  readonly message: Message;
};

export type Outcome = 'delivered' | 'retry' | 'dead' | 'skipped' | 'replay';

/** Where the delivery of a notice to a receiver stands. */
export type Target = {
  readonly attempts: number;
  readonly outcome: Outcome;
  readonly firstAt: number;
  readonly lastAt: number;
  readonly retryAt: number;
};

export type Due = { readonly notice: Notice; readonly receiver: string; readonly attempt: number };

const fallbackAfterMs = 300_000;
const pausesMs = [2_000, 5_000, 15_000, 30_000, 60_000] as const;
/** After a day nobody is helped by it any more. */
export const giveUpAfterMs = 86_400_000;

/** The pause before the next attempt, a fifth more or less, so that what failed together does not return together. */
export function pauseAfter(attempt: number, random: () => number): number {
  return (pausesMs[attempt - 1] ?? 60_000) * (0.8 + 0.4 * random());
}

/**
 * What is to be delivered, in order. Of one alert, a receiver gets nothing before what came earlier has been delivered or
 * given up: a resolve never overtakes its trigger. Pure: it knows no clock and sends nothing.
 */
export class Outbox {
  readonly #notices: Notice[] = [];
  readonly #targets = new Map<string, Target>();
  readonly #inFlight = new Set<string>();
  readonly #receivers: ReadonlyMap<string, Receiver>;

  constructor(receivers: ReadonlyMap<string, Receiver>) {
    this.#receivers = receivers;
  }

  get waiting(): number {
    return this.#notices.length;
  }

  /** In the order of the journal. */
  add(notice: Notice): void {
    this.#notices.push(notice);
  }

  know(key: string, receiver: string, target: Target): void {
    this.#targets.set(place(key, receiver), target);
  }

  /** The first attempt, since which a delivery is tried; null before it, and where it was asked for again. */
  firstAt({ notice, receiver }: Due): number | null {
    const target = this.#targets.get(place(notice.key, receiver));
    return target === undefined || target.outcome === 'replay' ? null : target.firstAt;
  }

  begin({ notice, receiver }: Due): void {
    this.#inFlight.add(place(notice.key, receiver));
  }

  /** The attempt has ended, and what came of it is stored, or is not; then the same attempt is due again. */
  end({ notice, receiver }: Due, target: Target | null): void {
    this.#inFlight.delete(place(notice.key, receiver));
    if (target !== null) this.know(notice.key, receiver, target);
  }

  /** Whether a receiver has been told everything of an alert. */
  settled(alertId: string, receiver: string): boolean {
    return !this.#notices.some(
      (notice) => notice.alertId === alertId && notice.receiver === receiver && !this.#isFinal(notice, receiver),
    );
  }

  /** What may be attempted now, and what is not to be attempted because what it follows was never delivered. */
  next(now: number): { due: Due[]; skipped: Due[] } {
    const due: Due[] = [];
    const skipped: Due[] = [];
    const blocked = new Set<string>();
    const rest: Notice[] = [];
    for (const notice of this.#notices) {
      let open = false;
      for (const receiver of this.#chain(notice, now)) {
        if (this.#isFinal(notice, receiver)) continue;
        open = true;
        const lane = `${receiver} ${notice.fingerprint}`;
        if (blocked.has(lane)) continue;
        blocked.add(lane);
        const target = this.#targets.get(place(notice.key, receiver));
        const attempt: Due = { notice, receiver, attempt: (target?.attempts ?? 0) + 1 };
        if (this.#inFlight.has(place(notice.key, receiver))) continue;
        if (notice.action !== 'trigger' && this.#neverTold(notice, receiver)) skipped.push(attempt);
        else if (target === undefined || target.retryAt <= now) due.push(attempt);
      }
      if (open) rest.push(notice);
    }
    this.#notices.splice(0, this.#notices.length, ...rest);
    return { due, skipped };
  }

  /** The receiver, and its fallbacks as far as they are needed. */
  #chain(notice: Notice, now: number): string[] {
    const chain: string[] = [];
    for (let name: string | undefined = notice.receiver; name !== undefined;) {
      chain.push(name);
      const next: string | undefined = this.#receivers.get(name)?.fallback;
      if (next === undefined || chain.includes(next) || !this.#needsFallback(notice, name, next, now)) break;
      name = next;
    }
    return chain;
  }

  #needsFallback(notice: Notice, name: string, next: string, now: number): boolean {
    if (this.#targets.has(place(notice.key, next))) return true;
    // What follows a trigger goes where the trigger went.
    if (notice.action !== 'trigger') return this.#targets.has(place(triggerOf(notice), next));
    const target = this.#targets.get(place(notice.key, name));
    if (target === undefined) return false;
    return target.outcome === 'dead' || (target.outcome === 'retry' && now - target.firstAt >= fallbackAfterMs);
  }

  #neverTold(notice: Notice, receiver: string): boolean {
    const outcome = this.#targets.get(place(triggerOf(notice), receiver))?.outcome;
    return outcome === 'dead' || outcome === 'skipped';
  }

  #isFinal(notice: Notice, receiver: string): boolean {
    const outcome = this.#targets.get(place(notice.key, receiver))?.outcome;
    return outcome === 'delivered' || outcome === 'dead' || outcome === 'skipped';
  }
}

/** Keys say alert, action and receiver, so that the trigger of a notice has a known one. */
export function keyOf(alertId: string, action: Action, receiver: string): string {
  return `${alertId}:${action}:${receiver}`;
}

function triggerOf(notice: Notice): string {
  return keyOf(notice.alertId, 'trigger', notice.receiver);
}

function place(key: string, receiver: string): string {
  return `${key} ${receiver}`;
}
