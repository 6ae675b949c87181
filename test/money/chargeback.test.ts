import { parse } from 'csv-parse/sync';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { agreements, attributions, prices, tenants } from '#clickhouse/money.ts';
import { statements } from '#clickhouse/statements.ts';
import type { App } from '../../api/route.ts';
import { type AnswerRow, ask, at, type Ledger, openLedger } from '../api/ledger.ts';
import { append } from './books.ts';

/*
 * Statements of October 2026 and what comes after. Berlin is two hours before UTC at the month's start and one at its end.
 */
const october = Date.UTC(2026, 9, 10);
let ledger: Ledger;
let app: App;
let key: string;
let stored = 0;

type Statement = {
  data: AnswerRow[];
  meta: {
    status: string;
    sha256: string | null;
    coverage: { priced: number | null; exact_usage: number | null; attributed: number | null };
    totals: AnswerRow[];
    next_open_month?: string;
  };
};

async function call(started_at: number, more: Record<string, unknown> = {}): Promise<void> {
  stored += 1;
  await ledger.store([
    {
      call_id: `gw/${stored}`,
      started_at,
      consumer_id: 'shop',
      provider_name: 'test.provider',
      response_model: 'm',
      http_response_status_code: 200,
      usage_input_tokens: 1_000,
      ...more,
    },
  ]);
}

async function get(path: string): Promise<Response> {
  return app.request(path, { headers: { authorization: `Bearer ${key}` } });
}

async function close(month: string, body?: unknown): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await app.request(`/v1/chargeback/${month}/close`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

async function read(month: string, more = ''): Promise<Statement> {
  return ask<Statement>(app, key, `/v1/chargeback/${month}${more}`);
}

/** Status, headers that say something of the content, and every byte, in each form. */
async function photograph(month: string): Promise<unknown> {
  const forms = ['json', 'csv', 'parquet'];
  return Promise.all(
    forms.map(async (form) => {
      const response = await get(`/v1/chargeback/${month}?format=${form}`);
      return [form, response.status, response.headers.get('x-statement-sha256'), await response.bytes()];
    }),
  );
}

const line = (row: AnswerRow): unknown[] =>
  ['tenant_id', 'cost_center', 'model', 'token_kind', 'charge_kind', 'consumed_quantity', 'list_cost'].map(
    (name) => row[name],
  );

beforeAll(async () => {
  ledger = await openLedger();
  key = await ledger.key({ role: 'finance', name: 'Fin Ance' });
  app = ledger.api(() => new Date(Date.UTC(2026, 11, 24)));
  await append(ledger.db, tenants, [
    { tenant_id: 'retail', name: 'Retail', time_zone: 'Europe/Berlin' },
    { tenant_id: 'lab', name: 'Lab', time_zone: 'America/New_York' },
  ]);
  await append(ledger.db, attributions, [
    { consumer_id: 'shop', tenant_id: 'retail', cost_center: 'cc-1' },
    { consumer_id: 'till', tenant_id: 'retail', cost_center: 'cc-2' },
    { consumer_id: 'bench', tenant_id: 'lab', cost_center: 'cc-9' },
  ]);
  await append(
    ledger.db,
    prices,
    [
      { model: 'm', token_kind: 'input', list_unit_price: '5' },
      { model: 'm', token_kind: 'output', list_unit_price: '15' },
      { model: 'yen', token_kind: 'input', list_unit_price: '2500', pricing_currency: 'JPY' },
    ],
    { each: { provider_name: 'test.provider' } },
  );
  await append(ledger.db, agreements, [{ agreement_id: 'a', tenant_id: 'retail', discount_percent: '10' }]);
  // 0.005 each: every one alone would be rounded to 0.00, and together they are 0.02.
  await call(october, { consumer_id: 'shop' });
  await call(october, { consumer_id: 'till' });
  await call(october, { consumer_id: 'shop', usage_input_tokens: null, usage_output_tokens: 333 });
  await call(october, { consumer_id: 'till', usage_input_tokens: null, usage_output_tokens: 333 });
  await call(october, { consumer_id: 'bench', usage_input_tokens: 3_000_000 });
  await call(october, { consumer_id: 'shop', response_model: 'new-model', usage_input_tokens: 77 });
  await call(october, { consumer_id: 'shop', response_model: 'yen', usage_input_tokens: 1_000 });
  await call(october, { consumer_id: 'stranger', usage_input_tokens: 2_000 });
  // The last second of Berlin's September and the first of its October; the same for New York's October and November.
  await call(Date.UTC(2026, 8, 30, 21, 59, 59), { response_model: 'border', usage_input_tokens: 1 });
  await call(Date.UTC(2026, 8, 30, 22), { response_model: 'border', usage_input_tokens: 2 });
  await call(Date.UTC(2026, 9, 31, 22, 59, 59), { response_model: 'border', usage_input_tokens: 4 });
  await call(Date.UTC(2026, 9, 31, 23), { response_model: 'border', usage_input_tokens: 8 });
  const bench = { consumer_id: 'bench', response_model: 'border' };
  await call(Date.UTC(2026, 10, 1, 3, 59, 59), { ...bench, usage_input_tokens: 16 });
});

afterAll(async () => ledger.close());

describe('an open month', () => {
  test('has a line per tenant, cost center, model and kind, in the month of the tenant’s zone', async () => {
    const { data, meta } = await read('2026-10');
    expect(data.map(line)).toEqual([
      ['lab', 'cc-9', 'border', 'input', 'unpriced_tokens', '16', null],
      ['lab', 'cc-9', 'm', 'input', 'tokens', '3000000', '15.00'],
      ['retail', 'cc-1', 'border', 'input', 'unpriced_tokens', '6', null],
      ['retail', 'cc-1', 'm', 'input', 'tokens', '1000', '0.01'],
      ['retail', 'cc-1', 'm', 'output', 'tokens', '333', '0.00'],
      ['retail', 'cc-1', 'new-model', 'input', 'unpriced_tokens', '77', null],
      ['retail', 'cc-1', 'yen', 'input', 'tokens', '1000', '2'],
      ['retail', 'cc-2', 'm', 'input', 'tokens', '1000', '0.01'],
      ['retail', 'cc-2', 'm', 'output', 'tokens', '333', '0.00'],
      ['unattributed', '', 'm', 'input', 'tokens', '2000', '0.01'],
    ]);
    expect(data.find((row) => row['model'] === 'new-model')).toMatchObject({ unpriced_reasons: ['unknown_model'] });
    expect(meta).toMatchObject({ status: 'open', sha256: null, coverage: { exact_usage: 1, attributed: 0.909_09 } });
  });

  test('lines add up to the rounded total: 0.005 + 0.004995 twice is 0.01999, so 0.02; after 10 % off 0.017991', async () => {
    const { data, meta } = await read('2026-10');
    const cents = (cost: string): number[] =>
      data
        .filter((row) => row['tenant_id'] === 'retail' && row['billing_currency'] === 'USD')
        .map((row) => Math.round(Number(row[cost]) * 100));
    const sum = (all: number[]): number => all.reduce((a, b) => a + b, 0);
    expect([sum(cents('list_cost')), sum(cents('effective_cost'))]).toEqual([2, 2]);
    expect(meta.totals).toEqual([
      {
        tenant_id: 'lab',
        billing_currency: 'USD',
        list_cost: '15.00',
        contracted_cost: '15.00',
        effective_cost: '15.00',
      },
      // 2.5 yen is 2, the even neighbour, and has no decimals.
      { tenant_id: 'retail', billing_currency: 'JPY', list_cost: '2', contracted_cost: '2', effective_cost: '2' },
      {
        tenant_id: 'retail',
        billing_currency: 'USD',
        list_cost: '0.02',
        contracted_cost: '0.02',
        effective_cost: '0.02',
      },
      {
        tenant_id: 'unattributed',
        billing_currency: 'USD',
        list_cost: '0.01',
        contracted_cost: '0.01',
        effective_cost: '0.01',
      },
    ]);
  });

  test('is the same as CSV and as Parquet', async () => {
    const { data } = await read('2026-10');
    const rows: Record<string, string>[] = parse(await (await get('/v1/chargeback/2026-10?format=csv')).text(), {
      columns: true,
    });
    expect(rows.map(line)).toEqual(data.map((row) => line({ ...row, list_cost: row['list_cost'] ?? '' })));
    const bytes = Buffer.from(await (await get('/v1/chargeback/2026-10?format=parquet')).bytes());
    const read_back = await ledger.db.query<AnswerRow>(
      `SELECT * REPLACE (toString(list_cost) AS list_cost) FROM format(Parquet, unhex('${bytes.toString('hex')}'))`,
    );
    expect(read_back.map((row) => [row['model'], Number(row['list_cost'])])).toEqual(
      data.map((row) => [row['model'], Number(row['list_cost'])]),
    );
    expect(read_back.some((row) => row['list_cost'] === null)).toBe(true);
  });

  test('as known before the prices were, has tokens without a price and no amount', async () => {
    const { data, meta } = await read('2026-10', '?as_known_at=2020-01-01T00:00:00Z');
    expect(new Set(data.map((row) => row['charge_kind']))).toEqual(new Set(['unpriced_tokens']));
    expect([meta.coverage.priced, meta.totals]).toEqual([0, []]);
  });

  test('is for finance and admin only, and for a month', async () => {
    for (const role of ['viewer', 'on_call'] as const) {
      const other = await ledger.key({ role, ...(role === 'viewer' ? { tenants: ['retail'] } : {}) });
      const headers = { authorization: `Bearer ${other}` };
      expect((await app.request('/v1/chargeback/2026-10', { headers })).status).toBe(403);
      expect((await app.request('/v1/chargeback/2026-10/close', { method: 'POST', headers })).status).toBe(403);
    }
    expect((await get('/v1/chargeback/2026-13')).status).toBe(400);
  });
});

describe('closing a month', () => {
  test('that is not finished in the last of its zones is refused, and changes nothing', async () => {
    // Received through 03:59:59 + 1 s UTC: New York's October ends then, at 04:00, so one second is enough.
    await ledger.store(
      [
        {
          call_id: 'gw/late-zone',
          started_at: Date.UTC(2026, 10, 1, 3),
          enqueued_at: at(Date.UTC(2026, 10, 1, 3, 59, 59)),
        },
      ],
      'test/hub/1',
    );
    const refused = await close('2026-10');
    expect([refused.status, refused.body['type']]).toEqual([409, 'urn:gatemeter:problem:conflict']);
    expect(refused.body['detail']).toContain('2026-10 is not finished: it ends at 2026-11-01T04:00:00.000Z');
    expect((await read('2026-10')).meta.status).toBe('open');
    for (const stream of ['test/hub/0', 'test/hub/1']) {
      const later = { call_id: `gw/${stream}`, started_at: Date.UTC(2026, 11, 24), consumer_id: 'shop' };
      await ledger.store([later], stream);
    }
  });

  test('stores what was shown, with its knowledge and the hash of its CSV', async () => {
    const before = await read('2026-10');
    const { status } = await close('2026-10', { reason: 'month end' });
    expect(status).toBe(200);
    const { data, meta } = await read('2026-10');
    expect(data).toEqual(before.data);
    const response = await get('/v1/chargeback/2026-10?format=csv');
    const hash = createHash('sha256')
      .update(await response.bytes())
      .digest('hex');
    expect(meta).toMatchObject({ status: 'closed', sha256: hash, closed_by: 'Fin Ance', reason: 'month end' });
    expect(meta).toMatchObject({ coverage: before.meta.coverage, totals: before.meta.totals });
  });

  test('twice is a conflict, and so are its corrections while a month is open', async () => {
    const again = await close('2026-10');
    expect([again.status, String(again.body['detail'])]).toEqual([409, expect.stringContaining('closed already')]);
    expect((await get('/v1/chargeback/2026-11/corrections')).status).toBe(409);
    expect((await get('/v1/chargeback/2026-10?as_known_at=2026-01-01T00:00:00Z')).status).toBe(400);
    expect((await close('2026-11', { as_known_at: '2099-01-01T00:00:00Z' })).status).toBe(400);
    expect((await close('2026-11', { reazon: 'typo' })).status).toBe(400);
  });
});

describe('a closed month', () => {
  const late = october + 86_400_000;

  test('is byte-identical after a late call, a back-dated price and a changed attribution, in every form', async () => {
    const before = await photograph('2026-10');
    const changes: [string, () => Promise<void>][] = [
      ['a late call', async () => call(late, { consumer_id: 'bench', usage_input_tokens: 1_000_000 })],
      [
        'a back-dated price',
        async () =>
          append(ledger.db, prices, [
            { provider_name: 'test.provider', model: 'new-model', token_kind: 'input', list_unit_price: '1000' },
          ]),
      ],
      [
        'a changed attribution',
        async () =>
          append(ledger.db, attributions, [{ consumer_id: 'stranger', tenant_id: 'retail', cost_center: 'cc-3' }]),
      ],
      [
        'another time zone of a tenant',
        async () => append(ledger.db, tenants, [{ tenant_id: 'lab', name: 'Lab', time_zone: 'UTC' }]),
      ],
    ];
    for (const [what, change] of changes) {
      await change();
      expect([what, await photograph('2026-10')]).toEqual([what, before]);
    }
  });

  test('has as corrections exactly what changed, in the next open month, with the month of the use', async () => {
    const expected = [
      // The 16 tokens of 03:59:59 UTC are of November in UTC.
      ['lab', 'cc-9', 'border', 'input', 'unpriced_tokens', '-16', null],
      ['lab', 'cc-9', 'm', 'input', 'tokens', '1000000', '5.00'],
      ['retail', 'cc-1', 'new-model', 'input', 'tokens', '77', '0.08'],
      ['retail', 'cc-1', 'new-model', 'input', 'unpriced_tokens', '-77', null],
      ['retail', 'cc-3', 'm', 'input', 'tokens', '2000', '0.01'],
      ['unattributed', '', 'm', 'input', 'tokens', '-2000', '-0.01'],
    ];
    const { data, meta } = await read('2026-10', '/corrections');
    expect(data.map(line)).toEqual(expected);
    expect(meta.next_open_month).toBe('2026-11');
    expect(new Set(data.map((row) => row['statement_month']))).toEqual(new Set([null]));
    const november = (await read('2026-11')).data.filter((row) => row['charge_class'] === 'Correction');
    expect(november.map(line)).toEqual(expected);
    expect(new Set(november.map((row) => row['charge_month']))).toEqual(new Set(['2026-10']));
  });

  test('has no correction twice: once billed it is in its closed statement, and the next open month has only what is new', async () => {
    expect((await close('2026-11')).status).toBe(200);
    const booked = await read('2026-10', '/corrections');
    expect(booked.meta.next_open_month).toBe('2026-12');
    expect(new Set(booked.data.map((row) => row['statement_month']))).toEqual(new Set(['2026-11']));
    expect(booked.data.length).toBe(6);
    await call(late, { consumer_id: 'till' });
    const december = (await read('2026-12')).data.filter((row) => row['charge_class'] === 'Correction');
    expect(december.map(line)).toEqual([['retail', 'cc-2', 'm', 'input', 'tokens', '1000', '0.00']]);
    // All that was billed for retail's October: 0.02 + 0.087 + 0.005 = 0.11199, so 0.11 and nothing more.
    const all = [await read('2026-10'), { data: (await read('2026-10', '/corrections')).data }].flatMap((s) => s.data);
    const cents = all
      .filter((row) => row['tenant_id'] === 'retail' && row['billing_currency'] === 'USD')
      .reduce((sum, row) => sum + Math.round(Number(row['list_cost']) * 100), 0);
    expect(cents).toBe(11);
  });

  test('is closed once however many close it at the same time', async () => {
    const answers = await Promise.all([close('2026-09'), close('2026-09'), close('2026-09')]);
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 409, 409]);
    const rows = await ledger.db.query<{ month: string }>(
      `SELECT month FROM ${statements.name} WHERE month = '2026-09'`,
    );
    expect(rows.length).toBe(1);
  });
});
