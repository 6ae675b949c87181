import {
  instant,
  detectionColumns,
  minuteColumns,
  hourColumns,
  baselineColumns,
  fitColumns,
  gapColumns,
  episodeColumns,
  consumerColumns,
  habitColumns,
  totalColumns,
} from './detection_tables.ts';
import { metricAnomalies } from './metrics.ts';
import { view, type Types } from './view.ts';

/* What is asked to measure and to find, and by people of what was found. */

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

/** Times at which nothing is detected, as they were last written. */
export const calendarKnown = view(
  'calendar_known',
  {},
  {
    period_id: 'String',
    tenant_id: 'String',
    deployment: 'String',
    kind: 'String',
    starts_at: instant,
    ends_at: instant,
    author: 'String',
    reason: 'String',
    withdrawn: 'Bool',
    created_at: instant,
  },
);

/** What the detectors compare with, and why. */
export const detectorParametersKnown = view(
  'detector_parameters_known',
  { at: instant },
  {
    name: 'String',
    version: 'UInt32',
    value: 'Float64',
    valid_from: instant,
    author: 'String',
    reason: 'String',
  },
);

/** Cold starts and other waits, for whom one may see. */
export const coldStartAnswers = view(
  'cold_start_answers',
  { ...seen, tenant_id: 'Array(String)', deployment: 'Array(String)', class: 'Array(String)' },
  {
    cold_start_id: 'String',
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
    verdict: 'String',
  },
);

/** What was found, one row per time that it lasted. */
export const anomalyEpisodes = view(
  'anomaly_episodes',
  { ...seen, tenant_id: 'Array(String)', rule: 'Array(String)' },
  {
    anomaly_id: 'String',
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
    verdict: 'String',
  },
);

/** Traffic over time beside what is expected of it, for whom one may see. */
export const trafficCompared = view(
  'traffic_compared',
  { ...seen, step: 'String', tz: 'String', tenant_id: 'Array(String)', deployment: 'Array(String)' },
  {
    bucket: "DateTime('UTC')",
    calls: 'UInt64',
    expected_calls: 'Nullable(Float64)',
    failed: 'UInt64',
    throttled: 'UInt64',
    tokens: 'UInt64',
    first_token_slowness: 'Nullable(Float64)',
    generation_slowness: 'Nullable(Float64)',
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

export const measuredConsumers = view('measured_consumers', { hour: instant }, consumerColumns);
export const measuredHabits = view('measured_habits', { hour: instant }, habitColumns);
export const measuredTotals = view('measured_totals', { hour: instant }, totalColumns);

const maybeInstant = "Nullable(DateTime64(3, 'UTC'))";

/** How far the detectors' tables reach. */
export const measuredThrough = view(
  'measured_through',
  { at: instant },
  { minutes: maybeInstant, hours: maybeInstant, findings: maybeInstant, late: maybeInstant, first_call: maybeInstant },
);

/** Which minutes got calls since an instant of the database's clock. */
export const lateMinutes = view(
  'late_minutes',
  { since: instant, ...range },
  { asked_at: instant, minutes: 'Array(UInt32)' },
);

/** Back ends that start while callers wait. */
const coldStarts = view('cold_starts', { at: instant }, detectionColumns);
/** Objectives whose allowance of failures is used up too fast. */
const sloBurn = view('slo_burn', { at: instant }, detectionColumns);
/** Budgets that are used up too fast, or are. */
const budgetBurn = view('budget_burn', { at: instant }, detectionColumns);
/** Consumers that are not themselves: loops, and keys in other hands. */
const consumerAnomalies = view('consumer_anomalies', { at: instant }, detectionColumns);
/** Spend without a price or without a tenant. */
const moneyGaps = view('money_gaps', { at: instant }, detectionColumns);
/** What is wrong with the books; as they are now, whatever `at`. */
const pipelineHealth = view('pipeline_health', { at: instant }, detectionColumns);

/** What is found in calls, to be read at the instant up to which `prepare` has come. */
export const detectors = [trafficAnomalies, coldStarts, sloBurn, budgetBurn, consumerAnomalies, moneyGaps] as const;

/** What is found in the state of things, to be read at the time it is. */
export const wallDetectors = [pipelineHealth, metricAnomalies] as const;

export const detectionViews = [
  detectorValues,
  measuredThrough,
  lateMinutes,
  measuredMinutes,
  measuredHours,
  measuredBaselines,
  measuredFits,
  measuredGaps,
  measuredConsumers,
  measuredHabits,
  measuredTotals,
  trafficFindings,
  coldStartEpisodes,
  coldStartAnswers,
  anomalyEpisodes,
  contributors,
  trafficCompared,
  calendarKnown,
  detectorParametersKnown,
  ...detectors,
  pipelineHealth,
] as const;
