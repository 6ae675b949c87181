import { writer } from '../../api/append.ts';
import { createApp } from '../../api/app.ts';
import { createKey, type NewKey } from '../../api/keys.ts';
import { reader } from '../../api/reader.ts';
import { readiness } from '../../api/readiness.ts';
import type { App } from '../../api/route.ts';
import { openDatabase, type Database, type DatabaseConfig } from '#clickhouse/client.ts';
import { attributions, prices } from '#clickhouse/money.ts';
import { events } from '#clickhouse/tables.ts';
import { seal } from '../../ingest/seal.ts';
import { createLog } from '#common/log.ts';
import { startMigratedEngine } from '../support/schema-directory.ts';

/** A record of the kind `call`, by the columns of `events`; what is left out is empty or null. */
export type CallRecord = Partial<Record<keyof typeof events.columns, unknown>> & {
  call_id: string;
  started_at: number;
};

/** An instant, ms, as the database takes it. */
export function at(ms: number): string {
  return new Date(ms).toISOString().replace('T', ' ').replace('Z', '');
}

export type Ledger = {
  readonly db: Database;
  readonly config: DatabaseConfig;
  /** Stores records as one message each of a stream, and seals them. */
  readonly store: (records: readonly CallRecord[], stream?: string) => Promise<void>;
  readonly price: (rows: readonly PriceRow[]) => Promise<void>;
  readonly attribute: (rows: readonly Rule[]) => Promise<void>;
  readonly key: (wanted: Partial<NewKey> & Pick<NewKey, 'role'>) => Promise<string>;
  /** The API as at an instant, without a socket. */
  readonly api: (now: () => Date) => App;
  readonly close: () => Promise<void>;
};

export type PriceRow = {
  provider_name: string;
  model: string;
  token_kind: string;
  context_over_tokens: number;
  list_unit_price: string;
  valid_from: number;
  valid_to: number | null;
};

export type Rule = { consumer_id: string; tenant_id: string; valid_from: number; valid_to: number | null };

/** An embedded engine with the whole schema, and ways to fill and to ask it. */
export async function openLedger(): Promise<Ledger> {
  const { config, stop } = await startMigratedEngine();
  const log = createLog('test', 'silent');
  const db = openDatabase(config, 'test');
  const written = new Map<string, number>();
  return {
    db,
    config,
    store: async (records, stream = 'test/hub/0') => {
      const after = written.get(stream) ?? -1;
      const lines = records.map((record, i) => line(record, stream, after + 1 + i, after));
      await db.insert(events, lines.join('\n'));
      const through = after + records.length;
      written.set(stream, through);
      await seal(db, [{ stream, after, through }]);
    },
    price: async (rows) => {
      const lines = rows.map((row) =>
        JSON.stringify([
          'test',
          row.provider_name,
          row.model,
          '',
          'standard',
          row.token_kind,
          row.context_over_tokens,
          row.list_unit_price,
          1_000_000,
          'Tokens',
          'USD',
          at(row.valid_from),
          row.valid_to === null ? null : at(row.valid_to),
          'test',
          'test',
        ]),
      );
      await db.insert(prices, lines.join('\n'));
    },
    attribute: async (rows) => {
      const lines = rows.map((row) =>
        JSON.stringify([
          row.consumer_id,
          '',
          '',
          row.tenant_id,
          `cc-${row.tenant_id}`,
          '',
          at(row.valid_from),
          row.valid_to === null ? null : at(row.valid_to),
          'test',
          'test',
        ]),
      );
      await db.insert(attributions, lines.join('\n'));
    },
    key: async (wanted) => createKey(db, { name: wanted.role, tenants: [], expiresAt: null, ...wanted }),
    api: (now) =>
      createApp(
        {
          db: reader(db),
          books: writer(db),
          issuer: 'Platform',
          now,
          log,
          intakeUrl: null,
        },
        { readiness: readiness(db, now), metricsText: async () => '' },
        'test',
      ),
    close: async () => {
      await db.close();
      await stop();
    },
  };
}

function line(record: CallRecord, stream: string, sequence: number, prev: number): string {
  const given: Record<string, unknown> = {
    kind: 'call',
    source: 'test',
    usage_quality: 'exact',
    gateway: 'gw',
    record_hash: `${sequence + 1}`,
    enqueued_at: at(record.started_at + 1_000),
    stream,
    sequence_number: sequence,
    record_index: 0,
    prev,
    body_hash: '1',
    body_bytes: 0,
    ...record,
    started_at: at(record.started_at),
  };
  const row = Object.entries(events.columns).map(([name, type]) => {
    if (given[name] !== undefined) return given[name];
    if (type.startsWith('Nullable')) return null;
    return type.startsWith('Map') ? {} : type.startsWith('Array') ? [] : '';
  });
  return JSON.stringify(row);
}

/** Asks with a key; the answer's JSON, and an error with its text for every other status. */
export async function ask<T = Answer>(app: App, key: string, path: string): Promise<T> {
  const response = await app.request(path, { headers: { authorization: `Bearer ${key}` } });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${path} answered ${response.status}: ${text}`);
  return JSON.parse(text) as T;
}

export type AnswerRow = Record<string, string | number | boolean | null | string[]>;

export type Answer = {
  data: AnswerRow[];
  meta: {
    from: string;
    to: string;
    step: string | null;
    complete_through: Record<string, string>;
    coverage: { priced: number | null; exact_usage: number | null; attributed: number | null };
    next_cursor: string | null;
  };
};
