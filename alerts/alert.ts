import { createHash } from 'node:crypto';
import { alertEvents } from '#clickhouse/alert_tables.ts';
import type { alertStates } from '#clickhouse/alerts.ts';
import type { detectionColumns } from '#clickhouse/detection_tables.ts';
import type { Row } from '#clickhouse/view.ts';
import { assert } from '#common/assert.ts';
import { type AlertState, inactive } from './state.ts';

/** A detector's row. */
export type Detection = Row<typeof detectionColumns>;

export const severities = ['info', 'ticket', 'page'] as const;

/** What a detector last said of a series. `costPerHour` is a decimal text. */
export type Found = {
  readonly startedAt: number | null;
  readonly observed: number;
  readonly expected: number;
  readonly unit: string;
  readonly score: number;
  readonly costPerHour: string | null;
  readonly affected: readonly string[];
  readonly evidence: string;
  readonly confidence: number;
};

/** One series of one rule. Its id names the episode: what was told of one is never continued by another. */
export type Alert = {
  readonly fingerprint: string;
  readonly id: string;
  readonly rule: string;
  readonly version: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly severity: string;
  readonly state: AlertState;
  readonly found: Found;
  readonly acknowledgedAt: number | null;
  readonly acknowledgedBy: string;
  readonly silencedBy: readonly string[];
  /** Receivers that are told of this episode. */
  readonly notified: readonly string[];
  /** Beyond the pages of a day that its tenant may cause: a ticket for as long as it lasts. */
  readonly demoted: boolean;
  readonly context: Context;
};

/** What was looked up when it fired. Of contributors, the share of the difference that each explains. */
export type Context = {
  readonly contributors: Readonly<Record<string, number>>;
  readonly recentChanges: readonly string[];
};

export const noContext: Context = { contributors: {}, recentChanges: [] };

/** Of rule and labels alone: value, severity and version of the rule may change and it is still this alert. */
export function fingerprintOf(rule: string, labels: Readonly<Record<string, string>>): string {
  const sorted = Object.entries(labels)
    .filter(([, value]) => value !== '')
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify([rule, sorted]))
    .digest('hex')
    .slice(0, 16);
}

/** The labels that routes and silences look at. */
export function matched(alert: Pick<Alert, 'rule' | 'severity' | 'labels'>): Readonly<Record<string, string>> {
  return { ...alert.labels, rule: alert.rule, severity: alert.severity };
}

export function episodeOf(fingerprint: string, activeAt: number): string {
  return `${fingerprint}-${activeAt.toString(36)}`;
}

export function newAlert(detection: Detection, fingerprint: string): Alert {
  return {
    fingerprint,
    id: '',
    rule: detection.rule,
    version: detection.version,
    labels: detection.labels,
    severity: detection.severity,
    state: inactive,
    found: foundOf(detection),
    acknowledgedAt: null,
    acknowledgedBy: '',
    silencedBy: [],
    notified: [],
    demoted: false,
    context: noContext,
  };
}

export function foundOf(detection: Detection): Found {
  return {
    startedAt: Date.parse(detection.started_at),
    observed: detection.observed,
    expected: detection.expected,
    unit: detection.unit,
    score: detection.score,
    costPerHour: detection.cost_per_hour,
    affected: detection.affected,
    evidence: detection.evidence,
    confidence: detection.confidence,
  };
}

/** What a row of the journal says beside the alert itself. */
export type Place = {
  readonly tick: number;
  readonly position: number;
  readonly evaluator: string;
  readonly recordedAt: number;
  readonly evaluatedAt: number;
};

export type Told = {
  readonly action: string;
  readonly receiver: string;
  readonly key: string;
  readonly message: string;
};

type Fields = { [K in keyof (typeof alertEvents)['columns']]: unknown };

const nothingFound: Found = {
  startedAt: null,
  observed: 0,
  expected: 0,
  unit: '',
  score: 0,
  costPerHour: null,
  affected: [],
  evidence: '',
  confidence: 0,
};

const nobody: Alert = {
  fingerprint: '',
  id: '',
  rule: '',
  version: 0,
  labels: {},
  severity: '',
  state: inactive,
  found: nothingFound,
  acknowledgedAt: null,
  acknowledgedBy: '',
  silencedBy: [],
  notified: [],
  demoted: false,
  context: noContext,
};

/** One line of the journal; a tick's own row has no alert, a notification has what is told. */
export function journalLine(
  kind: 'tick' | 'state' | 'notification',
  place: Place,
  alert: Alert = nobody,
  turns: readonly string[] = [],
  told: Told = { action: '', receiver: '', key: '', message: '' },
): string {
  const { state, found } = alert;
  const fields: Fields = {
    tick: String(place.tick),
    position: place.position,
    evaluator: place.evaluator,
    recorded_at: iso(place.recordedAt),
    evaluated_at: iso(place.evaluatedAt),
    kind,
    fingerprint: alert.fingerprint,
    alert_id: alert.id,
    rule: alert.rule,
    version: alert.version,
    labels: alert.labels,
    severity: alert.severity,
    status: kind === 'tick' ? '' : state.status,
    turns,
    active_at: iso(state.activeAt),
    pending_since: iso(state.pendingSince),
    fired_at: iso(state.firedAt),
    keep_firing_since: iso(state.keepFiringSince),
    resolved_at: iso(state.resolvedAt),
    unknown_since: iso(state.unknownSince),
    held_until: iso(state.heldUntil),
    recent_turns: state.turns.map(iso),
    acknowledged_at: iso(alert.acknowledgedAt),
    acknowledged_by: alert.acknowledgedBy,
    silenced_by: alert.silencedBy,
    notified: alert.notified,
    demoted: alert.demoted,
    contributors: alert.context.contributors,
    recent_changes: alert.context.recentChanges,
    started_at: iso(found.startedAt),
    observed: found.observed,
    expected: found.expected,
    unit: found.unit,
    score: found.score,
    cost_per_hour: found.costPerHour,
    affected: found.affected,
    evidence: found.evidence,
    confidence: found.confidence,
    action: told.action,
    receiver: told.receiver,
    notification_key: told.key,
    message: told.message,
  };
  return JSON.stringify(Object.keys(alertEvents.columns).map((name) => fields[name as keyof Fields]));
}

function iso(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}

/** An alert as the journal has it. */
export function alertOf(row: Row<(typeof alertStates)['columns']>): Alert {
  const { status } = row;
  assert(status === 'inactive' || status === 'pending' || status === 'firing', `unknown status ${status}`);
  return {
    fingerprint: row.fingerprint,
    id: row.alert_id,
    rule: row.rule,
    version: row.version,
    labels: row.labels,
    severity: row.severity,
    state: {
      status,
      activeAt: ms(row.active_at),
      pendingSince: ms(row.pending_since),
      firedAt: ms(row.fired_at),
      keepFiringSince: ms(row.keep_firing_since),
      resolvedAt: ms(row.resolved_at),
      unknownSince: ms(row.unknown_since),
      turns: row.recent_turns.map((at) => Date.parse(at)),
      heldUntil: ms(row.held_until),
    },
    found: {
      startedAt: ms(row.started_at),
      observed: row.observed,
      expected: row.expected,
      unit: row.unit,
      score: row.score,
      costPerHour: row.cost_per_hour,
      affected: row.affected,
      evidence: row.evidence,
      confidence: row.confidence,
    },
    acknowledgedAt: ms(row.acknowledged_at),
    acknowledgedBy: row.acknowledged_by,
    silencedBy: row.silenced_by,
    notified: row.notified,
    demoted: row.demoted,
    context: { contributors: row.contributors, recentChanges: row.recent_changes },
  };
}

function ms(text: string | null): number | null {
  return text === null ? null : Date.parse(text);
}
