import { found, instant, perhaps, route, silence, state } from './alert_tables.ts';
import { detectionColumns } from './detection_tables.ts';
import { view } from './view.ts';

/* What is asked of alerts: by the evaluator, and by people over the API. */

export const alertRulesKnown = view(
  'alert_rules_known',
  { at: instant },
  {
    rule: 'LowCardinality(String)',
    version: 'UInt32',
    title: 'String',
    for_seconds: 'UInt32',
    keep_firing_for_seconds: 'UInt32',
    severity: 'LowCardinality(String)',
    clock: 'LowCardinality(String)',
    runbook: 'String',
  },
);

export const evaluator = view(
  'evaluator',
  {},
  { epoch: 'UInt64', owner: 'String', state: 'String', silent_ms: 'Int64' },
);

/** One row; where nothing was evaluated or received yet, the instants are null. */
export const lastTick = view(
  'last_tick',
  {},
  {
    tick: 'UInt64',
    evaluated_at: perhaps,
    recorded_at: perhaps,
    complete_through: perhaps,
    now: instant,
  },
);

export const tickRows = view('tick_rows', { tick: 'UInt64', since: instant }, { evaluator: 'String', rows: 'UInt64' });

export const alertStates = view('alert_states', {}, { tick: 'UInt64', recorded_at: instant, ...state });

/** `expired` true gives those that ended long ago as well. */
export const silencesKnown = view(
  'silences_known',
  { expired: 'Bool' },
  { ...silence, created_at: instant, state: 'String' },
);

export const acknowledged = view(
  'acknowledged',
  { since: instant },
  { alert_id: 'String', author: 'String', comment: 'String', written_at: instant },
);

export const alertRoutesKnown = view('alert_routes_known', {}, { ...route, written_at: instant });

export const outbox = view(
  'outbox',
  {},
  {
    tick: 'UInt64',
    position: 'UInt32',
    recorded_at: instant,
    notification_key: 'String',
    alert_id: 'String',
    fingerprint: 'String',
    rule: 'LowCardinality(String)',
    action: 'LowCardinality(String)',
    receiver: 'String',
    message: 'String',
  },
);

/** `outcome`: delivered, retry, dead, skipped, or replay where somebody asked for it again. */
export const deliveries = view(
  'deliveries',
  { since: instant },
  {
    notification_key: 'String',
    receiver: 'String',
    alert_id: 'String',
    action: 'LowCardinality(String)',
    attempts: 'UInt32',
    outcome: 'LowCardinality(String)',
    status_code: 'Nullable(UInt16)',
    detail: 'String',
    first_at: instant,
    last_at: instant,
    retry_at: perhaps,
  },
);

export const alerts = view(
  'alerts',
  {
    from: instant,
    to: instant,
    visible_tenants: 'Array(String)',
    alert_id: 'Array(String)',
    rule: 'Array(String)',
    severity: 'Array(String)',
    status: 'Array(String)',
    tenant_id: 'Array(String)',
    deployment: 'Array(String)',
  },
  {
    alert_id: 'String',
    fingerprint: 'String',
    rule: 'LowCardinality(String)',
    version: 'UInt32',
    title: 'String',
    severity: 'LowCardinality(String)',
    status: 'String',
    no_data: 'Bool',
    flapping: 'Bool',
    labels: 'Map(String, String)',
    active_at: perhaps,
    fired_at: perhaps,
    resolved_at: perhaps,
    started_at: perhaps,
    ...found,
    acknowledged_at: perhaps,
    acknowledged_by: 'String',
    silenced_by: 'Array(String)',
    notified: 'Array(String)',
    demoted: 'Bool',
    contributors: 'Map(String, Float64)',
    recent_changes: 'Array(String)',
    feedback: 'String',
    runbook: 'String',
    evaluated_at: instant,
  },
);

export const alertHistory = view(
  'alert_history',
  { alert_id: 'String' },
  { at: instant, kind: 'String', what: 'String', receiver: 'String', detail: 'String' },
);

export const receiversKnown = view(
  'receivers_known',
  {},
  { receiver: 'String', channel: 'LowCardinality(String)', fallback: 'String', read_at: instant },
);

export const recentChanges = view(
  'recent_changes',
  { from: instant, to: instant, tenant_id: 'String', deployment: 'String' },
  { at: perhaps, kind: 'String', what: 'String', author: 'String', reason: 'String' },
);

export const replaysAsked = view(
  'replays_asked',
  { since: instant },
  { notification_key: 'String', receiver: 'String', written_at: instant },
);

export const pagesTold = view('pages_told', { since: instant }, { tenant_id: 'String', alert_id: 'String' });

/** One row. */
export const arrivalDelay = view('arrival_delay', {}, { seconds: 'UInt32' });

/** The detector of alerts about alerting itself. */
export const deliveryFailing = view('delivery_failing', { at: instant }, detectionColumns);

export const alertViews = [
  alertRulesKnown,
  evaluator,
  lastTick,
  tickRows,
  alertStates,
  silencesKnown,
  acknowledged,
  alertRoutesKnown,
  outbox,
  deliveries,
  alerts,
  alertHistory,
  receiversKnown,
  recentChanges,
  replaysAsked,
  pagesTold,
  arrivalDelay,
  deliveryFailing,
] as const;
