import type { alertRulesKnown } from '#clickhouse/alerts.ts';
import type { Row } from '#clickhouse/view.ts';
import { matchesAll } from '#common/matcher.ts';
import {
  type Alert,
  type Detection,
  episodeOf,
  fingerprintOf,
  type Found,
  foundOf,
  matched,
  newAlert,
  noContext,
  severities,
} from './alert.ts';
import type { Route, Silence } from './config.ts';
import type { Action } from './message.ts';
import { type Signal, step, type Turn } from './state.ts';

/** A rule in the version that holds now. */
export type Rule = Row<(typeof alertRulesKnown)['columns']>;

/** Everything that one evaluation is a function of, beside the alerts as they were. Instants are milliseconds. */
export type Evaluated = {
  readonly detections: readonly Detection[];
  readonly rules: ReadonlyMap<string, Rule>;
  /** At which instant rules of this clock are evaluated in this tick; null leaves them as they are. */
  readonly at: Readonly<Record<'ledger' | 'wall', number | null>>;
  /** The database's clock, for silences. */
  readonly now: number;
  /** By alert id. */
  readonly acknowledged: ReadonlyMap<string, { readonly author: string; readonly at: number }>;
  readonly silences: readonly Silence[];
  readonly routes: readonly Route[];
  readonly pages: Pages;
  /** Whether every detector answered. What was not looked for everywhere may have begun, and is not over. */
  readonly complete: boolean;
};

/** Ids of the alerts that people were paged for in the last day, by tenant, and how many of each tenant there may be. */
export type Pages = { readonly perDay: number; readonly told: ReadonlyMap<string, ReadonlySet<string>> };

/** What became of one alert, and who is to be told. `kept` says that nothing changed but what was measured. */
export type Changed = {
  readonly alert: Alert;
  readonly kept: boolean;
  readonly turns: readonly (Turn | Handled)[];
  readonly told: readonly { readonly action: Action; readonly receivers: readonly string[] }[];
};

type Handled = 'acknowledged' | 'silenced' | 'unsilenced';

/** For a detector whose rule is not in the table: told at once, kept for five minutes, and never a page. */
const unknownRule: Rule = {
  rule: '',
  version: 0,
  title: '',
  for_seconds: 0,
  keep_firing_for_seconds: 300,
  severity: 'ticket',
  clock: 'ledger',
  runbook: '',
};

export function ruleOf(rules: ReadonlyMap<string, Rule>, name: string): Rule {
  return rules.get(name) ?? { ...unknownRule, rule: name, title: name, runbook: name };
}

/** All alerts after one evaluation: those that were there before, and those that begin with it. */
export function evaluate(before: ReadonlyMap<string, Alert>, given: Evaluated): Changed[] {
  const found = strongest(given.detections);
  const fingerprints = new Set([...before.keys(), ...found.keys()]);
  const changed: Changed[] = [];
  const budget = pageBudget(given.pages);
  for (const fingerprint of fingerprints) {
    const detection = found.get(fingerprint);
    const known = before.get(fingerprint);
    if (known === undefined && detection?.state !== 'firing') continue;
    const alert = known ?? (detection === undefined ? null : newAlert(detection, fingerprint));
    if (alert === null) continue;
    const stepped = evaluated(alert, detection, given);
    const handled = handle(stepped.alert, given);
    const told = tell(handled.alert, stepped.turns, handled.turns, given.routes, budget);
    const turns = [...stepped.turns, ...handled.turns];
    const kept = turns.length === 0 && told.told.length === 0 && !differs(alert, told.alert);
    changed.push({ alert: told.alert, kept, turns, told: told.told });
  }
  return changed;
}

/** One detection per alert: a firing one before one without data, then the higher score. */
function strongest(detections: readonly Detection[]): Map<string, Detection> {
  const found = new Map<string, Detection>();
  for (const detection of detections) {
    const fingerprint = fingerprintOf(detection.rule, detection.labels);
    const other = found.get(fingerprint);
    const stronger =
      other === undefined ||
      (detection.state === 'firing' && other.state !== 'firing') ||
      (detection.state === other.state && detection.score > other.score);
    if (stronger) found.set(fingerprint, detection);
  }
  return found;
}

function evaluated(
  alert: Alert,
  detection: Detection | undefined,
  given: Evaluated,
): { alert: Alert; turns: readonly Turn[] } {
  const rule = ruleOf(given.rules, alert.rule);
  const at = given.at[rule.clock === 'wall' ? 'wall' : 'ledger'];
  if (at === null) return { alert, turns: [] };
  const signal = signalOf(detection, given.complete);
  const timing = { forMs: rule.for_seconds * 1_000, keepFiringForMs: rule.keep_firing_for_seconds * 1_000 };
  const { state, turns } = step(alert.state, signal, at, timing);
  const begins = turns.includes('pending');
  const current: Alert = begins
    ? {
        ...alert,
        id: episodeOf(alert.fingerprint, state.activeAt ?? at),
        severity: 'info',
        acknowledgedAt: null,
        acknowledgedBy: '',
        silencedBy: [],
        notified: [],
        demoted: false,
        context: noContext,
      }
    : alert;
  if (detection === undefined || signal !== 'firing') return { alert: { ...current, state }, turns };
  const most = current.demoted ? lower(rule.severity, 'ticket') : rule.severity;
  const severity = higher(current.severity, lower(detection.severity, most));
  const found = begins ? foundOf(detection) : sinceBefore(foundOf(detection), current.found);
  return { alert: { ...current, state, version: detection.version, severity, found }, turns };
}

/** Windows move on with the clock; an incident began when it was first seen. */
function sinceBefore(now: Found, before: Found): Found {
  const known = [now.startedAt, before.startedAt].filter((at) => at !== null);
  return { ...now, startedAt: known.length === 0 ? null : Math.min(...known) };
}

function signalOf(detection: Detection | undefined, complete: boolean): Signal {
  if (detection === undefined) return complete ? 'clear' : 'no_data';
  return detection.state === 'firing' ? 'firing' : 'no_data';
}

/** Within an episode the severity only rises: who was paged is not told that it was a ticket after all. */
function higher(a: string, b: string): string {
  return rank(a) >= rank(b) ? a : b;
}

function lower(a: string, b: string): string {
  return rank(a) <= rank(b) ? a : b;
}

function rank(severity: string): number {
  return severities.findIndex((name) => name === severity);
}

/** What people have said. */
function handle(alert: Alert, given: Evaluated): { alert: Alert; turns: readonly Handled[] } {
  if (alert.state.status === 'inactive') return { alert, turns: [] };
  const turns: Handled[] = [];
  let next = alert;
  const by = given.acknowledged.get(alert.id);
  if (by !== undefined && alert.acknowledgedAt === null && alert.state.status === 'firing') {
    next = { ...next, acknowledgedAt: by.at, acknowledgedBy: by.author };
    turns.push('acknowledged');
  }
  const labels = matched(next);
  const silencedBy = given.silences
    .filter((one) => one.from <= given.now && given.now < one.to && matchesAll(one.matchers, labels))
    .map((one) => one.id);
  if (silencedBy.length > 0 !== next.silencedBy.length > 0)
    turns.push(silencedBy.length > 0 ? 'silenced' : 'unsilenced');
  return { alert: { ...next, silencedBy }, turns };
}

/** Takes one page of the day's of its tenant for an alert; false when none is left. What is of no tenant has no limit. */
type Budget = (alert: Alert) => boolean;

function pageBudget({ perDay, told }: Pages): Budget {
  const spent = new Map([...told].map(([tenant, ids]) => [tenant, new Set(ids)]));
  return (alert) => {
    const tenant = alert.labels['tenant_id'] ?? '';
    if (tenant === '') return true;
    const ids = spent.get(tenant) ?? new Set();
    if (!ids.has(alert.id) && ids.size >= perDay) return false;
    spent.set(tenant, ids.add(alert.id));
    return true;
  };
}

/**
 * A silence keeps a trigger back for as long as it lasts. What was told before it is resolved all the same, because
 * otherwise an incident would stay open at the receiver for ever. An acknowledged alert is told to nobody else. What
 * would be one page too many of its tenant is a ticket, and goes where tickets go.
 */
function tell(
  alert: Alert,
  turns: readonly Turn[],
  handled: readonly Handled[],
  routes: readonly Route[],
  budget: Budget,
): { alert: Alert; told: Changed['told'] } {
  const told: { action: Action; receivers: readonly string[] }[] = [];
  let next = alert;
  if (alert.state.status === 'firing' && alert.silencedBy.length === 0 && alert.acknowledgedAt === null) {
    let fresh = freshReceivers(alert, routes);
    if (fresh.length > 0 && alert.severity === 'page' && !budget(alert)) {
      next = { ...alert, severity: 'ticket', demoted: true };
      fresh = freshReceivers(next, routes);
    }
    if (fresh.length > 0) {
      told.push({ action: 'trigger', receivers: fresh });
      next = { ...next, notified: [...next.notified, ...fresh] };
    }
  }
  const { notified } = next;
  if (handled.includes('acknowledged') && notified.length > 0)
    told.push({ action: 'acknowledge', receivers: notified });
  if (turns.includes('resolved') && notified.length > 0) told.push({ action: 'resolve', receivers: notified });
  return { alert: next, told };
}

function freshReceivers(alert: Alert, routes: readonly Route[]): string[] {
  return receiversOf(alert, routes).filter((name) => !alert.notified.includes(name));
}

/** Of the first route that matches, and of those after it where it goes on. */
function receiversOf(alert: Alert, routes: readonly Route[]): string[] {
  const labels = matched(alert);
  const receivers = new Set<string>();
  for (const route of routes) {
    if (!matchesAll(route.matchers, labels)) continue;
    for (const name of route.receivers) receivers.add(name);
    if (!route.goesOn) break;
  }
  return [...receivers];
}

/** Beside what a detector measured, which is written now and then only. */
function differs(a: Alert, b: Alert): boolean {
  return lasting(a) !== lasting(b);
}

function lasting({ state, severity, silencedBy, notified, acknowledgedAt }: Alert): string {
  return JSON.stringify([state, severity, silencedBy, notified, acknowledgedAt]);
}
