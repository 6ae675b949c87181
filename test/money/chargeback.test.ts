import { parse } from 'csv-parse/sync';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { agreements, attributions, prices, tenants } from '#clickhouse/money.ts';
import { statements } from '#clickhouse/statements.ts';
import { billedBy } from '../../api/billed.ts';
import { reader } from '../../api/reader.ts';
import type { App } from '../../api/route.ts';
import { type AnswerRow, at, type Ledger, openLedger } from '../api/ledger.ts';
import { append } from './books.ts';
import { call, finance, type Finance, line, type Statement, sum } from './statements.ts';

/*
 * Statements of October 2026 and what comes after. Berlin is two hours before UTC at the month's start and one at its end.
 * Every statement that is open costs some rating, so each is asked for as seldom as can be.
 */
const october = Date.UTC(2026, 9, 10);
let ledger: Ledger;
let app: App;
let open: Statement;
let fin: Finance;

beforeAll(async () => {
  ledger = await openLedger();
  app = ledger.api(() => new Date(Date.UTC(2026, 11, 24)));
  fin = finance(app, await ledger.key({ role: 'finance', name: 'Fin Ance' }));
  await append(ledger.db, tenants, [
    { tenant_id: 'retail', name: 'Retail', time_zone: 'Europe/Berlin' },
    { tenant_id: 'lab', name: 'Lab', time_zone: 'Europe/Berlin' },
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
  const output = { usage_input_tokens: null, usage_output_tokens: 333 };
  const border = { response_model: 'border' };
  await ledger.store([
    // 0.005 each: every one alone would be rounded to 0.00, and together they are 0.02.
    call(october),
    call(october, { consumer_id: 'till' }),
    call(october, output),
    call(october, { consumer_id: 'till', ...output }),
    call(october, { consumer_id: 'bench', usage_input_tokens: 3_000_000 }),
    call(october, { response_model: 'new-model', usage_input_tokens: 77 }),
    call(october, { response_model: 'yen' }),
    call(october, { consumer_id: 'stranger', usage_input_tokens: 2_000 }),
    // The last second of Berlin's September and the first of its October; the same for October and November.
    call(Date.UTC(2026, 8, 30, 21, 59, 59), { ...border, usage_input_tokens: 1 }),
    call(Date.UTC(2026, 8, 30, 22), { ...border, usage_input_tokens: 2 }),
    call(Date.UTC(2026, 9, 31, 22, 59, 59), { ...border, usage_input_tokens: 4 }),
    call(Date.UTC(2026, 9, 31, 23), { ...border, usage_input_tokens: 8 }),
    call(Date.UTC(2026, 9, 31, 23, 30), { ...border, consumer_id: 'bench', usage_input_tokens: 16 }),
  ]);
  open = await fin.read('2026-10');
}, 180_000);

afterAll(async () => ledger.close());

describe('an open month', () => {
  test('has a line per tenant, cost center, model and kind, in the month of the tenant’s zone', async () => {
    const { data, meta } = open;
    expect(data.map(line)).toEqual([
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
    expect(meta).toMatchObject({ status: 'open', sha256: null, coverage: { exact_usage: 1, attributed: 0.9 } });
  });

  test('lines add up to the rounded total: 0.005 + 0.004995 twice is 0.01999, so 0.02; after 10 % off 0.017991', () => {
    const { data, meta } = open;
    const cents = (cost: string): number[] =>
      data
        .filter((row) => row['tenant_id'] === 'retail' && row['billing_currency'] === 'USD')
        .map((row) => Math.round(Number(row[cost]) * 100));
    expect([sum(cents('list_cost')), sum(cents('effective_cost'))]).toEqual([2, 2]);
    const owed = meta.totals.map((row) =>
      ['tenant_id', 'billing_currency', 'list_cost', 'effective_cost'].map((name) => row[name]),
    );
    expect(owed).toEqual([
      ['lab', 'USD', '15.00', '15.00'],
      // 2.5 yen is 2, the even neighbour, and has no decimals.
      ['retail', 'JPY', '2', '2'],
      ['retail', 'USD', '0.02', '0.02'],
      ['unattributed', 'USD', '0.01', '0.01'],
    ]);
  });

  test('as known before the prices were, has tokens without a price and no amount', async () => {
    const { data, meta } = await fin.read('2026-10', '?as_known_at=2020-01-01T00:00:00Z');
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
    expect((await fin.get('/v1/chargeback/2026-13')).status).toBe(400);
  });
});

describe('closing a month', () => {
  test('that is not finished in the last of its zones is refused, and changes nothing', async () => {
    // Received through 23:59:59 UTC: Berlin's October has ended then, and that of UTC ends one second later.
    const border = { call_id: 'gw/border', started_at: Date.UTC(2026, 9, 31, 23) };
    await ledger.store([{ ...border, enqueued_at: at(Date.UTC(2026, 9, 31, 23, 59, 59)) }], 'test/hub/1');
    const refused = await fin.close('2026-10');
    expect([refused.status, refused.body['type']]).toEqual([409, 'urn:gatemeter:problem:conflict']);
    expect(refused.body['detail']).toContain('2026-10 is not finished: it ends at 2026-11-01T00:00:00.000Z');
    expect((await ledger.db.query(`SELECT month FROM ${statements.name}`)).length).toBe(0);
    for (const stream of ['test/hub/0', 'test/hub/1']) {
      const later = { call_id: `gw/${stream}`, started_at: Date.UTC(2026, 11, 24), consumer_id: 'shop' };
      await ledger.store([later], stream);
    }
  });

  test('stores what was shown, with its knowledge and the hash of its CSV', async () => {
    const { status } = await fin.close('2026-10', { reason: 'month end' });
    expect(status).toBe(200);
    const { data, meta } = await fin.read('2026-10');
    expect(data).toEqual(open.data);
    const response = await fin.get('/v1/chargeback/2026-10?format=csv');
    const hash = createHash('sha256')
      .update(await response.bytes())
      .digest('hex');
    expect(meta).toMatchObject({ status: 'closed', sha256: hash, closed_by: 'Fin Ance', reason: 'month end' });
    expect(meta).toMatchObject({ totals: open.meta.totals, coverage: { priced: open.meta.coverage.priced } });
  });

  test('twice is a conflict, and an open month has no corrections', async () => {
    const again = await fin.close('2026-10');
    expect([again.status, String(again.body['detail'])]).toEqual([409, expect.stringContaining('closed already')]);
    expect(await fin.read('2026-11', '/corrections')).toMatchObject({ data: [], meta: { next_open_month: '2026-11' } });
    expect((await fin.get('/v1/chargeback/2026-10?as_known_at=2026-01-01T00:00:00Z')).status).toBe(400);
    expect((await fin.close('2026-11', { as_known_at: '2099-01-01T00:00:00Z' })).status).toBe(400);
    expect((await fin.close('2026-11', { reazon: 'typo' })).status).toBe(400);
  });
});

describe('a closed month', () => {
  const late = october + 86_400_000;
  let billedLater: unknown[][] = [];

  test('is the same as CSV and as Parquet', async () => {
    const { data } = await fin.read('2026-10');
    const rows: Record<string, string>[] = parse(await (await fin.get('/v1/chargeback/2026-10?format=csv')).text(), {
      columns: true,
    });
    expect(rows.map(line)).toEqual(data.map((row) => line({ ...row, list_cost: row['list_cost'] ?? '' })));
    const bytes = Buffer.from(await (await fin.get('/v1/chargeback/2026-10?format=parquet')).bytes());
    const read_back = await ledger.db.query<AnswerRow>(
      `SELECT * REPLACE (toString(list_cost) AS list_cost) FROM format(Parquet, unhex('${bytes.toString('hex')}'))`,
    );
    expect(read_back.map((row) => [row['model'], Number(row['list_cost'])])).toEqual(
      data.map((row) => [row['model'], Number(row['list_cost'])]),
    );
    expect(read_back.some((row) => row['list_cost'] === null)).toBe(true);
  });

  test('is byte-identical after a late call, a back-dated price and a changed attribution, in every form', async () => {
    const before = await fin.photograph('2026-10');
    const changes: [string, () => Promise<void>][] = [
      ['a late call', async () => ledger.store([call(late, { consumer_id: 'bench', usage_input_tokens: 1_000_000 })])],
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
      expect([what, await fin.photograph('2026-10')]).toEqual([what, before]);
    }
  });

  test('has as corrections exactly what changed, in the next open month, with the month of the use', async () => {
    const expected = [
      // The 16 tokens of 23:30 UTC are of October in UTC, and were of November in Berlin.
      ['lab', 'cc-9', 'border', 'input', 'unpriced_tokens', '16', null],
      ['lab', 'cc-9', 'm', 'input', 'tokens', '1000000', '5.00'],
      ['retail', 'cc-1', 'new-model', 'input', 'tokens', '77', '0.08'],
      ['retail', 'cc-1', 'new-model', 'input', 'unpriced_tokens', '-77', null],
      ['retail', 'cc-3', 'm', 'input', 'tokens', '2000', '0.01'],
      ['unattributed', '', 'm', 'input', 'tokens', '-2000', '-0.01'],
    ];
    const { data, meta } = await fin.read('2026-10', '/corrections');
    expect(data.map(line)).toEqual(expected);
    expect(meta.next_open_month).toBe('2026-11');
    expect(new Set(data.map((row) => row['statement_month']))).toEqual(new Set([null]));
    billedLater = expected;
  });

  test('has no correction twice: once billed it is in its closed statement, and the next open month has only what is new', async () => {
    expect((await fin.close('2026-11')).status).toBe(200);
    const november = (await fin.read('2026-11')).data.filter((row) => row['charge_class'] === 'Correction');
    expect(november.map(line)).toEqual(billedLater);
    expect(new Set(november.map((row) => row['charge_month']))).toEqual(new Set(['2026-10']));
    await ledger.store([call(late, { consumer_id: 'till' })]);
    const { data, meta } = await fin.read('2026-10', '/corrections');
    expect(meta.next_open_month).toBe('2026-12');
    const booked = data.filter((row) => row['statement_month'] === '2026-11');
    expect(booked.map(line)).toEqual(billedLater);
    const pending = data.filter((row) => row['statement_month'] === null);
    expect(pending.map(line)).toEqual([['retail', 'cc-2', 'm', 'input', 'tokens', '1000', '0.00']]);
    // All that was billed for retail's October: 0.02 + 0.087 + 0.005 = 0.11199, so 0.11 and nothing more.
    const cents = [...open.data, ...data]
      .filter((row) => row['tenant_id'] === 'retail' && row['billing_currency'] === 'USD')
      .map((row) => Math.round(Number(row['list_cost']) * 100));
    expect(sum(cents)).toBe(11);
  });

  test('is closed once, also where two close it at the same time', async () => {
    const answers = await Promise.all([fin.close('2026-09'), fin.close('2026-09')]);
    expect(answers.map(({ status }) => String(status)).toSorted()).toEqual(['200', '409']);
    const rows = await ledger.db.query<{ month: string }>(
      `SELECT month FROM ${statements.name} WHERE month = '2026-09'`,
    );
    expect(rows.length).toBe(1);
  });

  test('is closed although the database lost an earlier attempt whose token it remembers', async () => {
    const given: Record<string, unknown> = { month: '2026-08', call_states: {} };
    const row = Object.entries(statements.columns).map(
      ([name, type]) => given[name] ?? (type.startsWith('Date') || type.startsWith('UInt') ? 0 : ''),
    );
    await ledger.db.insert(statements, JSON.stringify(row), 'close/2026-08/1');
    await ledger.db.command(
      `ALTER TABLE ${statements.name} DELETE WHERE month = '2026-08' SETTINGS mutations_sync = 2`,
    );
    await ledger.db.insert(statements, JSON.stringify(row), 'close/2026-08/1');
    expect(await ledger.db.query(`SELECT 1 FROM ${statements.name} WHERE month = '2026-08'`)).toEqual([]);
    expect((await fin.close('2026-08')).status).toBe(200);
    expect((await fin.read('2026-08')).meta.status).toBe('closed');
  });

  test('begins where the one before ended, also for a tenant that moved to another zone in it: no call is in two or in none', async () => {
    const mover = { tenant_id: 'mover', name: 'Mover' };
    await append(ledger.db, tenants, [
      { ...mover, time_zone: 'Europe/Berlin' },
      { ...mover, time_zone: 'America/New_York', valid_from: '2026-10-15 00:00:00.000' },
    ]);
    const spans = ['2026-09', '2026-10', '2026-11'].map(async (month) => {
      const [own] = await billedBy(reader(ledger.db), { month, asKnownAt: null, currency: '' }, []);
      const zone = own?.zones.find(({ tenants: of }) => of.includes('mover'));
      return [zone?.from.toISOString(), zone?.to.toISOString()];
    });
    expect(await Promise.all(spans)).toEqual([
      ['2026-08-31T22:00:00.000Z', '2026-09-30T22:00:00.000Z'],
      ['2026-09-30T22:00:00.000Z', '2026-11-01T04:00:00.000Z'],
      ['2026-11-01T04:00:00.000Z', '2026-12-01T05:00:00.000Z'],
    ]);
  });
});
