import { type AlertState, inactive, step } from '../../alerts/state.ts';
import type { Incident, IncidentKind } from './traffic.ts';

const minuteMs = 60_000;

/** One evaluation that found a rule's condition true for a series. */
export type Finding = {
  readonly rule: string;
  readonly series: string;
  readonly at: number;
  readonly severity: string;
  readonly score: number;
  readonly observed: number;
  readonly expected: number;
  readonly evidence: string;
};

/** How long a condition must hold before it is told, and be gone before it is over; ms. */
export type Timing = { readonly forMs: number; readonly keepMs: number };

export type Alert = {
  readonly rule: string;
  readonly series: string;
  readonly firedAt: number;
  readonly endedAt: number;
  readonly severity: string;
  /** What was found when it fired. */
  readonly found: Finding;
};

/** Which rules tell an incident. An alert of another rule inside it is as false as one outside. */
const tellingRules: Readonly<Record<IncidentKind, readonly string[]>> = {
  spike_10: ['request_spike', 'token_spike', 'cost_spike'],
  spike_3: ['request_spike', 'token_spike', 'cost_spike'],
  errors: ['error_burst'],
  outage: ['error_burst'],
  throttling: ['throttle_burst'],
  slow: ['latency'],
  silence: ['silence'],
};

/**
 * The alerts of findings at minutes, by the state machine that alerts go through, every minute from the first finding of
 * a series until all is over. `severity` is that at the onset.
 */
export function alertsOf(findings: readonly Finding[], timingOf: (rule: string) => Timing): Alert[] {
  const byIdentity = Map.groupBy(findings, ({ rule, series }) => `${rule} ${series}`);
  return [...byIdentity.values()].flatMap((rows) => {
    const { forMs, keepMs } = timingOf(rows[0]?.rule ?? '');
    const found = new Map(rows.map((row) => [row.at, row]));
    const last = Math.max(...found.keys());
    const alerts: Alert[] = [];
    let state: AlertState = inactive;
    let fired: Finding | null = null;
    for (let at = Math.min(...found.keys()); at <= last || state.status !== 'inactive'; at += minuteMs) {
      const row = found.get(at);
      const stepped = step(state, row === undefined ? 'clear' : 'firing', at, { forMs, keepFiringForMs: keepMs });
      state = stepped.state;
      if (stepped.turns.includes('firing') && row !== undefined) fired = row;
      if (stepped.turns.includes('resolved') && fired !== null)
        alerts.push({ ...pick(fired), firedAt: fired.at, endedAt: at });
    }
    return alerts;
  });
}

function pick(found: Finding): Pick<Alert, 'rule' | 'series' | 'severity' | 'found'> {
  return { rule: found.rule, series: found.series, severity: found.severity, found };
}

export type Score = {
  readonly kind: IncidentKind;
  readonly incidents: number;
  readonly found: number;
  /** Of those found, from the incident's onset to the alert's, minutes. */
  readonly minutesToDetect: readonly number[];
};

/** How long after an incident an alert may still be about it: its windows hold the incident. */
const graceMs = 15 * minuteMs;

function tells(alert: Alert, incident: Incident): boolean {
  return (
    alert.series === seriesKey(incident) &&
    tellingRules[incident.kind].includes(alert.rule) &&
    alert.firedAt >= incident.from &&
    alert.firedAt <= incident.to + graceMs
  );
}

export function seriesKey(of: { readonly tenant_id: string; readonly deployment: string }): string {
  return `${of.tenant_id}/${of.deployment}`;
}

/** Found incidents by kind, counted by the onsets of alerts: an alert that was already firing tells nothing. */
export function recall(alerts: readonly Alert[], incidents: readonly Incident[]): Score[] {
  const bySeries = Map.groupBy(alerts, (alert) => alert.series);
  return [...Map.groupBy(incidents, (incident) => incident.kind)].map(([kind, all]) => {
    const times = all.flatMap((incident) => {
      const first = (bySeries.get(seriesKey(incident)) ?? [])
        .filter((alert) => tells(alert, incident))
        .map((alert) => alert.firedAt)
        .sort((a, b) => a - b)[0];
      return first === undefined ? [] : [(first - incident.from) / minuteMs];
    });
    return { kind, incidents: all.length, found: times.length, minutesToDetect: times };
  });
}

/** The alerts that tell no incident of their series. */
export function falseAlerts(alerts: readonly Alert[], incidents: readonly Incident[]): Alert[] {
  const bySeries = Map.groupBy(incidents, seriesKey);
  return alerts.filter((alert) => !(bySeries.get(alert.series) ?? []).some((incident) => tells(alert, incident)));
}

/** The value below which a share of the sorted values lies; NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

/** Minutes in which an alert was firing and no incident of its series was going on or just over. */
export function falseMinutes(alerts: readonly Alert[], incidents: readonly Incident[]): number {
  const bySeries = Map.groupBy(incidents, seriesKey);
  const total = alerts.reduce((sum, alert) => {
    const near = (bySeries.get(alert.series) ?? []).filter(
      (incident) => incident.from <= alert.endedAt && incident.to + 60 * minuteMs >= alert.firedAt,
    );
    const covered = near.reduce(
      (most, one) =>
        Math.max(most, Math.min(alert.endedAt, one.to + 60 * minuteMs) - Math.max(alert.firedAt, one.from)),
      0,
    );
    return sum + Math.max(0, alert.endedAt - alert.firedAt - covered);
  }, 0);
  return total / minuteMs;
}
