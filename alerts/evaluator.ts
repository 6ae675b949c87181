import { randomUUID } from 'node:crypto';
import { alertReceivers } from '#clickhouse/alert_tables.ts';
import { alertRulesKnown, alertStates, arrivalDelay, lastTick } from '#clickhouse/alerts.ts';
import type { Database } from '#clickhouse/client.ts';
import type { Row } from '#clickhouse/view.ts';
import { type Alert, alertOf, journalLine, type Place } from './alert.ts';
import type { Delivery } from './config.ts';
import { withContext } from './context.ts';
import { type Detected, type Failed, failing, type Instants } from './detect.ts';
import { Dispatcher } from './dispatcher.ts';
import { Election } from './election.ts';
import { evaluate, type Evaluated, type Rule, ruleOf } from './evaluate.ts';
import { noticesOf, readHandling } from './handling.ts';
import { instant, minuteMs, wholeMinute } from './instant.ts';
import { commit, type Committed } from './journal.ts';
import { compose, type Message, type Places } from './message.ts';
import type { Notify } from './notice.ts';
import type { Guard } from './outgoing.ts';
import type { Notice } from './outbox.ts';
import { patiently } from './patience.ts';
import { Repeater } from './repeater.ts';

type Detect = (db: Database, at: Instants) => Promise<Detected>;
/** What may wait until a tick has been told; what did not answer. */
type LookBack = (db: Database, at: number) => Promise<readonly Failed[]>;

export type EvaluatorOptions = {
  readonly db: Database;
  /** Unique among evaluators, the same after a restart. */
  readonly name: string;
  readonly detect: Detect;
  readonly lookBack: LookBack;
  readonly delivery: Delivery;
  readonly places: Places;
  readonly guard: Guard;
  readonly notify: Notify;
};

/** Minutes that are made up for after a pause; those before them are left out, as any rule engine does. */
const madeUpMax = 15;
const hourMs = 3_600_000;
/** A resolved alert is remembered as long as the flap guard and Alertmanager want to know of it. */
const rememberedMs = 2 * hourMs;
/** A state is written again after this long, so that a start finds it in two days of the journal. */
const refreshedMs = 12 * hourMs;
/** What is measured of a firing alert is written this often. */
const remeasuredMs = 5 * minuteMs;

/** What is to be told waits so long for what is repeated. */
const repeatingMs = 1_000;

const never = '1970-01-01T00:00:00Z';

type Looked = Pick<Evaluated, 'detections' | 'complete'>;

/** Between the minutes only what people have said is looked at. */
const nothingLooked: Looked = { detections: [], complete: true };

type Last = Row<(typeof lastTick)['columns']>;

/** Evaluates, keeps and tells, while it is elected. `round` is to be called every few seconds, one at a time. */
export class Evaluator {
  readonly election: Election;
  readonly dispatcher: Dispatcher;
  readonly #options: EvaluatorOptions;
  readonly #owner: string;
  readonly #repeater: Repeater;
  /** Fingerprint → alert, and when its state was last written. Null while not elected. */
  #alerts: Map<string, { alert: Alert; writtenAt: number }> | null = null;
  #tick = 0;
  #evaluatedAt = 0;
  #recordedAt = 0;
  /** The database's clock less ours. */
  #offsetMs = 0;

  constructor(options: EvaluatorOptions) {
    this.#options = options;
    this.#owner = `${options.name}/${randomUUID()}`;
    this.election = new Election(options.db, this.#owner);
    const { db, delivery, guard, notify } = options;
    const now = (): number => Date.now() + this.#offsetMs;
    this.dispatcher = new Dispatcher({ db, owner: this.#owner, election: this.election, delivery, guard, notify, now });
    this.#repeater = new Repeater({ delivery, guard, notify, now, dispatcher: this.dispatcher });
  }

  get alerts(): readonly Alert[] {
    return [...(this.#alerts?.values() ?? [])].map(({ alert }) => alert);
  }

  /** Up to when calls were looked at; null before the first evaluation. */
  get evaluatedAt(): number | null {
    return this.#evaluatedAt === 0 ? null : this.#evaluatedAt;
  }

  /** Throws where the database does not answer; the next round does the same again. */
  async round(): Promise<void> {
    if (!(await this.election.hold())) {
      this.#alerts = null;
      return;
    }
    const [last] = await this.#options.db.read(lastTick, {});
    if (last === undefined) return;
    if (this.#alerts === null) await this.#load(last);
    await this.#evaluate(last);
  }

  /** Tells what is to be told; beside `round`, because a receiver that does not answer must not hold up evaluating. */
  async deliver(): Promise<void> {
    // What follows something that was delivered is due at once.
    while (this.#alerts !== null && this.election.maySend) if (!(await this.dispatcher.round())) break;
    if (this.#alerts === null || !this.election.maySend) return;
    const last = { evaluatedAt: this.#evaluatedAt, recordedAt: this.#recordedAt };
    this.#repeating ??= this.#repeater
      .round(this.alerts, (alert) => this.#message(alert, 'repeat'), last)
      .finally(() => (this.#repeating = null));
    await patiently(this.#repeating, repeatingMs);
  }

  /** Ends after what is being told; nothing else is begun. */
  async rest(): Promise<void> {
    await Promise.allSettled([this.dispatcher.rest(), this.#repeating]);
  }

  /** If a rival writes meanwhile, what is read here is old; then our next tick is lost, and all is read again. */
  async #load(last: Last): Promise<void> {
    const { db, delivery, notify } = this.#options;
    const states = await db.read(alertStates, {});
    this.#tick = Number(last.tick);
    this.#evaluatedAt = Date.parse(last.evaluated_at ?? never);
    this.#recordedAt = Date.parse(last.recorded_at ?? never);
    this.#offsetMs = Date.parse(last.now) - Date.now();
    await this.dispatcher.load();
    const readAt = new Date(Date.now() + this.#offsetMs).toISOString();
    const receivers = [...delivery.receivers.values()].map((one) =>
      JSON.stringify([one.name, one.channel, one.fallback ?? '', this.#owner, readAt]),
    );
    if (receivers.length > 0) await db.insert(alertReceivers, receivers.join('\n'));
    this.#alerts = new Map(
      states.map((row) => [row.fingerprint, { alert: alertOf(row), writtenAt: Date.parse(row.recorded_at) }]),
    );
    notify('elected', { epoch: this.election.epoch, alerts: this.#alerts.size });
  }

  async #evaluate(last: Last): Promise<void> {
    const { db, delivery } = this.#options;
    const now = Date.parse(last.now);
    this.#offsetMs = now - Date.now();
    const rules = new Map((await db.read(alertRulesKnown, { at: instant(now) })).map((rule) => [rule.rule, rule]));
    this.#rules = rules;
    const [delay] = await db.read(arrivalDelay, {});
    const ledger = this.#dueInstants(last.complete_through, (delay?.seconds ?? 0) * 1_000);
    const wall = wholeMinute(now) > wholeMinute(this.#recordedAt) ? wholeMinute(now) : null;
    for (const [index, at] of ledger.entries()) {
      const newest = index === ledger.length - 1;
      const handling = await readHandling(db, delivery, now);
      const instants = { ledger: at, wall: newest ? wall : null };
      const looked = await this.#look(instants, now, rules);
      const given = { ...looked, rules, now, ...handling, at: instants };
      if (!(await this.#write(given, at))) return;
      this.#notLookedBack = await this.#options.lookBack(db, at);
      for (const one of this.#notLookedBack) this.#options.notify('detector_failed', one);
      // Catching up must not cost the election.
      if (!newest && !(await this.election.hold())) return;
    }
    if (ledger.length > 0) return;
    const handling = await readHandling(db, delivery, now);
    const instants = { ledger: null, wall };
    const looked = wall === null ? nothingLooked : await this.#look(instants, now, rules);
    const given = { ...looked, rules, now, ...handling, at: instants };
    await this.#write(given, this.#evaluatedAt, wall !== null);
  }

  /** What the detectors say of an instant, and of themselves. */
  async #look(at: Instants, now: number, rules: ReadonlyMap<string, Rule>): Promise<Looked> {
    const { db, detect, notify } = this.#options;
    const { detections, failed: fresh, complete } = await detect(db, at);
    // Who was not asked now has not answered since.
    const failed = [...fresh, ...this.#failed.filter(({ clock }) => at[clock] === null)];
    this.#failed = failed;
    for (const one of fresh) notify('detector_failed', one);
    for (const { rule } of detections) if (!rules.has(rule)) notify('unknown_rule', { rule });
    return { detections: [...detections, ...failing([...failed, ...this.#notLookedBack], now)], complete };
  }

  /** The whole minutes up to which calls have come and that were not evaluated yet. */
  #dueInstants(completeThrough: string | null, delayMs: number): number[] {
    if (completeThrough === null) return [];
    const through = wholeMinute(Date.parse(completeThrough) - delayMs);
    if (through <= this.#evaluatedAt) return [];
    if (this.#evaluatedAt === 0) return [through];
    const missed = (through - this.#evaluatedAt) / minuteMs;
    if (missed > madeUpMax) this.#options.notify('minutes_left_out', { minutes: missed - madeUpMax });
    const count = Math.min(missed, madeUpMax);
    return Array.from({ length: count }, (_, index) => through - (count - 1 - index) * minuteMs);
  }

  /** One tick: what changed and what is to be told, together or not at all. False when another evaluator was first. */
  async #write(given: Parameters<typeof evaluate>[1], evaluatedAt: number, always: boolean = true): Promise<boolean> {
    const alerts = this.#alerts;
    if (alerts === null) return false;
    const before = new Map([...alerts].map(([fingerprint, { alert }]) => [fingerprint, alert]));
    const recordedAt = Math.max(given.now, this.#recordedAt);
    const after = await withContext(this.#options.db, evaluate(before, given), evaluatedAt, this.#options.notify);
    const changed = after.filter((one) => !one.kept);
    if (!always && changed.length === 0) return true;
    const written = after.filter((one) => !one.kept || this.#isToBeWritten(one.alert, recordedAt));
    const place = { tick: this.#tick + 1, evaluator: `${this.#owner}/${randomUUID()}`, recordedAt, evaluatedAt };
    const lines = [journalLine('tick', { ...place, position: 0 })];
    const next = (): Place => ({ ...place, position: lines.length });
    const notices: Notice[] = [];
    for (const { alert, turns, told } of written) {
      lines.push(journalLine('state', next(), alert, turns));
      for (const notice of noticesOf(this.#options.places, alert, told, given.rules)) {
        const { action, receiver, key, message } = notice;
        const saying = { action, receiver, key, message: JSON.stringify(message) };
        lines.push(journalLine('notification', next(), alert, [], saying));
        notices.push(notice);
      }
    }
    let committed: Committed;
    try {
      committed = await commit(this.#options.db, place.tick, place.evaluator, recordedAt, lines);
    } catch (error) {
      // Nobody knows whether it is there: what is in the journal is read before anything else is written.
      this.#alerts = null;
      throw error;
    }
    if (committed.kind === 'lost') {
      this.#options.notify('overtaken', { tick: place.tick });
      // Whoever holds the election is found out by the next round, which reads the journal anew.
      this.election.resign();
      this.#alerts = null;
      return false;
    }
    this.#tick = place.tick;
    this.#evaluatedAt = evaluatedAt;
    this.#recordedAt = recordedAt;
    const places = new Set(written.map(({ alert }) => alert.fingerprint));
    for (const { alert } of after) {
      const writtenAt = places.has(alert.fingerprint) ? recordedAt : (alerts.get(alert.fingerprint)?.writtenAt ?? 0);
      alerts.set(alert.fingerprint, { alert, writtenAt });
    }
    for (const notice of notices) this.dispatcher.add(notice);
    for (const { alert, turns } of changed)
      if (turns.length > 0) this.#options.notify('changed', { rule: alert.rule, alert_id: alert.id, turns });
    this.#forget(recordedAt);
    return true;
  }

  #rules: ReadonlyMap<string, Rule> = new Map();
  /** What is repeated just now, which a receiver may hold up for longer than others can wait. */
  #repeating: Promise<void> | null = null;
  #failed: readonly Failed[] = [];
  #notLookedBack: readonly Failed[] = [];

  /** For a start, which reads two days; and of a firing alert, for people who ask how it is now. */
  #isToBeWritten(alert: Alert, now: number): boolean {
    if (alert.state.status === 'inactive') return false;
    const writtenAt = this.#alerts?.get(alert.fingerprint)?.writtenAt ?? 0;
    return now - writtenAt >= (alert.state.status === 'firing' ? remeasuredMs : refreshedMs);
  }

  #message(alert: Alert, key: string): Message {
    const action = alert.state.status === 'inactive' ? 'resolve' : 'trigger';
    return compose(alert, action, key, ruleOf(this.#rules, alert.rule), this.#options.places);
  }

  #forget(now: number): void {
    for (const [fingerprint, { alert, writtenAt }] of this.#alerts ?? []) {
      if (alert.state.status === 'inactive' && now - writtenAt > rememberedMs) this.#alerts?.delete(fingerprint);
    }
  }
}
