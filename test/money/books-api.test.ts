import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { books } from '../../api/book.ts';
import type { App } from '../../api/route.ts';
import { type AnswerRow, ask, type Ledger, openLedger } from '../api/ledger.ts';

/** What is written into the books over HTTP: by whom, why, and what is refused. */
let ledger: Ledger;
let app: App;
let key: string;
beforeAll(async () => {
  ledger = await openLedger();
  key = await ledger.key({ role: 'finance', name: 'Ada of finance' });
  app = ledger.api(() => new Date());
});
afterAll(async () => ledger.close());

type Outcome = {
  status: number;
  body: { data?: { appended: number }; errors?: { parameter: string; detail: string }[] };
};

async function post(book: string, body: unknown, as = key): Promise<Outcome> {
  const answer = await app.request(`/v1/${book}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${as}`, 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: answer.status, body: (await answer.json()) as Outcome['body'] };
}

const rows = async (book: string, query = ''): Promise<AnswerRow[]> =>
  (await ask(app, key, `/v1/${book}${query}`)).data;
const since = { valid_from: '2026-01-01T00:00:00Z' };
const price = {
  price_list: 'own',
  provider_name: 'openai',
  model: 'gpt-4o',
  token_kind: 'input',
  list_unit_price: '2.4',
  pricing_quantity: 1_000_000,
  pricing_unit: 'Tokens',
  pricing_currency: 'USD',
  ...since,
};

/** One entry for each book, with every field that is not a default. */
const examples: Record<string, Record<string, unknown>> = {
  tenants: { tenant_id: 't1', name: 'Größe "q" 🚀', time_zone: 'Europe/Berlin', ...since },
  attributions: { consumer_id: 'c1', api_id: 'a1', tenant_id: 't1', cost_center: '4711', owner: 'ada', ...since },
  prices: price,
  'model-aliases': { alias: 'ours-*', model: 'gpt-4o', ...since },
  agreements: { agreement_id: 'EA-1', tenant_id: 't1', discount_percent: '12.5', ...since },
  commitments: {
    commitment_id: 'ptu-1',
    deployments: ['gpt-4o-ptu'],
    quantity: '50',
    unit: 'PTU',
    amount: '36500.25',
    amount_per: 'month',
    billing_currency: 'USD',
    allocation_method: 'fixed_shares',
    weights: { output: '4' },
    capacity_tokens_per_minute: 125_000,
    shares: { t1: '0.75' },
    ...since,
  },
  'exchange-rates': { from_currency: 'USD', to_currency: 'EUR', exchange_rate: '0.851234567891', ...since },
  budgets: {
    budget_id: 'b1',
    filters: { tenant_id: ['t1'], provider_name: ['openai', 'anthropic'] },
    amount: '1000',
    billing_currency: 'USD',
    actual_percents: ['50', '90.5'],
    forecast_percents: ['100'],
    ...since,
  },
};

describe('every book', () => {
  test.each(books.map((book) => book.name))(
    '%s takes an entry and gives it back, with its author and reason',
    async (name) => {
      const entry = examples[name] ?? {};
      expect(await post(name, { reason: 'ticket 7', entries: [entry] })).toEqual({
        status: 201,
        body: { data: { appended: 1 } },
      });
      const found = (await rows(name)).filter((row) => row['author'] === 'Ada of finance');
      expect(found.length).toBe(1);
      const whole = new Set(['pricing_quantity', 'capacity_tokens_per_minute']);
      const kept = Object.entries(entry).map(([field, value]) => [
        field,
        whole.has(field) ? `${value as number}` : value,
      ]);
      expect(found[0]).toMatchObject({
        ...Object.fromEntries(kept),
        reason: 'ticket 7',
        valid_from: '2026-01-01T00:00:00.000Z',
        valid_to: null,
      });
    },
  );

  test('an entry with the same key and start replaces the earlier one; history keeps both, and so does as_known_at', async () => {
    const rate = { from_currency: 'GBP', to_currency: 'EUR', ...since };
    await post('exchange-rates', { reason: 'first', entries: [{ ...rate, exchange_rate: '1.15' }] });
    const first = (await rows('exchange-rates')).find((row) => row['from_currency'] === 'GBP');
    await post('exchange-rates', { reason: 'typo', entries: [{ ...rate, exchange_rate: '1.16' }] });
    const now = (await rows('exchange-rates')).filter((row) => row['from_currency'] === 'GBP');
    expect(now.map((row) => row['exchange_rate'])).toEqual(['1.16']);
    const all = (await rows('exchange-rates', '?history=true')).filter((row) => row['from_currency'] === 'GBP');
    expect(all.map((row) => [row['exchange_rate'], row['reason']])).toEqual([
      ['1.15', 'first'],
      ['1.16', 'typo'],
    ]);
    const then = await rows('exchange-rates', `?as_known_at=${String(first?.['known_from'])}`);
    expect(then.filter((row) => row['from_currency'] === 'GBP').map((row) => row['exchange_rate'])).toEqual(['1.15']);
    await post('exchange-rates', {
      reason: 'never',
      entries: [{ ...rate, valid_to: since.valid_from, exchange_rate: '1' }],
    });
    expect((await rows('exchange-rates')).filter((row) => row['from_currency'] === 'GBP')).toEqual([]);
  });

  test('a time zone is kept as databases spell it, because they would find another spelling nowhere', async () => {
    const entries = [{ tenant_id: 'spelled', time_zone: 'europe/BERLIN', ...since }];
    expect((await post('tenants', { reason: 'x', entries })).status).toBe(201);
    const found = (await rows('tenants')).find((row) => row['tenant_id'] === 'spelled');
    expect(found?.['time_zone']).toBe('Europe/Berlin');
    expect(await ask(app, key, '/v1/chargeback/2026-10')).toMatchObject({ meta: { status: 'open' } });
  });

  test('is closed to those who may not write it', async () => {
    const body = { reason: 'x', entries: [examples['tenants']] };
    for (const role of ['viewer', 'on_call', 'intake'] as const) {
      const other = await ledger.key({ role, tenants: ['t1'] });
      expect((await post('tenants', body, other)).status).toBe(403);
    }
    expect((await post('tenants', body, 'gm_unknown_unknown_unknown')).status).toBe(401);
  });
});

describe('what is refused names its place and the remedy, and nothing of it is written', () => {
  const { pricing_unit: _unit, ...unitless } = price;
  const { pricing_quantity: _quantity, ...quantityless } = price;
  const cases: [string, string, unknown, string, string][] = [
    ['a price without a unit', 'prices', unitless, 'pricing_unit', 'without a unit'],
    ['a price without a quantity', 'prices', quantityless, 'pricing_quantity', 'for how many units'],
    [
      'a price as a number, which is a float',
      'prices',
      { ...price, list_unit_price: 0.27 },
      'list_unit_price',
      'as text',
    ],
    [
      'a price of a third',
      'prices',
      { ...price, list_unit_price: '1', pricing_quantity: 3 },
      'pricing_quantity',
      'exact price per token',
    ],
    ['an unknown kind', 'prices', { ...price, token_kind: 'prompt' }, 'token_kind', 'must be one of input'],
    [
      'a field of another book',
      'prices',
      { ...price, discount_percent: '1' },
      'discount_percent',
      'is not a field here',
    ],
    ['a rule for every call', 'attributions', { tenant_id: 't', ...since }, 'consumer_id', 'every call'],
    ['a reserved tenant', 'tenants', { tenant_id: 'unattributed', ...since }, 'tenant_id', 'is reserved'],
    [
      'an instant without a zone',
      'tenants',
      { tenant_id: 't', valid_from: '2026-01-01T00:00:00' },
      'valid_from',
      'with a zone',
    ],
    ['a zone that is none', 'tenants', { tenant_id: 't', time_zone: 'Mars/Base', ...since }, 'time_zone', 'IANA'],
    [
      'both terms',
      'agreements',
      { agreement_id: 'a', discount_percent: '1', contracted_unit_price: '1', ...since },
      'discount_percent',
      'either',
    ],
    [
      'more than all',
      'agreements',
      { agreement_id: 'a', discount_percent: '100.5', ...since },
      'discount_percent',
      'at most 100',
    ],
    [
      'an agreed price of nothing in particular',
      'agreements',
      { agreement_id: 'a', contracted_unit_price: '1', ...since },
      'provider_name',
      'is missing',
    ],
    [
      'an agreed price of a pattern, which no call would ever have',
      'agreements',
      {
        agreement_id: 'a',
        provider_name: 'openai',
        model: 'gpt-*',
        service_tier: 'standard',
        token_kind: 'input',
        contracted_unit_price: '1',
        pricing_quantity: 1_000_000,
        pricing_unit: 'Tokens',
        pricing_currency: 'USD',
        ...since,
      },
      'model',
      'is a pattern',
    ],
    [
      'an end before the start, which would withdraw what applies',
      'exchange-rates',
      { ...examples['exchange-rates'], to_currency: 'CHF', valid_to: '2025-12-31T00:00:00Z' },
      'valid_to',
      'lies before valid_from',
    ],
    [
      'shares above 1',
      'commitments',
      { ...examples['commitments'], shares: { a: '0.6', b: '0.5' } },
      'shares',
      'more than 1',
    ],
    [
      'a rate of 0',
      'exchange-rates',
      { from_currency: 'USD', to_currency: 'EUR', exchange_rate: '0', ...since },
      'exchange_rate',
      'above 0',
    ],
    [
      'an unknown dimension',
      'budgets',
      { ...examples['budgets'], filters: { team: ['x'] } },
      'filters.team',
      'is not a field',
    ],
  ];
  test.each(cases)('%s', async (_, book, entry, field, remedy) => {
    const before = (await rows(book, '?history=true')).length;
    const { status, body } = await post(book, { reason: 'x', entries: [examples[book], entry] });
    expect(status).toBe(400);
    const fault = body.errors?.find((error) => error.parameter.startsWith(`entries.1.${field}`));
    expect(fault?.detail, JSON.stringify(body.errors)).toContain(remedy);
    expect((await rows(book, '?history=true')).length).toBe(before);
  });

  test('no reason, no entry, the same entry twice, and what is not JSON', async () => {
    const entry = examples['tenants'];
    expect((await post('tenants', { entries: [entry] })).body.errors?.[0]).toMatchObject({ parameter: 'reason' });
    expect((await post('tenants', { reason: 'x', entries: [] })).body.errors?.[0]).toMatchObject({
      parameter: 'entries',
    });
    const twice = await post('tenants', { reason: 'x', entries: [entry, { ...entry, name: 'other' }] });
    expect(twice.body.errors).toMatchObject([{ parameter: 'entries.1', detail: expect.stringContaining('repeats') }]);
    // Its place is the one in what was sent, also after an entry that cannot be read.
    const third = await post('tenants', { reason: 'x', entries: [{}, entry, entry] });
    const repeats = third.body.errors?.filter((error) => error.detail.startsWith('repeats'));
    expect(repeats?.map((error) => error.parameter)).toEqual(['entries.2']);
    expect((await post('tenants', '{')).status).toBe(400);
  });

  test('a price a thousand times another source of the same model, unless it is forced with a reason that is kept', async () => {
    const wrong = { ...price, price_list: 'lab', list_unit_price: '2500' };
    const refused = await post('prices', { reason: 'import', entries: [wrong] });
    expect(refused.body.errors).toMatchObject([
      { parameter: 'entries.0.list_unit_price', detail: expect.stringMatching(/is (1000|1041) times what/) },
    ]);
    const small = { ...price, price_list: 'lab', pricing_quantity: 1_000_000_000, list_unit_price: '2.5' };
    expect((await post('prices', { reason: 'import', entries: [small] })).status).toBe(400);
    const forced = { reason: 'import', forced_because: 'they mean it', entries: [wrong] };
    expect((await post('prices', forced)).status).toBe(201);
    const found = (await rows('prices')).find((row) => row['price_list'] === 'lab');
    expect(found?.['reason']).toBe('import (forced: they mean it)');
    const withdrawn = { ...wrong, valid_to: wrong.valid_from };
    expect((await post('prices', { reason: 'they did not', entries: [withdrawn] })).status).toBe(201);
  });
});
