import { table, type Types } from './view.ts';

/* What the evaluator of alerts keeps, and what people say about alerts. The views over both are in alerts.ts. */

export const instant = "DateTime64(3, 'UTC')";
export const perhaps = "Nullable(DateTime64(3, 'UTC'))";

/** What a detector says of a series: the same columns for every detector. */
export const found = {
  observed: 'Float64',
  expected: 'Float64',
  unit: 'LowCardinality(String)',
  score: 'Float64',
  cost_per_hour: 'Nullable(Decimal(76, 24))',
  affected: 'Array(String)',
  evidence: 'String',
  confidence: 'Float64',
} as const satisfies Types;

export const state = {
  fingerprint: 'String',
  alert_id: 'String',
  rule: 'LowCardinality(String)',
  version: 'UInt32',
  labels: 'Map(String, String)',
  severity: 'LowCardinality(String)',
  status: 'LowCardinality(String)',
  turns: 'Array(LowCardinality(String))',
  active_at: perhaps,
  pending_since: perhaps,
  fired_at: perhaps,
  keep_firing_since: perhaps,
  resolved_at: perhaps,
  unknown_since: perhaps,
  held_until: perhaps,
  recent_turns: "Array(DateTime64(3, 'UTC'))",
  acknowledged_at: perhaps,
  acknowledged_by: 'String',
  silenced_by: 'Array(String)',
  notified: 'Array(String)',
  demoted: 'Bool',
  contributors: 'Map(String, Float64)',
  recent_changes: 'Array(String)',
  started_at: perhaps,
  ...found,
} as const satisfies Types;

/** The journal: one insert per tick, with its row of kind `tick`, the states that changed, and what is to be told. */
export const alertEvents = table('alert_events', {
  tick: 'UInt64',
  position: 'UInt32',
  evaluator: 'String',
  recorded_at: instant,
  evaluated_at: instant,
  kind: 'LowCardinality(String)',
  ...state,
  action: 'LowCardinality(String)',
  receiver: 'String',
  notification_key: 'String',
  message: 'String',
});

export const evaluators = table('evaluators', { owner: 'String', epoch: 'UInt64', state: 'LowCardinality(String)' });

export const alertDeliveries = table('alert_deliveries', {
  notification_key: 'String',
  receiver: 'String',
  alert_id: 'String',
  action: 'LowCardinality(String)',
  attempt: 'UInt32',
  outcome: 'LowCardinality(String)',
  status_code: 'Nullable(UInt16)',
  detail: 'String',
  retry_at: perhaps,
  evaluator: 'String',
  attempted_at: instant,
});

export const silence = {
  silence_id: 'String',
  matchers: 'Array(String)',
  starts_at: instant,
  ends_at: instant,
  author: 'String',
  comment: 'String',
  withdrawn: 'Bool',
} as const satisfies Types;

export const silences = table('silences', silence);

export const acknowledgements = table('acknowledgements', { alert_id: 'String', author: 'String', comment: 'String' });

export const alertFeedback = table('alert_feedback', {
  alert_id: 'String',
  verdict: 'LowCardinality(String)',
  author: 'String',
  comment: 'String',
});

export const route = {
  route_id: 'String',
  matchers: 'Array(String)',
  receivers: 'Array(String)',
  goes_on: 'Bool',
  position: 'UInt32',
  author: 'String',
} as const satisfies Types;

export const alertRoutes = table('alert_routes', { ...route, withdrawn: 'Bool' });

export const alertReceivers = table('alert_receivers', {
  receiver: 'String',
  channel: 'LowCardinality(String)',
  fallback: 'String',
  evaluator: 'String',
  read_at: instant,
});

export const deliveryReplays = table('delivery_replays', {
  notification_key: 'String',
  receiver: 'String',
  author: 'String',
});

export const alertTables = [
  alertEvents,
  evaluators,
  alertDeliveries,
  silences,
  acknowledgements,
  alertFeedback,
  alertRoutes,
  alertReceivers,
  deliveryReplays,
] as const;
