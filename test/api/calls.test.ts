import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { App } from '../../api/route.ts';
import { events } from '#clickhouse/tables.ts';
import { seal } from '../../ingest/seal.ts';
import { type Answer, type AnswerRow, ask, at, type CallRecord, type Ledger, openLedger } from './ledger.ts';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000_000);
console.log(`calls.test.ts runs with SEED=${seed}`);

const start = Date.UTC(2026, 5, 1, 10);
const now = new Date(start + 3_600_000);
const from = new Date(start - 60_000).toISOString();

/** Few instants for many calls, so that pages break within a millisecond; ids whose order bytes and UTF-16 see apart. */
const records: CallRecord[] = fc
  .sample(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.constantFrom('gw/', 'gw/ﬀ', 'gw/😀', 'gw/a b+c%2F&', 'é/')), {
    seed,
    numRuns: 157,
  })
  .map(([ms, prefix], i) => ({ call_id: `${prefix}${i}`, started_at: start + ms, consumer_id: `c${i % 3}` }));

let ledger: Ledger;
let app: App;
let key: string;

beforeAll(async () => {
  ledger = await openLedger();
  await ledger.attribute([{ consumer_id: 'c1', tenant_id: 'one', valid_from: 0, valid_to: null }]);
  await ledger.store(records);
  key = await ledger.key({ role: 'on_call' });
  app = ledger.api(() => now);
});

afterAll(async () => ledger.close());

function newestFirst(some: readonly CallRecord[]): string[] {
  return [...some].sort(newer).map((record) => record.call_id);
}

function newer(a: CallRecord, b: CallRecord): number {
  return b.started_at - a.started_at || Buffer.compare(Buffer.from(a.call_id), Buffer.from(b.call_id));
}

async function allPages(path: string, between: () => Promise<void> = async () => {}): Promise<AnswerRow[]> {
  const rows: AnswerRow[] = [];
  let next: string | null = null;
  do {
    const page: Answer = await ask(app, key, `${path}${next === null ? '' : `&cursor=${encodeURIComponent(next)}`}`);
    rows.push(...page.data);
    next = page.meta.next_cursor;
    await between();
  } while (next !== null);
  return rows;
}

describe('the list of calls', () => {
  test('pages hold every call exactly once and newest first, also within one millisecond', async () => {
    for (const limit of [157, 40]) {
      const rows = await allPages(`/v1/calls?from=${from}&limit=${limit}`);
      expect(rows.map((row) => row['call_id'])).toEqual(newestFirst(records));
    }
  });

  test('a page that is smaller than one millisecond of calls still goes on', async () => {
    const some = records.filter((record) => record.consumer_id === 'c1');
    const rows = await allPages(`/v1/calls?from=${from}&limit=5&consumer_id=c1`);
    expect(rows.map((row) => row['call_id'])).toEqual(newestFirst(some));
  });

  test('calls that arrive while somebody pages shift nothing: what was there comes once', async () => {
    let late = 0;
    const rows = await allPages(`/v1/calls?from=${from}&limit=50&consumer_id=c0`, async () => {
      late += 1;
      await ledger.store([{ call_id: `gw/0late${late}`, started_at: start + 9, consumer_id: 'c0' }]);
    });
    const ids = rows.map((row) => row['call_id']);
    const wanted = newestFirst(records.filter((record) => record.consumer_id === 'c0'));
    expect(ids.filter((id) => !String(id).includes('late'))).toEqual(wanted);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('a row names its tenant, keeps counts as text, and has no column of the storage', async () => {
    const { data } = await ask(app, key, `/v1/calls?from=${from}&consumer_id=c1&limit=1`);
    expect(data[0]).toMatchObject({ tenant_id: 'one', cost_center: 'cc-one', usage_quality: 'exact' });
    for (const name of ['version', 'is_deleted', 'bucket', 'time'])
      expect(Object.keys(data[0] ?? {})).not.toContain(name);
  });
});

describe('one call', () => {
  test('every id finds its call, whatever characters it has', async () => {
    for (const record of records.slice(0, 8)) {
      const answer = await ask<{ data: AnswerRow }>(app, key, `/v1/calls/${encodeURIComponent(record.call_id)}`);
      expect(answer.data['call_id']).toBe(record.call_id);
    }
  });

  test('it comes with the records it was sealed from, also when they disagree about caller and time', async () => {
    const parts = [
      {
        kind: 'usage',
        started_at: null,
        enqueued_at: at(start + 5_000),
        usage_output_tokens: 7,
        usage_quality: 'exact',
      },
      {
        kind: 'gateway',
        started_at: at(start + 77),
        enqueued_at: at(start + 9_000),
        consumer_id: 'c1',
        duration_ms: 5,
      },
      { kind: 'call', started_at: at(start + 99), enqueued_at: at(start + 9_500), consumer_id: 'c9', duration_ms: 6 },
    ];
    const lines = parts.map((part, i) => {
      const common = { stream: 'test/hub/parts', sequence_number: i, record_index: 0, prev: -1, body_bytes: 0 };
      const given: Record<string, unknown> = {
        ...common,
        body_hash: '1',
        record_hash: `${i}`,
        call_id: 'gw/parts',
        ...part,
      };
      const row = Object.entries(events.columns).map(([name, type]) => {
        if (given[name] !== undefined) return given[name];
        return type.startsWith('Nullable') ? null : type.startsWith('Array') ? [] : type.startsWith('Map') ? {} : '';
      });
      return JSON.stringify(row);
    });
    await ledger.db.insert(events, lines.join('\n'));
    await seal(ledger.db, [{ stream: 'test/hub/parts', after: -1, through: 2 }]);

    const { data } = await ask<{ data: AnswerRow & { records: AnswerRow[] } }>(app, key, '/v1/calls/gw%2Fparts');
    expect(data).toMatchObject({ call_id: 'gw/parts', consumer_id: 'c1', tenant_id: 'one', usage_output_tokens: '7' });
    expect(data['duration_ms']).toBe(5);
    expect(data.records.map((record) => record['kind'])).toEqual(['usage', 'gateway', 'call']);
  });
});

describe('the pipeline', () => {
  test('its sums are those of its streams, and it says that they balance', async () => {
    await ledger.store([{ call_id: 'gw/second', started_at: start, consumer_id: 'c1' }], 'test/hub/1');
    type Pipeline = {
      data: AnswerRow[];
      meta: { received: string; records: string; balanced: boolean; kinds: AnswerRow[] };
    };
    const { data, meta } = await ask<Pipeline>(app, key, '/v1/pipeline');
    expect(data.map((row) => row['stream'])).toEqual(['test/hub/0', 'test/hub/1', 'test/hub/parts']);
    const total = (name: string): string => String(data.reduce((sum, row) => sum + BigInt(String(row[name])), 0n));
    expect(meta).toMatchObject({ received: total('received'), records: total('records'), balanced: true });
    expect(String(meta.kinds.reduce((sum, row) => sum + BigInt(String(row['records'])), 0n))).toBe(meta.records);
  });

  test('one hole in one stream and it no longer says that it balances', async () => {
    await ledger.store([{ call_id: 'gw/a', started_at: start, sequence_number: 0 }], 'test/hub/2');
    await ledger.store([{ call_id: 'gw/b', started_at: start, sequence_number: 5 }], 'test/hub/2');
    const { meta } = await ask<{ meta: { balanced: boolean } }>(app, key, '/v1/pipeline');
    expect(meta.balanced).toBe(false);
  });
});
