import { calls, links } from './tables.ts';
import { view, type Types } from './view.ts';

/** The dimensions that a question can be grouped and filtered by, in the order of their columns. */
export const dimensions = {
  tenant_id: 'String',
  consumer_id: 'String',
  product_id: 'String',
  api_id: 'String',
  operation_name: 'String',
  provider_name: 'String',
  response_model: 'String',
  deployment: 'String',
  backend: 'String',
  region: 'String',
  source: 'String',
  service_tier: 'String',
  user_id: 'String',
} as const satisfies Types;

/** Who asks, for when, as known when, and which calls: the parameters of every question. Empty filter arrays mean all. */
const question = {
  from: "DateTime64(3, 'UTC')",
  to: "DateTime64(3, 'UTC')",
  step: 'String',
  tz: 'String',
  as_known_at: "DateTime64(3, 'UTC')",
  visible_tenants: 'Array(String)',
  tenant_id: 'Array(String)',
  consumer_id: 'Array(String)',
  product_id: 'Array(String)',
  api_id: 'Array(String)',
  operation_name: 'Array(String)',
  provider_name: 'Array(String)',
  response_model: 'Array(String)',
  deployment: 'Array(String)',
  backend: 'Array(String)',
  region: 'Array(String)',
  source: 'Array(String)',
  service_tier: 'Array(String)',
  user_id: 'Array(String)',
} as const satisfies Types;

const grouped = { ...question, group_by: 'Array(String)' } as const satisfies Types;

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
  error_rate: 'Float64',
  throttled_rate: 'Float64',
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

export const spend = view('spend', grouped, {
  bucket: "DateTime('UTC')",
  ...dimensions,
  calls: 'UInt64',
  priced_tokens: 'UInt64',
  unpriced_tokens: 'UInt64',
  unpriced_models: 'Array(String)',
  list_cost: 'Nullable(Decimal(76, 24))',
  pricing_currency: 'String',
});

export const callRecords = view(
  'call_records',
  { call_id: 'String' },
  {
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

/** The merge of records into calls; `insertFromView(calls, sealed)` is sealing. */
export const sealed = view(
  'sealed',
  {
    stream: 'String',
    after: 'Int64',
    through: 'Int64',
    orphans: 'Array(String)',
    orphans_since: "DateTime64(3, 'UTC')",
    linked_ids: 'Array(String)',
    roots: 'Array(String)',
  },
  calls.columns,
);

/** Pairs of ids that records of a range state to be one call; `insertFromView(links, statedLinks)` keeps them. */
export const statedLinks = view('stated_links', { stream: 'String', after: 'Int64', through: 'Int64' }, links.columns);

/** The pairs that the calls of a range, and the orphans, are part of. */
export const linked = view(
  'linked',
  { stream: 'String', after: 'Int64', through: 'Int64', orphans: 'Array(String)' },
  links.columns,
);

/** What is known to be missing of a window. */
export const losses = view(
  'losses',
  { from: "DateTime64(3, 'UTC')", to: "DateTime64(3, 'UTC')" },
  { loss: 'String', source: 'String', affected: 'UInt64', last_at: "DateTime64(3, 'UTC')" },
);

/** How far the metrics of each resource have been polled. */
export const polledThrough = view('polled_through', {}, { workspace: 'String', through: "DateTime64(3, 'UTC')" });

/** What the ways in beside the hub have stored and nobody has sealed. */
export const unsealed = view(
  'unsealed',
  {},
  { stream: 'LowCardinality(String)', sealed_through: 'Int64', watermark: 'Int64' },
);

const rejectedParameters = {
  from: "DateTime64(3, 'UTC')",
  to: "DateTime64(3, 'UTC')",
  reason: 'Array(String)',
  source: 'Array(String)',
} as const satisfies Types;

export const rejectedRecords = view('rejected_records', rejectedParameters, {
  stream: 'LowCardinality(String)',
  sequence_number: 'Int64',
  record_index: 'UInt32',
  enqueued_at: "DateTime64(3, 'UTC')",
  source: 'LowCardinality(String)',
  reason: 'LowCardinality(String)',
  detail: 'String',
  body: 'String',
  body_bytes: 'UInt32',
  replayed: 'Bool',
});

export const rejected = view('rejected', rejectedParameters, {
  source: 'LowCardinality(String)',
  reason: 'LowCardinality(String)',
  records: 'UInt64',
  replayed_records: 'UInt64',
  first_enqueued_at: "DateTime64(3, 'UTC')",
  last_enqueued_at: "DateTime64(3, 'UTC')",
  example: 'String',
});

export const backfilled = view(
  'backfilled',
  { workspace: 'String', log: 'String' },
  { window_from: "DateTime64(3, 'UTC')", window_to: "DateTime64(3, 'UTC')", records: 'UInt64' },
);

export const orphans = view(
  'orphans',
  { inserted_from: "DateTime64(3, 'UTC')", inserted_to: "DateTime64(3, 'UTC')" },
  { call_id: 'String', since: "DateTime64(3, 'UTC')" },
);

export const committed = view(
  'committed',
  { stream: 'String', after: 'Int64', since: "DateTime64(3, 'UTC')" },
  { watermark: 'Int64', messages: 'UInt64', records: 'UInt64', unreadable: 'UInt64' },
);

export const positions = view(
  'positions',
  {},
  {
    stream: 'LowCardinality(String)',
    first: 'Int64',
    last: 'Int64',
    messages: 'UInt64',
    records: 'UInt64',
    missing: 'Int64',
    lost: 'Int64',
  },
);

export const holes = view('holes', { stream: 'String' }, { first: 'Int64', last: 'Int64' });

export const pipeline = view(
  'pipeline',
  {},
  {
    stream: 'LowCardinality(String)',
    received: 'UInt64',
    records: 'UInt64',
    call_records: 'UInt64',
    part_records: 'UInt64',
    dropped: 'UInt64',
    rejected: 'UInt64',
    first_sequence_number: 'Int64',
    watermark: 'Int64',
    missing: 'Int64',
    lost: 'Int64',
    balanced: 'Bool',
    waiting: 'Int64',
    state: 'String',
    owner: 'String',
    sealed_through: 'Int64',
    newest_enqueued_at: "DateTime64(3, 'UTC')",
    complete_through: "DateTime64(3, 'UTC')",
  },
);

export const recordCounts = view(
  'record_counts',
  {},
  {
    source: 'LowCardinality(String)',
    kind: 'LowCardinality(String)',
    reason: 'LowCardinality(String)',
    records: 'UInt64',
    newest_enqueued_at: "DateTime64(3, 'UTC')",
  },
);

/** Repeated deliveries that were merged into calls, and the calls that they touch. */
export const duplicates = view('duplicates', {}, { records: 'UInt64', calls: 'UInt64' });

export const clock = view('clock', {}, { now: "DateTime64(3, 'UTC')" });

export const lastMessage = view(
  'last_message',
  { stream: 'String', sequence_number: 'Int64' },
  { sequence_number: 'Int64', body_hash: 'UInt64', enqueued_at: "DateTime64(3, 'UTC')" },
);

export const ownership = view(
  'ownership',
  {},
  {
    stream: 'LowCardinality(String)',
    epoch: 'UInt64',
    owner: 'String',
    state: 'String',
    sealed_through: 'Int64',
    silent_ms: 'Int64',
  },
);

export const workers = view('workers', {}, { owner: 'String' });

export const priceSources = view(
  'price_sources',
  {},
  { author: 'String', reason: 'String', rows: 'UInt64', known_from: "DateTime64(3, 'UTC')" },
);

/** A key's principal, while the key is valid by the database's clock. */
export const apiKey = view(
  'api_key',
  { key_hash: 'String' },
  {
    name: 'String',
    role: 'LowCardinality(String)',
    tenants: 'Array(String)',
    remaining_ms: 'Nullable(Float64)',
  },
);

/** Every view of migrations/views that TypeScript reads; `contract.ts` compares them with the database. */
export const views = [
  attributedCalls,
  usage,
  errors,
  latency,
  spend,
  callRecords,
  sealed,
  statedLinks,
  linked,
  unsealed,
  rejectedRecords,
  rejected,
  backfilled,
  polledThrough,
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
  priceSources,
  apiKey,
] as const;
