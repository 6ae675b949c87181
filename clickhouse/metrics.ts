import { detectionColumns, instant } from './detection_tables.ts';
import { table, view, type Types } from './view.ts';

/*
 * Platform metrics and other series of values that are not counts of calls: what is stored of them, how they are compared
 * with their own past, and what is found. The reasons are in the SQL.
 */

const range = { from: instant, to: instant } as const satisfies Types;

const valueColumns = {
  series: 'UInt64',
  at: "DateTime('UTC')",
  labels: 'Map(String, String)',
  value: 'Float64',
  computed_at: instant,
} as const satisfies Types;

const featureColumns = {
  series: 'UInt64',
  at: "DateTime('UTC')",
  known: 'UInt32',
  lowest: 'Float64',
  highest: 'Float64',
  usual: 'Float64',
  beyond: 'Float64',
  rare: 'Float64',
  rare_mean: 'Float64',
  unlike: 'Float64',
  computed_at: instant,
} as const satisfies Types;

const scoreColumns = {
  series: 'UInt64',
  at: "DateTime('UTC')",
  score: 'Float64',
  computed_at: instant,
} as const satisfies Types;

export const metricValues = table('metric_values', valueColumns);
export const metricFeatures = table('metric_features', featureColumns);
export const metricScores = table('metric_scores', scoreColumns);

export const metricTables = [metricValues, metricFeatures, metricScores] as const;

export const measuredMetrics = view('measured_metrics', range, valueColumns);
export const comparedMetrics = view('compared_metrics', range, featureColumns);
export const rankedMetrics = view('ranked_metrics', range, scoreColumns);

/** The findings of every minute of a range; what a tick asks for one minute. */
export const metricFindings = view('metric_findings', range, { evaluated_at: instant, ...detectionColumns });

/** Values that their own series hardly ever had, at one instant. */
export const metricAnomalies = view('metric_anomalies', { at: instant }, detectionColumns);

const maybeInstant = "Nullable(DateTime64(3, 'UTC'))";

export const metricsThrough = view(
  'metrics_through',
  { at: instant },
  { through: maybeInstant, first_value: maybeInstant },
);

export const metricViews = [
  measuredMetrics,
  comparedMetrics,
  rankedMetrics,
  metricFindings,
  metricAnomalies,
  metricsThrough,
] as const;
