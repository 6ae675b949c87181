import { table, view, type Types } from './view.ts';

/*
 * What the detectors measure, and what they find. `detect.ts` says in which order; the reasons are in the SQL.
 */

const instant = "DateTime64(3, 'UTC')";

/** A row of any detector: one series that meets its condition, or has no data. */
const detectionColumns = {
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

const minuteColumns = {
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

const hourColumns = {
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

const baselineColumns = {
  hour: "DateTime('UTC')",
  tenant_id: 'LowCardinality(String)',
  deployment: 'LowCardinality(String)',
  provider_name: 'LowCardinality(String)',
  region: 'LowCardinality(String)',
  active_days: 'UInt16',
  level: 'Float64',
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
  tenant_id: 'String',
  deployment: 'String',
  kind: 'LowCardinality(String)',
  starts_at: instant,
  ends_at: instant,
  author: 'String',
  reason: 'String',
});

const fitColumns = {
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

const gapColumns = {
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

const episodeColumns = {
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

const range = { from: instant, to: instant } as const satisfies Types;

export const detectorValues = view(
  'detector_values',
  { at: instant },
  { values: 'Map(String, Float64)', versions: 'Map(String, UInt32)' },
);
export const measuredMinutes = view('measured_minutes', range, minuteColumns);
export const measuredHours = view('measured_hours', { hour: instant }, hourColumns);
export const measuredBaselines = view('measured_baselines', { hour: instant }, baselineColumns);

/** The findings of every minute of a range within one hour; what a tick asks for one minute. */
export const trafficFindings = view('traffic_findings', range, { evaluated_at: instant, ...detectionColumns });

/** Spikes, bursts, slowness and silence of a tenant's deployments. */
export const trafficAnomalies = view('traffic_anomalies', { at: instant }, detectionColumns);

export const measuredFits = view('measured_fits', { hour: instant }, fitColumns);
export const measuredGaps = view('measured_gaps', { hour: instant }, gapColumns);

const seen = { ...range, visible_tenants: 'Array(String)' } as const satisfies Types;

/** Cold starts and other waits, for whom one may see. */
export const coldStartAnswers = view(
  'cold_start_answers',
  { ...seen, deployment: 'Array(String)', class: 'Array(String)' },
  {
    deployment: 'String',
    backend: 'String',
    provider_name: 'String',
    region: 'String',
    class: 'String',
    started_at: instant,
    ended_at: instant,
    calls_affected: 'UInt64',
    slow_calls: 'UInt64',
    refused_calls: 'UInt64',
    added_seconds: 'Float64',
    longest_seconds: 'Float64',
    confirmed: 'Bool',
    tenants: 'Array(String)',
    evidence: 'String',
    confidence: 'Float64',
  },
);

/** What was found, one row per time that it lasted. */
export const anomalyEpisodes = view(
  'anomaly_episodes',
  { ...seen, tenant_id: 'Array(String)', rule: 'Array(String)' },
  {
    rule: 'String',
    labels: 'Map(String, String)',
    version: 'UInt32',
    tenant_id: 'String',
    deployment: 'String',
    severity: 'String',
    started_at: instant,
    last_seen_at: instant,
    times_seen: 'UInt64',
    observed: 'Float64',
    expected: 'Float64',
    unit: 'String',
    score: 'Float64',
    cost_per_hour: 'Nullable(Decimal(76, 24))',
    affected: 'Array(String)',
    evidence: 'String',
    confidence: 'Float64',
  },
);

/** What explains that a series has more of a measure than before; at most three, the best first. */
export const contributors = view(
  'contributors',
  { ...range, tenant_id: 'String', deployment: 'String', measure: 'String' },
  {
    contributor: 'Map(String, String)',
    now: 'Float64',
    before: 'Float64',
    share: 'Float64',
    purity: 'Float64',
    score: 'Float64',
  },
);

/** Times at which a deployment made its callers wait, and what they were. */
export const coldStartEpisodes = view('cold_start_episodes', range, episodeColumns);

const consumerColumns = {
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
export const measuredConsumers = view('measured_consumers', { hour: instant }, consumerColumns);

const maybeInstant = "Nullable(DateTime64(3, 'UTC'))";

/** How far the detectors' tables reach. */
export const measuredThrough = view(
  'measured_through',
  { at: instant },
  { minutes: maybeInstant, hours: maybeInstant, findings: maybeInstant, first_call: maybeInstant },
);

/** Back ends that start while callers wait. */
const coldStarts = view('cold_starts', { at: instant }, detectionColumns);
/** Objectives whose allowance of failures is used up too fast. */
const sloBurn = view('slo_burn', { at: instant }, detectionColumns);
/** Consumers that are not themselves: loops, and keys in other hands. */
const consumerAnomalies = view('consumer_anomalies', { at: instant }, detectionColumns);
/** Spend without a price or without a tenant. */
const moneyGaps = view('money_gaps', { at: instant }, detectionColumns);
/** What is wrong with the books; as they are now, whatever `at`. */
const pipelineHealth = view('pipeline_health', { at: instant }, detectionColumns);

/** Every detector, to be read at the instant up to which `prepare` has come. */
export const detectors = [trafficAnomalies, coldStarts, sloBurn, consumerAnomalies, moneyGaps, pipelineHealth] as const;
