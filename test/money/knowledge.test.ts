import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attributions, bookTables, prices } from '#clickhouse/money.ts';
import type { App } from '../../api/route.ts';
import { type AnswerRow, ask, type CallRecord, type Ledger, openLedger } from '../api/ledger.ts';
import { append, type BookRow, spent } from './books.ts';

/*
 * Who pays for a call, and what was known when. Every call has a deployment of its own, by which the questions find it,
 * and a million input tokens.
 */
const day = Date.UTC(2026, 9, 5, 12);
const window = 'from=2026-10-05T00:00:00Z&to=2026-10-07T00:00:00Z';

let ledger: Ledger;
let app: App;
let key: string;
let stored = 0;

beforeAll(async () => {
  ledger = await openLedger();
  key = await ledger.key({ role: 'finance' });
  app = ledger.api(() => new Date(day + 86_400_000));
});

afterAll(async () => ledger.close());

async function call(deployment: string, more: Partial<CallRecord> = {}): Promise<void> {
  stored += 1;
  await ledger.store([
    {
      call_id: `gw/${stored}`,
      started_at: day,
      consumer_id: 'nobody',
      provider_name: 'test.provider',
      deployment,
      http_response_status_code: 200,
      usage_input_tokens: 1_000_000,
      ...more,
    },
  ]);
}

async function priced(...rows: BookRow[]): Promise<void> {
  await append(ledger.db, prices, rows, {
    each: { provider_name: 'test.provider', token_kind: 'input', list_unit_price: '1' },
  });
}

async function cost(deployment: string, more = ''): Promise<AnswerRow> {
  const rows = await spent(app, key, `${window}&deployment=${encodeURIComponent(deployment)}${more}`);
  expect(rows.length).toBe(1);
  return rows[0] ?? {};
}

describe('who pays, by rules of different width', () => {
  test('consumer before API before product, and the narrower the earlier', async () => {
    await append(ledger.db, attributions, [
      { product_id: 'p1', tenant_id: 'product' },
      { api_id: 'api1', tenant_id: 'api' },
      { product_id: 'p1', api_id: 'api1', tenant_id: 'both' },
      { consumer_id: 'c', tenant_id: 'consumer' },
      { consumer_id: 'c', product_id: 'p1', tenant_id: 'consumer+product' },
      { consumer_id: 'c', api_id: 'api1', tenant_id: 'consumer+api' },
      { consumer_id: 'late', tenant_id: 'first' },
      { consumer_id: 'late', tenant_id: 'second', valid_from: '2026-10-01 00:00:00.000' },
      { consumer_id: 'over', tenant_id: 'first' },
      {
        consumer_id: 'over',
        tenant_id: 'second',
        valid_from: '2026-09-01 00:00:00.000',
        valid_to: '2026-10-01 00:00:00.000',
      },
    ]);
    const cases: [Partial<CallRecord>, string][] = [
      [{ consumer_id: 'x', product_id: 'p1' }, 'product'],
      [{ consumer_id: 'x', api_id: 'api1' }, 'api'],
      [{ consumer_id: 'x', product_id: 'p1', api_id: 'api1' }, 'both'],
      [{ consumer_id: 'x', product_id: 'p2' }, 'unattributed'],
      [{ consumer_id: 'c', product_id: 'p2' }, 'consumer'],
      [{ consumer_id: 'c', product_id: 'p1' }, 'consumer+product'],
      [{ consumer_id: 'c', product_id: 'p1', api_id: 'api1' }, 'consumer+api'],
      [{ consumer_id: 'late' }, 'second'],
      [{ consumer_id: 'over' }, 'first'],
      [{ consumer_id: '', product_id: 'p1' }, 'product'],
    ];
    for (const [i, [more]] of cases.entries()) await call(`rule ${i}`, more);
    const { data } = await ask(app, key, `/v1/usage?${window}&group_by=deployment,tenant_id&limit=1000`);
    const tenants = new Map(data.map((row) => [row['deployment'], row['tenant_id']]));
    expect(cases.map((_, i) => tenants.get(`rule ${i}`))).toEqual(cases.map(([, tenant]) => tenant));
  });
});

describe('what was known', () => {
  test('a correction changes the answer from when it was known, and the earlier answer can be had again', async () => {
    const price = { provider_name: 'test.provider', model: 'mended', token_kind: 'input' };
    const corrected = { knownFrom: '2026-10-06 08:00:00.000' };
    await append(ledger.db, prices, [{ ...price, list_unit_price: '1' }], { knownFrom: '2026-01-01 00:00:00.000' });
    await append(ledger.db, prices, [{ ...price, list_unit_price: '2' }], corrected);
    await call('mended call', { response_model: 'mended' });
    const answers = ['2026-10-06T08:00:00Z', '2026-10-06T07:59:59.999Z', '2025-12-31T00:00:00Z'].map(
      async (at) => (await cost('mended call', `&as_known_at=${at}`))['list_cost'],
    );
    expect(await Promise.all(answers)).toEqual(['2', '1', null]);
  });

  test('a row that is withdrawn (valid_to is its valid_from) is as if it had never been', async () => {
    await priced(
      { model: 'withdrawn' },
      { model: 'withdrawn', valid_from: '2026-10-01 00:00:00.000', list_unit_price: '9' },
    );
    await call('withdrawn call', { response_model: 'withdrawn' });
    expect(await cost('withdrawn call')).toMatchObject({ list_cost: '9' });
    const at = '2026-10-01 00:00:00.000';
    await priced({ model: 'withdrawn', valid_from: at, valid_to: at, list_unit_price: '9' });
    expect(await cost('withdrawn call')).toMatchObject({ list_cost: '1' });
  });

  test('no program can change a book: each is a plain table that only grows', async () => {
    const names = bookTables.map((book) => book.name);
    const engines = await ledger.db.query<{ engine: string }>(
      'SELECT DISTINCT engine FROM system.tables WHERE database = {database:String} AND name IN {names:Array(String)}',
      { database: ledger.db.name, names },
    );
    expect(engines).toEqual([{ engine: 'MergeTree' }]);
  });
});
