import { table, type Types } from './view.ts';

/*
 * What the detectors measure once and share, and what they found. `detect.ts` says in which order; the reasons are in the SQL.
 */

export const instant = "DateTime64(3, 'UTC')";

/** A row of any detector: one series that meets its condition, or has no data. */
export const detectionColumns = {
  rule: 'String',
  version: 'UInt32',
  labels: 'Map(String, String)',
  state: 'String',
  severity: 'String',
  started_at: instant,
  observed: 'Float64',
  expected: 'Float64',
  unit: 'String',
  score: 'Float64',
  cost_per_hour: 'Nullable(Decimal(76, 24))',
  affected: 'Array(String)',
  evidence: 'String',
  confidence: 'Float64',
} as const satisfies Types;

export const minuteColumns = {
  minute: "DateTime('UTC')",
  tenant_id: 'LowCardinality(String)',
  deployment: 'LowCardinality(String)',
  provider_name: 'LowCardinality(String)',
  region: 'LowCardinality(String)',
  calls: 'UInt32',
  failed: 'UInt32',
  server_failed: 'UInt32',
  throttled: 'UInt32',
  tokens: 'UInt64',
  list_cost: 'Nullable(Decimal(76, 24))',
  unpriced_tokens: 'UInt64',
  unpriced_models: 'Array(LowCardinality(String))',
  first_token_calls: 'UInt32',
  first_token_log: 'Float64',
  generation_calls: 'UInt32',
  generation_log: 'Float64',
  computed_at: instant,
} as const satisfies Types;

export const hourColumns = {
  hour: "DateTime('UTC')",
  tenant_id: 'LowCardinality(String)',
  deployment: 'LowCardinality(String)',
  calls: 'Array(UInt32)',
  tokens: 'Array(Float64)',
  costs: 'Array(Float64)',
  total: 'UInt32',
  failed: 'UInt32',
  server_failed: 'UInt32',
  throttled: 'UInt32',
  first_token: 'Array(Float32)',
  generation: 'Array(Float32)',
  ratio: 'Float32',
  residuals: 'Array(Float32)',
  quiet: 'Float32',
  excluded: 'Bool',
  computed_at: instant,
} as const satisfies Types;

export const baselineColumns = {
  hour: "DateTime('UTC')",
  tenant_id: 'LowCardinality(String)',
  deployment: 'LowCardinality(String)',
  provider_name: 'LowCardinality(String)',
  region: 'LowCardinality(String)',
  active_days: 'UInt16',
  level: 'Float64',
  week_level: 'Float64',
  expected: 'Array(Float64)',
  largest: 'Array(Float64)',
  dispersion: 'Array(Float64)',
  units: 'Array(Float64)',
  failed_rate: 'Float64',
  throttled_rate: 'Float64',
  quiet: 'Float64',
  latency_median: 'Array(Float64)',
  latency_spread: 'Array(Float64)',
  computed_at: instant,
} as const satisfies Types;

export const trafficMinutes = table('traffic_minutes', minuteColumns);
export const trafficHours = table('traffic_hours', hourColumns);
export const baselines = table('baselines', baselineColumns);
export const measurements = table('measurements', { what: 'LowCardinality(String)', through: instant });
export const detections = table('detections', { evaluated_at: instant, ...detectionColumns });

export const detectorParameters = table('detector_parameters', {
  name: 'LowCardinality(String)',
  version: 'UInt32',
  value: 'Float64',
  valid_from: instant,
  valid_to: "Nullable(DateTime64(3, 'UTC'))",
  author: 'String',
  reason: 'String',
});

export const detectionCalendar = table('detection_calendar', {
  period_id: 'String',
  tenant_id: 'String',
  deployment: 'String',
  kind: 'LowCardinality(String)',
  starts_at: instant,
  ends_at: instant,
  withdrawn: 'Bool',
  author: 'String',
  reason: 'String',
});

export const fitColumns = {
  hour: "DateTime('UTC')",
  deployment: 'LowCardinality(String)',
  backend: 'LowCardinality(String)',
  metric: 'LowCardinality(String)',
  intercept: 'Float64',
  slope: 'Float64',
  bias: 'Float64',
  spread: 'Float64',
  calls: 'UInt64',
  computed_at: instant,
} as const satisfies Types;

export const gapColumns = {
  hour: "DateTime('UTC')",
  deployment: 'LowCardinality(String)',
  backend: 'LowCardinality(String)',
  gap_seconds: 'UInt32',
  calls: 'UInt64',
  slow_calls: 'UInt64',
  computed_at: instant,
} as const satisfies Types;

export const latencyFits = table('latency_fits', fitColumns);
export const idleGaps = table('idle_gaps', gapColumns);

export const episodeColumns = {
  deployment: 'String',
  backend: 'String',
  provider_name: 'String',
  region: 'String',
  class: 'String',
  started_at: instant,
  ended_at: instant,
  slow_calls: 'UInt64',
  refused_calls: 'UInt64',
  added_seconds: 'Float64',
  longest_seconds: 'Float64',
  confirmed: 'Bool',
  evidence: 'String',
  confidence: 'Float64',
  consumers: 'Array(String)',
} as const satisfies Types;

export const waitEpisodes = table('wait_episodes', episodeColumns);

export const consumerColumns = {
  hour: "DateTime('UTC')",
  consumer_id: 'LowCardinality(String)',
  calls: 'UInt64',
  largest_calls: 'UInt64',
  largest_tokens: 'UInt64',
  networks: 'Array(String)',
  models: 'Array(String)',
  computed_at: instant,
} as const satisfies Types;

export const consumerHours = table('consumer_hours', consumerColumns);

export const habitColumns = {
  hour: "DateTime('UTC')",
  consumer_id: 'LowCardinality(String)',
  first_hour: "DateTime('UTC')",
  hours: 'UInt64',
  usual_calls: 'UInt64',
  usual_tokens: 'UInt64',
  networks: 'Array(String)',
  models: 'Array(String)',
  computed_at: instant,
} as const satisfies Types;

export const totalColumns = {
  hour: "DateTime('UTC')",
  tenant_id: 'LowCardinality(String)',
  deployment: 'LowCardinality(String)',
  calls_5h: 'UInt64',
  unserved_5h: 'UInt64',
  calls_72h: 'UInt64',
  unserved_72h: 'UInt64',
  cost_5h: 'Float64',
  cost_month: 'Float64',
  computed_at: instant,
} as const satisfies Types;

export const consumerHabits = table('consumer_habits', habitColumns);
export const runningTotals = table('running_totals', totalColumns);

export const detectionFeedback = table('detection_feedback', {
  kind: 'LowCardinality(String)',
  fingerprint: 'String',
  about_at: instant,
  verdict: 'LowCardinality(String)',
  author: 'String',
  comment: 'String',
});

export const detectionTables = [
  detectorParameters,
  detectionCalendar,
  trafficMinutes,
  trafficHours,
  baselines,
  latencyFits,
  idleGaps,
  consumerHours,
  consumerHabits,
  runningTotals,
  waitEpisodes,
  measurements,
  detections,
  detectionFeedback,
] as const;
