import type { Alert } from './alert.ts';

export type Action = 'trigger' | 'acknowledge' | 'resolve';

/** A share of what happened, and whose it is. */
type Contributor = { readonly what: string; readonly share: number };

/** What is told to a receiver, whatever its channel; kept as JSON in the outbox. */
export type Message = {
  readonly key: string;
  readonly action: Action;
  readonly alert_id: string;
  readonly fingerprint: string;
  readonly rule: string;
  readonly version: number;
  readonly title: string;
  readonly severity: string;
  readonly status: string;
  readonly flapping: boolean;
  readonly summary: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly started_at: string;
  readonly fired_at: string;
  readonly resolved_at: string | null;
  readonly observed: number;
  readonly expected: number;
  readonly unit: string;
  /** observed / expected, or null where nothing was expected. */
  readonly ratio: number | null;
  readonly score: number;
  readonly confidence: number;
  /** US dollars as a decimal text; null where it is not known, which is not 0. */
  readonly cost_per_hour: string | null;
  readonly affected: readonly string[];
  readonly contributors: readonly Contributor[];
  readonly recent_changes: readonly string[];
  readonly evidence: Readonly<Record<string, unknown>>;
  readonly acknowledged_by: string;
  readonly runbook_url: string;
  readonly links: {
    readonly page: string;
    readonly grafana: string | null;
    readonly acknowledge: string;
    readonly silence: string;
  };
};

/** Where links lead: the API's pages, Grafana, and the published runbook. */
export type Places = { readonly base: string; readonly grafana: string | null; readonly runbook: string };

/** Of the dashboard: by label what is chosen above its panels. */
const dashboardVariables = { tenant_id: 'tenant', deployment: 'deployment' };
const evidenceBytesMax = 8_192;
const affectedMax = 20;
const hourMs = 3_600_000;

/** Composes what is told about an alert; `key` is the notification's. */
export function compose(
  alert: Alert,
  action: Action,
  key: string,
  rule: { readonly title: string; readonly runbook: string },
  places: Places,
): Message {
  const evidence = readEvidence(alert.found.evidence);
  const started = iso(alert.found.startedAt ?? alert.state.activeAt ?? 0);
  const { observed, expected, unit, score, confidence } = alert.found;
  return {
    key,
    action,
    alert_id: alert.id,
    fingerprint: alert.fingerprint,
    rule: alert.rule,
    version: alert.version,
    title: rule.title,
    severity: alert.severity,
    status: alert.state.status === 'inactive' ? 'resolved' : alert.state.status,
    flapping: alert.state.heldUntil !== null,
    summary: summarise(alert, action, rule.title, started),
    labels: alert.labels,
    started_at: started,
    fired_at: iso(alert.state.firedAt ?? 0),
    resolved_at: alert.state.resolvedAt === null ? null : iso(alert.state.resolvedAt),
    observed,
    expected,
    unit,
    ratio: expected === 0 ? null : observed / expected,
    score,
    confidence,
    cost_per_hour: alert.found.costPerHour,
    affected: alert.found.affected.slice(0, affectedMax),
    contributors: Object.entries(alert.context.contributors).map(([what, share]) => ({ what, share })),
    recent_changes: alert.context.recentChanges,
    evidence,
    acknowledged_by: alert.acknowledgedBy,
    runbook_url: `${places.runbook}#${rule.runbook}`,
    links: linksOf(alert, places),
  };
}

function summarise(alert: Alert, action: Action, title: string, started: string): string {
  const whom = Object.values(alert.labels)
    .filter((value) => value !== '')
    .join(' / ');
  const subject = `${title}${whom === '' ? '' : `: ${whom}`}`;
  if (action === 'resolve') return `${subject}: over since ${iso(alert.state.resolvedAt ?? 0)}`;
  if (action === 'acknowledge') return `${subject}: acknowledged by ${alert.acknowledgedBy}`;
  const { observed, expected, unit, costPerHour } = alert.found;
  const measured = `${shown(observed)} ${unit}`.trimEnd();
  const against =
    expected === 0
      ? ', where none is usual'
      : `, ${shown(observed / expected)} times the ${comparedWith(alert.rule)} ${shown(expected)}`;
  const cost = costPerHour === null ? '' : `, ${shownMoney(costPerHour)} USD per hour`;
  const held = alert.state.heldUntil === null ? '' : ' (comes and goes; held until it is calm)';
  const demoted = alert.demoted ? ' (a ticket, because its tenant has used up the pages of a day)' : '';
  return `${subject}: ${measured}${against}, since ${started}${cost}${held}${demoted}`;
}

/** Of these rules what is expected is a limit that somebody set. */
const limited = new Set(['cold_start', 'slo_burn', 'budget_burn', 'pipeline_lag', 'pipeline_rejects']);

/** What an observation is compared with. */
export function comparedWith(rule: string): 'usual' | 'allowed' {
  return limited.has(rule) ? 'allowed' : 'usual';
}

function linksOf(alert: Alert, places: Places): Message['links'] {
  const from = (alert.found.startedAt ?? alert.state.activeAt ?? 0) - hourMs;
  const to = (alert.state.resolvedAt ?? alert.state.firedAt ?? from) + hourMs;
  const page = `${places.base}/alerts#${encodeURIComponent(alert.id)}`;
  const variables = Object.entries(dashboardVariables)
    .filter(([label]) => (alert.labels[label] ?? '') !== '')
    .map(([label, name]) => `&var-${name}=${encodeURIComponent(alert.labels[label] ?? '')}`);
  return {
    page,
    grafana:
      places.grafana === null ? null : `${dashboardOf(places.grafana)}from=${from}&to=${to}${variables.join('')}`,
    acknowledge: `${page}/acknowledge`,
    silence: `${page}/silence`,
  };
}

/** An address as Grafana's own page has it, with an organisation or a window of its own, ready for more parameters. */
function dashboardOf(address: string): string {
  const url = new URL(address);
  url.hash = '';
  for (const name of ['from', 'to', ...Object.values(dashboardVariables).map((variable) => `var-${variable}`)])
    url.searchParams.delete(name);
  return `${url.href}${url.search === '' ? '?' : '&'}`;
}

/** Detectors give JSON without message text. What is no object, or too large to be read on a telephone, is left out. */
function readEvidence(text: string): Record<string, unknown> {
  if (text.length > evidenceBytesMax) return { omitted: `${text.length} bytes; see the alert's page` };
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : {};
  } catch {
    return {};
  }
}

function iso(at: number): string {
  return new Date(at).toISOString();
}

/** Three digits are what a person compares. */
export function shown(value: number): string {
  return Math.abs(value) >= 1_000 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}

/** Cut off, not rounded, and never through a float. */
function shownMoney(decimal: string): string {
  const [whole = '0', fraction = ''] = decimal.split('.');
  return `${whole}.${fraction.slice(0, 2).padEnd(2, '0')}`;
}
