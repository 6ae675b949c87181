import { alertTables } from './alert_tables.ts';
import { detectionTables } from './detection_tables.ts';
import { metricTables } from './metrics.ts';
import { invoiceLines } from './invoices.ts';
import { bookTables } from './money.ts';
import { statementTables } from './statements.ts';
import { table, type Types } from './view.ts';

/** Nullable measures and the names shared by `events` and `calls`, in wire order. */
const measures = {
  http_response_status_code: 'Nullable(UInt16)',
  backend_response_status_code: 'Nullable(UInt16)',
  request_stream: 'Nullable(Bool)',
  duration_ms: 'Nullable(UInt32)',
  backend_ms: 'Nullable(UInt32)',
  client_ms: 'Nullable(UInt32)',
  time_to_first_token_ms: 'Nullable(UInt32)',
  request_bytes: 'Nullable(UInt64)',
  response_bytes: 'Nullable(UInt64)',
  attempts: 'Nullable(UInt16)',
  throttled_ms: 'Nullable(UInt32)',
  quota_remaining_tokens: 'Nullable(UInt64)',
  truncated: 'Nullable(Bool)',
  sample_fraction: 'Nullable(Float64)',
  usage_input_tokens: 'Nullable(UInt64)',
  usage_cache_read_input_tokens: 'Nullable(UInt64)',
  usage_cache_creation_5m_input_tokens: 'Nullable(UInt64)',
  usage_cache_creation_1h_input_tokens: 'Nullable(UInt64)',
  usage_audio_input_tokens: 'Nullable(UInt64)',
  usage_output_tokens: 'Nullable(UInt64)',
  usage_reasoning_output_tokens: 'Nullable(UInt64)',
  usage_audio_output_tokens: 'Nullable(UInt64)',
  usage_total_tokens: 'Nullable(UInt64)',
} as const satisfies Types;

/** Texts that a record may state, '' where it does not; shared by `events` and `calls`, in wire order. */
const texts = {
  product_id: 'LowCardinality(String)',
  api_id: 'LowCardinality(String)',
  operation_id: 'LowCardinality(String)',
  operation_name: 'LowCardinality(String)',
  provider_name: 'LowCardinality(String)',
  request_model: 'LowCardinality(String)',
  response_model: 'LowCardinality(String)',
  response_id: 'String',
  deployment: 'LowCardinality(String)',
  backend: 'LowCardinality(String)',
  region: 'LowCardinality(String)',
  service_tier: 'LowCardinality(String)',
  user_id: 'String',
  error_type: 'LowCardinality(String)',
  cache_status: 'LowCardinality(String)',
  model_version: 'LowCardinality(String)',
  routing_label: 'LowCardinality(String)',
  moderation_outcome: 'LowCardinality(String)',
  moderation_category: 'LowCardinality(String)',
  moderation_severity: 'LowCardinality(String)',
  throttled_by: 'LowCardinality(String)',
  client_network: 'LowCardinality(String)',
  instance_id: 'LowCardinality(String)',
} as const satisfies Types;

/** What ingest inserts into `events`: one row per message and per record; `inserted_at` is the database's. */
export const events = table('events', {
  stream: 'LowCardinality(String)',
  sequence_number: 'Int64',
  record_index: 'UInt32',
  prev: 'Int64',
  enqueued_at: "DateTime64(3, 'UTC')",
  body_hash: 'UInt64',
  record_hash: 'UInt64',
  kind: 'LowCardinality(String)',
  source: 'LowCardinality(String)',
  reason: 'LowCardinality(String)',
  detail: 'String',
  body: 'String',
  body_bytes: 'UInt32',
  call_id: 'String',
  linked_ids: 'Array(String)',
  gateway: 'LowCardinality(String)',
  started_at: "Nullable(DateTime64(3, 'UTC'))",
  consumer_id: 'LowCardinality(String)',
  ...texts,
  event_name: 'LowCardinality(String)',
  event_reason: 'LowCardinality(String)',
  ...measures,
  measurements: 'Map(LowCardinality(String), Float64)',
  usage_quality: 'LowCardinality(String)',
  unknown_fields: 'Array(LowCardinality(String))',
});

/** One row per call; written from the view `sealed` only. */
export const calls = table('calls', {
  call_id: 'String',
  call_ids: 'Array(String)',
  version: 'UInt64',
  is_deleted: 'UInt8',
  completeness: 'LowCardinality(String)',
  records: 'UInt32',
  duplicates: 'UInt32',
  sources: 'Array(LowCardinality(String))',
  last_enqueued_at: "DateTime64(3, 'UTC')",
  gateway: 'LowCardinality(String)',
  source: 'LowCardinality(String)',
  started_at: "DateTime64(3, 'UTC')",
  consumer_id: 'LowCardinality(String)',
  ...texts,
  ...measures,
  usage_quality: 'LowCardinality(String)',
  usage_disagrees: 'Bool',
});

/** Which ids mean the same call, in both directions, and who says so; derived from `events.linked_ids`. */
export const links = table('links', {
  id: 'String',
  linked_id: 'String',
  stated_by: 'String',
  system: 'LowCardinality(String)',
  since: 'Date',
});

/** Rejected records that were understood later, by their first place. */
export const replays = table('replays', {
  stream: 'LowCardinality(String)',
  sequence_number: 'Int64',
  record_index: 'UInt32',
});

/** Windows that a backfill has stored whole. */
export const backfills = table('backfills', {
  workspace: 'String',
  log: 'LowCardinality(String)',
  window_from: "DateTime64(3, 'UTC')",
  window_to: "DateTime64(3, 'UTC')",
  records: 'UInt64',
});

/** Ownership by compare-and-swap: one row per stream and epoch. */
export const claims = table('claims', { stream: 'LowCardinality(String)', epoch: 'UInt64', owner: 'String' });

/** What an owner last reported of its stream. */
export const streamStates = table('stream_states', {
  stream: 'LowCardinality(String)',
  owner: 'String',
  epoch: 'UInt64',
  state: 'LowCardinality(String)',
  watermark: 'Int64',
  sealed_through: 'Int64',
  beginning_sequence_number: 'Int64',
  last_enqueued_sequence_number: 'Int64',
});

/** Messages that the hub lost before they were read. */
export const gaps = table('gaps', {
  stream: 'LowCardinality(String)',
  first: 'Int64',
  last: 'Int64',
  reason: 'LowCardinality(String)',
});

export const apiKeys = table('api_keys', {
  key_hash: 'FixedString(64)',
  name: 'String',
  role: 'LowCardinality(String)',
  tenants: 'Array(String)',
  expires_at: "Nullable(DateTime64(3, 'UTC'))",
  revoked: 'Bool',
});

/** Every table that a program writes; `contract.ts` compares them with the database. */
export const tables = [
  events,
  calls,
  links,
  claims,
  streamStates,
  gaps,
  replays,
  backfills,
  ...bookTables,
  ...statementTables,
  invoiceLines,
  apiKeys,
  ...detectionTables,
  ...metricTables,
  ...alertTables,
] as const;
