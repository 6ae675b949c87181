import { alertViews } from './alerts.ts';
import { detectionViews } from './detection.ts';
import {
  apiKey,
  backfilled,
  clock,
  committed,
  heardGateways,
  holes,
  lastMessage,
  linked,
  orphans,
  ownership,
  polledThrough,
  positions,
  sealed,
  statedLinks,
  touched,
  unsealed,
  workers,
} from './ledger.ts';
import { bookViews } from './books.ts';
import { invoiceImports, reconciliation } from './invoices.ts';
import { metricViews } from './metrics.ts';
import { moneyViews } from './money.ts';
import { duplicates, losses, pipeline, recordCounts, rejected, rejectedRecords } from './pipeline.ts';
import { statementViews } from './statements.ts';
import { calls } from './tables.ts';
import { dimensions, grouped, question, unfiltered } from './question.ts';
import { view } from './view.ts';

export { dimensions, unfiltered };

const { version: _version, is_deleted: _deleted, ...callColumns } = calls.columns;

/** Calls with their tenant: one row per call. */
export const attributedCalls = view('attributed_calls', question, {
  ...callColumns,
  tenant_id: 'String',
  cost_center: 'String',
  bucket: "DateTime('UTC')",
});

export const usage = view('usage', grouped, {
  bucket: "DateTime('UTC')",
  ...dimensions,
  calls: 'UInt64',
  input_tokens: 'UInt64',
  cache_read_input_tokens: 'UInt64',
  cache_creation_input_tokens: 'UInt64',
  audio_input_tokens: 'UInt64',
  output_tokens: 'UInt64',
  reasoning_output_tokens: 'UInt64',
  audio_output_tokens: 'UInt64',
  total_tokens: 'UInt64',
  usage_calls: 'UInt64',
  exact_usage_calls: 'UInt64',
  partial_usage_calls: 'UInt64',
  estimated_usage_calls: 'UInt64',
  missing_usage_calls: 'UInt64',
  disagreeing_calls: 'UInt64',
  attributed_calls: 'UInt64',
});

export const errors = view('errors', grouped, {
  bucket: "DateTime('UTC')",
  ...dimensions,
  error_type: 'String',
  calls: 'UInt64',
  status_2xx: 'UInt64',
  status_3xx: 'UInt64',
  status_4xx: 'UInt64',
  status_5xx: 'UInt64',
  throttled: 'UInt64',
  status_unknown: 'UInt64',
  failed: 'UInt64',
  retried: 'UInt64',
  retries: 'UInt64',
  error_rate: 'Nullable(Float64)',
  throttled_rate: 'Nullable(Float64)',
});

export const latency = view('latency', grouped, {
  bucket: "DateTime('UTC')",
  ...dimensions,
  metric: 'String',
  calls: 'UInt64',
  p50: 'Float64',
  p90: 'Float64',
  p95: 'Float64',
  p99: 'Float64',
  max: 'Float64',
});

export const callRecords = view(
  'call_records',
  { call_ids: 'Array(String)' },
  {
    call_id: 'String',
    stream: 'LowCardinality(String)',
    sequence_number: 'Int64',
    record_index: 'UInt32',
    enqueued_at: "DateTime64(3, 'UTC')",
    inserted_at: "DateTime64(3, 'UTC')",
    kind: 'LowCardinality(String)',
    source: 'LowCardinality(String)',
    reason: 'LowCardinality(String)',
    started_at: "Nullable(DateTime64(3, 'UTC'))",
    consumer_id: 'LowCardinality(String)',
    response_model: 'LowCardinality(String)',
    deployment: 'LowCardinality(String)',
    http_response_status_code: 'Nullable(UInt16)',
    duration_ms: 'Nullable(UInt32)',
    usage_input_tokens: 'Nullable(UInt64)',
    usage_cache_read_input_tokens: 'Nullable(UInt64)',
    usage_output_tokens: 'Nullable(UInt64)',
    usage_reasoning_output_tokens: 'Nullable(UInt64)',
    usage_total_tokens: 'Nullable(UInt64)',
    usage_quality: 'LowCardinality(String)',
  },
);

/** Where a call may stand in `calls`, by any of its ids. */
export const callKeys = view(
  'call_keys',
  { call_id: 'String' },
  { call_ids: 'Array(String)', consumer_id: 'LowCardinality(String)', started_at: "DateTime64(3, 'UTC')" },
);

/** Every view of migrations/views that TypeScript reads; `contract.ts` compares them with the database. */
export const views = [
  attributedCalls,
  usage,
  errors,
  latency,
  ...moneyViews,
  ...statementViews,
  ...bookViews,
  invoiceImports,
  reconciliation,
  callRecords,
  callKeys,
  sealed,
  statedLinks,
  linked,
  touched,
  unsealed,
  rejectedRecords,
  rejected,
  backfilled,
  polledThrough,
  heardGateways,
  losses,
  orphans,
  committed,
  positions,
  holes,
  pipeline,
  recordCounts,
  duplicates,
  clock,
  lastMessage,
  ownership,
  workers,
  apiKey,
  ...detectionViews,
  ...metricViews,
  ...alertViews,
] as const;
