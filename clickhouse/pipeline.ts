import { view, type Types } from './view.ts';

/* The views that say what came in, what became of it, and what is missing. */

/** What is known to be missing of a window. */
export const losses = view(
  'losses',
  { from: "DateTime64(3, 'UTC')", to: "DateTime64(3, 'UTC')" },
  { loss: 'String', source: 'String', affected: 'UInt64', last_at: "DateTime64(3, 'UTC')" },
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

export const pipeline = view(
  'pipeline',
  {},
  {
    stream: 'LowCardinality(String)',
    way: 'String',
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
