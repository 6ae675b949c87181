import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attributions, commitments, prices } from '#clickhouse/money.ts';
import type { App } from '../../api/route.ts';
import { type AnswerRow, ask, type Ledger, openLedger } from '../api/ledger.ts';
import { append } from './books.ts';
import { difference, sum } from './exact.ts';

/*
 * October 2026 (744 hours). Tenants a, b and c call deployments that commitments pay for; by hand:
 * ptu (weighted: output 4, cached 0): a 1,000 + 4 × 250 = 2,000; b 3,000 + 4 × 250 = 4,000; c 1,000 of 7,000 used.
 */
const october = Date.UTC(2026, 9, 1);
const hour = 3_600_000;

let ledger: Ledger;
let app: App;
let key: string;

beforeAll(async () => {
  ledger = await openLedger();
  key = await ledger.key({ role: 'finance' });
  app = ledger.api(() => new Date(Date.UTC(2026, 10, 20)));
  await append(
    ledger.db,
    attributions,
    ['a', 'b', 'c'].map((id) => ({ consumer_id: id, tenant_id: id, cost_center: `cc-${id}` })),
  );
  const weights = { output: '4', reasoning: '4', cache_read: '0' };
  const each = { amount_per: 'month', billing_currency: 'USD', unit: 'PTU', quantity: '50', weights };
  const rows = [
    { commitment_id: 'full', deployments: ['full'], amount: '1000', allocation_method: 'weighted_tokens' },
    // 10,000 weighted tokens of capacity in the 44,640 minutes of the month cannot be stated; 1 a minute is 44,640.
    {
      commitment_id: 'idle',
      deployments: ['idle'],
      amount: '1000',
      allocation_method: 'weighted_tokens',
      capacity_tokens_per_minute: 1,
    },
    { commitment_id: 'peak', deployments: ['peak'], amount: '700.5', allocation_method: 'peak' },
    {
      commitment_id: 'fixed',
      deployments: ['none'],
      amount: '99.99',
      allocation_method: 'fixed_shares',
      shares: { a: '0.333333333', b: '0.5' },
    },
    { commitment_id: 'unused', deployments: ['never'], amount: '12', allocation_method: 'peak' },
    {
      commitment_id: 'hourly',
      deployments: ['hourly'],
      amount: '1.25',
      amount_per: 'hour',
      allocation_method: 'weighted_tokens',
      valid_from: '2026-10-30 00:00:00.000',
      valid_to: '2026-12-01 00:00:00.000',
    },
    {
      commitment_id: 'before',
      deployments: ['full'],
      amount: '5',
      valid_to: '2026-10-01 00:00:00.000',
      allocation_method: 'peak',
    },
  ];
  await append(ledger.db, commitments, rows, { each });
  let id = 0;
  const call = (consumer_id: string, deployment: string, at: number, input: number, output: number): object => ({
    call_id: `gw/${(id += 1)}`,
    started_at: october + at,
    consumer_id,
    deployment,
    provider_name: 'test.provider',
    response_model: 'm',
    http_response_status_code: 200,
    usage_input_tokens: input,
    usage_cache_read_input_tokens: 777,
    usage_output_tokens: output,
  });
  const calls = ['full', 'idle'].flatMap((name) => [
    call('a', name, 0, 500, 250),
    call('a', name, hour, 500, 0),
    call('b', name, 2 * hour, 3_000, 250),
    call('c', name, 743 * hour, 1_000, 0),
    call('c', name, 744 * hour, 9_999, 9_999),
  ]);
  const peaks = [
    call('a', 'peak', 0, 10, 0),
    call('a', 'peak', hour, 20, 0),
    call('b', 'peak', 1, 5, 0),
    call('b', 'peak', hour - 1, 5, 0),
  ];
  await ledger.store([
    ...calls,
    ...peaks,
    call('a', 'hourly', 29 * 24 * hour, 7, 0),
    call('b', 'hourly', 0, 7, 0),
  ] as never);
});

afterAll(async () => ledger.close());

async function lines(commitment: string, more = ''): Promise<AnswerRow[]> {
  const { data } = await ask(app, key, `/v1/commitments/allocated?month=2026-10${more}`);
  return data.filter((row) => row['commitment_id'] === commitment);
}

const shown = (rows: AnswerRow[]): unknown[] =>
  rows.map((row) => [
    row['is_idle'] === true ? 'idle' : row['tenant_id'],
    row['allocated_ratio'],
    row['allocated_cost'],
  ]);

describe('a commitment is divided by its method, and nothing of it is lost', () => {
  test('by weighted tokens: sevenths cannot be written, and what is cut off goes to the largest', async () => {
    expect(shown(await lines('full'))).toEqual([
      ['a', '0.285714285714285714', '285.714285714285714'],
      ['b', '0.571428571428571429', '571.428571428571429'],
      ['c', '0.142857142857142857', '142.857142857142857'],
    ]);
  });

  test('what nobody used of a stated capacity is a line of its own', async () => {
    const rows = await lines('idle');
    // 2,000 / 44,640, 4,000 / 44,640, 1,000 / 44,640; idle 37,640 / 44,640 and what was cut off.
    expect(shown(rows)).toEqual([
      ['a', '0.044802867383512544', '44.802867383512544'],
      ['b', '0.089605734767025089', '89.605734767025089'],
      ['c', '0.022401433691756272', '22.401433691756272'],
      ['idle', '0.843189964157706095', '843.189964157706095'],
    ]);
    expect(rows.at(-1)).toMatchObject({ tenant_id: '', usage_quantity: '37640', usage_unit: 'Weighted Tokens' });
  });

  test('by peak: the busiest hour of each, not its total', async () => {
    expect(shown(await lines('peak'))).toEqual([
      ['a', '0.666666666666666667', '467.0000000000000002335'],
      ['b', '0.333333333333333333', '233.4999999999999997665'],
    ]);
  });

  test('fixed shares hold without a call, and what no share names is idle; nobody used is all idle', async () => {
    expect(shown(await lines('fixed'))).toEqual([
      ['a', '0.333333333', '33.32999996667'],
      ['b', '0.5', '49.995'],
      ['idle', '0.166666667', '16.66500003333'],
    ]);
    expect(shown(await lines('unused'))).toEqual([['idle', '1', '12']]);
    expect(await lines('before')).toEqual([]);
  });

  test('an hourly amount counts the hours that it applied, and only calls of those hours', async () => {
    // 30 October 00:00 to 1 November 00:00: 48 hours × 1.25.
    expect(shown(await lines('hourly'))).toEqual([['a', '1', '60']]);
  });

  test('for every commitment ratios add up to 1 and lines to the amount, in any time zone', async () => {
    for (const tz of ['UTC', 'America/St_Johns', 'Asia/Kolkata']) {
      const { data } = await ask(app, key, `/v1/commitments/allocated?month=2026-10&tz=${tz}`);
      const byId = Map.groupBy(data, (row) => row['commitment_id']);
      expect(byId.size).toBeGreaterThanOrEqual(6);
      for (const rows of byId.values()) {
        expect(sum(rows.map((row) => String(row['allocated_ratio'])))).toBe('1');
        expect(sum(rows.map((row) => String(row['allocated_cost'])))).toBe(rows[0]?.['committed_amount']);
      }
    }
  });

  test('the details are those of FOCUS: one element with ratio, unit and quantity', async () => {
    const [row] = await lines('full');
    expect(row?.['allocated_method_details']).toBe(
      '{"Elements":[{"AllocatedRatio":0.285714285714285714,"UsageUnit":"Weighted Tokens","UsageQuantity":2000}]}',
    );
  });

  test('a viewer sees the lines of its tenants, with the ratios of all, and neither the idle line nor others', async () => {
    const viewer = await ledger.key({ role: 'viewer', tenants: ['b'] });
    const { data } = await ask(app, viewer, '/v1/commitments/allocated?month=2026-10');
    expect(new Set(data.map((row) => row['tenant_id']))).toEqual(new Set(['b']));
    expect(data.find((row) => row['commitment_id'] === 'full')?.['allocated_ratio']).toBe('0.571428571428571429');
  });
});

describe('what changed', () => {
  test('a re-rate report names what a new price changes, and nothing else', async () => {
    const price = { provider_name: 'test.provider', model: 'm', list_unit_price: '2' };
    await append(ledger.db, prices, [{ ...price, token_kind: 'input' }], { knownFrom: '2026-11-01 00:00:00.000' });
    const next = [
      { ...price, token_kind: 'input', list_unit_price: '3', valid_from: '2026-10-01 01:00:00.000' },
      { ...price, token_kind: 'output' },
    ];
    await append(ledger.db, prices, next, { knownFrom: '2026-11-02 00:00:00.000' });
    const window = 'from=2026-10-01T00:00:00Z&to=2026-10-01T02:00:00Z&group_by=deployment,token_kind';
    const known = 'known_from=2026-11-01T12:00:00Z&known_to=2026-11-02T12:00:00Z';
    const { data } = await ask(app, key, `/v1/spend/rerated?${window}&${known}&deployment=full&deployment=peak`);
    expect(
      data.map((row) => [
        row['deployment'],
        row['token_kind'],
        row['list_cost_before'],
        row['list_cost_after'],
        row['list_cost_difference'],
      ]),
    ).toEqual([
      // Of 1,000 input tokens the 500 after 01:00 cost a millionth more each; output had no price before.
      ['full', 'input', '0.002', '0.0025', '0.0005'],
      ['full', 'output', null, '0.0005', '0.0005'],
      ['peak', 'input', '0.00008', '0.0001', '0.00002'],
    ]);
    const same = 'known_from=2026-11-02T12:00:00Z&known_to=2026-11-02T13:00:00Z';
    expect((await ask(app, key, `/v1/spend/rerated?${window}&${same}`)).data).toEqual([]);
  });

  test('volume, mix and price add up to the change against the window before', async () => {
    const window = 'from=2026-10-01T01:00:00Z&to=2026-10-01T02:00:00Z&deployment=full&deployment=peak';
    const { data, meta } = await ask(app, key, `/v1/spend?${window}&compare=previous&group_by=deployment`);
    expect(meta).toMatchObject({ previous_from: '2026-10-01T00:00:00.000Z', previous_to: '2026-10-01T01:00:00.000Z' });
    // full: 500 input at 2 and 250 output at 2 before, 500 input at 3 after: 750 → 500 tokens at 2 (−500), price + 500.
    expect(data).toMatchObject([
      {
        deployment: 'full',
        previous_contracted_cost: '0.0015',
        contracted_cost: '0.0015',
        change: '0',
        volume_change: '-0.0005',
        mix_change: '0',
        price_change: '0.0005',
      },
      {
        deployment: 'peak',
        previous_contracted_cost: '0.00004',
        contracted_cost: '0.00006',
        volume_change: '0',
        price_change: '0.00002',
      },
    ]);
    for (const row of data) {
      const parts = ['volume_change', 'mix_change', 'price_change'].map((name) => String(row[name]));
      expect(sum(parts)).toBe(row['change']);
      expect(difference(String(row['contracted_cost']), String(row['previous_contracted_cost']))).toBe(row['change']);
    }
  });

  test('the window before a calendar month is the month before, in the zone that is asked for', async () => {
    const months = 'from=2026-10-01T00:00:00%2B02:00&to=2026-11-01T00:00:00%2B01:00&tz=Europe/Berlin&compare=previous';
    const { meta } = await ask(app, key, `/v1/spend?${months}`);
    expect(meta).toMatchObject({ previous_from: '2026-08-31T22:00:00.000Z', previous_to: '2026-09-30T22:00:00.000Z' });
  });
});
