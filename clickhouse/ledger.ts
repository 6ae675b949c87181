import { calls, links } from './tables.ts';
import { view } from './view.ts';

/*
 * The views by which the programs keep the ledger: positions, ownership, sealing, what was read already. What people
 * ask is in views.ts.
 */

/** Messages (after, through] of streams: the three arrays have one element for each range. */
const ranges = { streams: 'Array(String)', afters: 'Array(Int64)', throughs: 'Array(Int64)' } as const;

/** The merge of records into calls; `insertFromView(calls, sealed)` is sealing. */
export const sealed = view(
  'sealed',
  {
    ...ranges,
    orphans: 'Array(String)',
    since: "DateTime64(3, 'UTC')",
    linked_ids: 'Array(String)',
    roots: 'Array(String)',
    parts: 'Array(String)',
    weights: 'Array(UInt64)',
  },
  calls.columns,
);

/** Pairs of ids that records of ranges state to be one call; `insertFromView(links, statedLinks)` keeps them. */
export const statedLinks = view('stated_links', ranges, links.columns);

/** The pairs that the calls of ranges, and the given ids, are part of. */
export const linked = view('linked', { ...ranges, ids: 'Array(String)' }, links.columns);

/** What sealing must know of ranges before it merges their calls; `since` is null where they touch none. */
export const touched = view('touched', ranges, {
  since: "Nullable(DateTime64(3, 'UTC'))",
  states_links: 'Bool',
  has_links: 'Bool',
});

/** How far the metrics of each resource have been polled. */
export const polledThrough = view('polled_through', {}, { workspace: 'String', through: "DateTime64(3, 'UTC')" });

/** What the ways in beside the hub have stored and nobody has sealed. */
export const unsealed = view(
  'unsealed',
  {},
  { stream: 'LowCardinality(String)', sealed_through: 'Int64', watermark: 'Int64' },
);

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

/** The gateways that were heard of since an instant. */
export const heardGateways = view(
  'heard_gateways',
  { since: "DateTime64(3, 'UTC')" },
  {
    gateway: 'LowCardinality(String)',
    source: 'LowCardinality(String)',
    records: 'UInt64',
    first_enqueued_at: "DateTime64(3, 'UTC')",
    last_enqueued_at: "DateTime64(3, 'UTC')",
  },
);
