import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attributions, budgets, commitments, prices, tenants } from '#clickhouse/money.ts';
import { bucketOf } from '../api/brute.ts';
import { type AnswerRow, ask, type Ledger, openLedger } from '../api/ledger.ts';
import { append } from './books.ts';
import { decimal, units } from './oracle.ts';

/*
 * Budgets over generated weeks: one call an hour for each of two tenants, busy by day and on working days, with noise.
 * A token costs a millionth of a dollar, so an hour's tokens are its cost.
 */
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000_000);
console.log(`budgets.test.ts runs with SEED=${seed}`);

const hour = 3_600_000;
const day = 24 * hour;
const begin = Date.UTC(2026, 7, 31);
const end = Date.UTC(2026, 11, 1);
const tenantIds = ['retail', 'wholesale'] as const;

type Hour = { tenant: string; at: number; tokens: bigint };
const noise = fc.sample(fc.integer({ min: -150, max: 150 }), { seed, numRuns: 2 * ((end - begin) / hour) });
const hours: Hour[] = tenantIds.flatMap((tenant, t) =>
  Array.from({ length: (end - begin) / hour }, (_, i): Hour => {
    const at = begin + i * hour;
    const local = new Date(at);
    const works = local.getUTCDay() % 6 !== 0 && local.getUTCHours() >= 7 && local.getUTCHours() < 18;
    const level = (works ? 9_000_000 : 1_000_000) + (t + 1) * local.getUTCHours() * 10_000;
    return { tenant, at, tokens: BigInt(level + Math.trunc((level / 1_000) * (noise[t * 2208 + i] ?? 0))) };
  }),
);

let ledger: Ledger;
let key: string;
let clock = new Date(0);
const app = (): ReturnType<Ledger['api']> => ledger.api(() => clock);

beforeAll(async () => {
  ledger = await openLedger();
  key = await ledger.key({ role: 'finance' });
  await append(
    ledger.db,
    attributions,
    tenantIds.map((id) => ({ consumer_id: id, tenant_id: id })),
  );
  await append(ledger.db, tenants, [
    { tenant_id: 'retail', time_zone: 'Europe/Berlin' },
    { tenant_id: 'wholesale', time_zone: 'America/New_York' },
  ]);
  await append(ledger.db, prices, [{ provider_name: 'p', model: 'm', token_kind: 'input', list_unit_price: '1' }]);
  const each = { cost: 'contracted_cost', billing_currency: 'USD' };
  await append(
    ledger.db,
    budgets,
    [
      {
        budget_id: 'retail',
        filters: { tenant_id: ['retail'] },
        amount: '2500',
        actual_percents: ['50', '90'],
        forecast_percents: ['95', '100', '130'],
      },
      { budget_id: 'wholesale', filters: { tenant_id: ['wholesale'] }, amount: '1000000', forecast_percents: ['50'] },
      {
        budget_id: 'both',
        filters: { tenant_id: ['retail', 'wholesale'], provider_name: ['p', 'q'] },
        amount: '100',
        time_zone: 'Asia/Kathmandu',
      },
      { budget_id: 'all', amount: '5000' },
      { budget_id: 'all', amount: '9000', valid_from: '2026-11-10 00:00:00.000' },
      { budget_id: 'ended', amount: '1', valid_to: '2026-10-31 00:00:00.000' },
      { budget_id: 'nothing', filters: { deployment: ['none'] }, amount: '1' },
    ],
    { each },
  );
  await ledger.store(
    hours.map((h, i) => ({
      call_id: `gw/${i}`,
      started_at: h.at,
      consumer_id: h.tenant,
      provider_name: 'p',
      response_model: 'm',
      http_response_status_code: 200,
      usage_input_tokens: String(h.tokens),
    })),
  );
});

afterAll(async () => ledger.close());

async function status(now: number, query = '', as = key): Promise<Map<unknown, AnswerRow>> {
  clock = new Date(now);
  const { data } = await ask(app(), as, `/v1/budgets/status${query}`);
  return new Map(data.map((row) => [row['budget_id'], row]));
}

const micro = 10n ** 36n;

/** What was spent from the start of the month of the zone until an instant. */
function spentUntil(now: number, tz: string, ids: readonly string[]): bigint {
  const start = bucketOf(now, 'P1M', tz);
  return hours
    .filter((h) => ids.includes(h.tenant) && h.at >= start && h.at < now)
    .reduce((sum, h) => sum + h.tokens * micro, 0n);
}

const middle = Date.UTC(2026, 10, 12, 9, 20);

describe('what was spent', () => {
  test('of the calendar month of the budget’s zone, of the tenant’s, or of UTC, to the last digit', async () => {
    const found = await status(middle);
    expect([...found.keys()]).toEqual(['all', 'both', 'nothing', 'retail', 'wholesale']);
    const cases: [string, string, string, readonly string[]][] = [
      ['retail', 'Europe/Berlin', '2500', ['retail']],
      ['wholesale', 'America/New_York', '1000000', ['wholesale']],
      ['both', 'Asia/Kathmandu', '100', tenantIds],
      ['all', 'UTC', '9000', tenantIds],
    ];
    for (const [id, tz, amount, ids] of cases) {
      const spent = spentUntil(middle, tz, ids);
      expect(found.get(id)).toMatchObject({
        time_zone: tz,
        month_start: new Date(bucketOf(middle, 'P1M', tz)).toISOString(),
        amount,
        actual_cost: decimal(spent),
        remaining_amount: decimal(units(amount) - spent),
        unpriced_tokens: '0',
      });
    }
    expect(found.get('nothing')).toMatchObject({
      actual_cost: '0',
      forecast_cost: null,
      forecast_error_percent: null,
      state: 'within',
    });
    expect([found.get('retail')?.['remaining_days'], found.get('both')?.['state']]).toEqual([19, 'exceeded']);
  });

  test('a month that is over has no forecast but itself, and the budget that applied to it', async () => {
    const found = await status(middle, '?month=2026-10');
    expect([found.get('all')?.['amount'], found.get('ended')?.['amount']]).toEqual(['5000', '1']);
    const row = found.get('retail');
    expect(row).toMatchObject({
      remaining_days: 0,
      month_end: '2026-10-31T23:00:00.000Z',
      spent_until: '2026-10-31T23:00:00.000Z',
    });
    expect(row?.['forecast_cost']).toBe(row?.['actual_cost']);
    expect(row?.['actual_cost']).toBe(
      decimal(spentUntil(Date.parse('2026-10-31T23:00:00Z') - 1, 'Europe/Berlin', ['retail'])),
    );
  });

  test('a month that has not begun is refused: its hours would be learned from as if nothing had been used in them', async () => {
    clock = new Date(middle);
    const headers = { authorization: `Bearer ${key}` };
    const answer = await app().request('/v1/budgets/status?month=2026-12', { headers });
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('has not begun')]);
  });

  test('what a commitment pays for costs a budget of effective_cost nothing, and that is known', async () => {
    const ptu = { deployments: ['ptu'], amount: '1', amount_per: 'hour', allocation_method: 'peak' };
    await append(ledger.db, commitments, [{ commitment_id: 'ptu', billing_currency: 'USD', ...ptu }]);
    const call = { consumer_id: 'new', provider_name: 'p', response_model: 'm', deployment: 'ptu' };
    await ledger.store([{ ...call, call_id: 'gw/ptu', started_at: middle - hour, usage_input_tokens: 77 }]);
    const own = { filters: { deployment: ['ptu'] }, amount: '1', cost: 'effective_cost', billing_currency: 'USD' };
    await append(ledger.db, budgets, [{ budget_id: 'ptu', ...own }]);
    const row = (await status(middle, '?budget_id=ptu')).get('ptu');
    expect(row).toMatchObject({ actual_cost: '0', state: 'within', committed_tokens: '77', unpriced_tokens: '0' });
  });

  test('a viewer sees the budgets of its tenants alone, and none that others’ calls count for', async () => {
    const viewer = await ledger.key({ role: 'viewer', tenants: ['retail'] });
    expect([...(await status(middle, '', viewer)).keys()]).toEqual(['retail']);
    expect([...(await status(middle, '?budget_id=all')).keys()]).toEqual(['all']);
  });
});

/** The forecast of a tenant's month in UTC's hours, computed plainly: the mean of the last four same hours of the week. */
function expectedRest(now: number, until: number, tenant: string): bigint {
  const of = hours.filter((h) => h.tenant === tenant);
  const origin = Math.floor(now / hour) * hour;
  let rest = 0n;
  for (let at = origin; at < until; at += hour) {
    const same = of.filter((h) => h.at >= origin - 28 * day && h.at < origin && (at - h.at) % (7 * day) === 0);
    rest += same.reduce((sum, h) => sum + h.tokens * micro, 0n) / BigInt(same.length);
  }
  return rest;
}

describe('what is expected', () => {
  test('every hour that is left costs what the same hour of the week cost; thresholds follow from it', async () => {
    // Wholesale's clock changed on 1 November, so only retail's four weeks are without a change on both sides.
    const now = Date.UTC(2026, 10, 24, 15);
    const row = (await status(now, '?budget_id=retail')).get('retail');
    const rest = expectedRest(now, Date.UTC(2026, 10, 30, 23), 'retail');
    const total = spentUntil(now, 'Europe/Berlin', ['retail']) + rest;
    const million = units('0.000001');
    const off = units(String(row?.['forecast_cost'])) - total;
    expect(off < 300n * million && off > -300n * million, `${decimal(off)} off`).toBe(true);
    expect(row?.['forecast_weeks']).toBe(4);
    expect(row?.['forecast_trials']).toBe(7);
    const percent = (total * 100n) / units('2500');
    const reached = ['95', '100', '130'].filter((p) => BigInt(p) <= percent);
    expect(row?.['forecast_percents_reached']).toEqual(reached);
    const spent = (spentUntil(now, 'Europe/Berlin', ['retail']) * 100n) / units('2500');
    expect(row?.['actual_percents_reached']).toEqual(['50', '90'].filter((p) => BigInt(p) <= spent));
  });

  test('tried on months that are known: what came is near what was said, and the stated error is of that size', async () => {
    const outcomes: { error: number; stated: number }[] = [];
    const start = Date.UTC(2026, 10, 1);
    for (const days of [4, 13, 24]) {
      const now = start + days * day + 5 * hour;
      const row = (await status(now, '?budget_id=all')).get('all');
      const came = hours.filter((h) => h.at >= start).reduce((sum, h) => sum + h.tokens * micro, 0n);
      const rest = came - spentUntil(now, 'UTC', tenantIds);
      const said = units(String(row?.['forecast_cost']));
      const miss = said > came ? said - came : came - said;
      const worst = units(String(row?.['forecast_high'])) - said;
      expect(units(String(row?.['forecast_low']))).toBe(said - worst);
      outcomes.push({
        error: Number((miss * 1_000_000n) / rest) / 10_000,
        stated: Number(row?.['forecast_error_percent']),
      });
    }
    // 15 % of noise in every hour leaves a few percent in some days; a flat daily mean is off by far more at a weekend.
    for (const { error, stated } of outcomes) {
      expect(error).toBeLessThan(5);
      expect(stated).toBeGreaterThan(0);
      expect(stated).toBeLessThan(5);
    }
    console.log(
      `forecast errors of what was left, percent: ${outcomes.map((o) => `${o.error} (stated ${o.stated})`).join(', ')}`,
    );
  });

  test('without a week of history there is none: null, and not a straight line', async () => {
    const row = (await status(begin + 5 * day, '?month=2026-09&budget_id=all')).get('all');
    expect(row).toMatchObject({
      forecast_cost: null,
      forecast_percent: null,
      forecast_low: null,
      forecast_high: null,
      forecast_error_percent: null,
      forecast_weeks: 0,
      forecast_percents_reached: [],
    });
    const young = (await status(begin + 9 * day, '?budget_id=all')).get('all');
    expect(young).toMatchObject({
      forecast_weeks: 1,
      forecast_trials: 0,
      forecast_error_percent: null,
      forecast_low: null,
    });
    expect(young?.['forecast_cost']).not.toBeNull();
  });

  test('a call without a price makes nothing up: it is counted, and alone it leaves the amount unknown', async () => {
    const call = { consumer_id: 'new', provider_name: 'p', response_model: 'unheard', deployment: 'unpriced' };
    await ledger.store([{ ...call, call_id: 'gw/unpriced', started_at: middle - hour, usage_input_tokens: 77 }]);
    await append(ledger.db, budgets, [
      {
        budget_id: 'dark',
        filters: { deployment: ['unpriced'] },
        amount: '1',
        cost: 'list_cost',
        billing_currency: 'USD',
      },
    ]);
    const row = (await status(middle, '?budget_id=dark')).get('dark');
    expect(row).toMatchObject({ actual_cost: null, actual_percent: null, state: 'unknown', unpriced_tokens: '77' });
  });
});
