import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { agreements, attributions, commitments, exchangeRates, modelAliases, prices } from '#clickhouse/money.ts';
import type { App } from '../../api/route.ts';
import { type AnswerRow, ask, type CallRecord, type Ledger, openLedger } from '../api/ledger.ts';
import { append, type BookRow, spent } from './books.ts';

/*
 * Which term of which book counts. Every call has a deployment of its own, by which the questions find it; all prices
 * are of test.provider, 1 USD per million input tokens unless said, and every call has a million input tokens.
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

async function agreed(...rows: BookRow[]): Promise<void> {
  await append(ledger.db, agreements, rows, { each: { agreement_id: 'a' } });
}

async function cost(deployment: string, more = ''): Promise<AnswerRow> {
  const rows = await spent(app, key, `${window}&deployment=${encodeURIComponent(deployment)}${more}`);
  expect(rows.length).toBe(1);
  return rows[0] ?? {};
}

describe('which model is priced, and how the answer says so', () => {
  test('exact before undated before alias before pattern, the longest pattern first, and the answer names the way', async () => {
    await priced({ model: 'm-exact' }, { model: 'm-base' }, { model: 'm-other', list_unit_price: '2' });
    await append(ledger.db, modelAliases, [
      { alias: 'our-alias', model: 'm-other' },
      { alias: 'm-exact', model: 'm-other' },
      { alias: 'fam-*', model: 'm-other' },
      { alias: 'fam-large-*', model: 'm-base' },
      { alias: 'fam-large-x', model: 'm-other' },
      { provider_name: 'another.provider', alias: 'foreign', model: 'm-base' },
      { alias: 'ended', model: 'm-base', valid_to: '2026-10-01 00:00:00.000' },
      { alias: '100%_*', model: 'm-base' },
    ]);
    const cases: [string, Partial<CallRecord>, string | null, string[]][] = [
      ['exact', { response_model: 'm-exact' }, '1', ['response_model.exact']],
      ['undated', { response_model: 'm-base-2026-01-31' }, '1', ['response_model.undated']],
      ['undated at', { response_model: 'm-base@20260131' }, '1', ['response_model.undated']],
      ['alias', { response_model: 'our-alias' }, '2', ['response_model.alias']],
      ['alias before pattern', { response_model: 'fam-large-x' }, '2', ['response_model.alias']],
      ['longest pattern', { response_model: 'fam-large-y' }, '1', ['response_model.pattern']],
      ['short pattern', { response_model: 'fam-small' }, '2', ['response_model.pattern']],
      ['no wildcard of SQL', { response_model: '1000xyz' }, null, []],
      ['its signs are signs', { response_model: '100%_z' }, '1', ['response_model.pattern']],
      ['of another provider', { response_model: 'foreign' }, null, []],
      ['ended alias', { response_model: 'ended' }, null, []],
      ['requested', { response_model: 'unheard-of', request_model: 'm-base' }, '1', ['request_model.exact']],
      ['m-base', {}, '1', ['deployment.exact']],
    ];
    for (const [name, more] of cases) await call(name, more);
    for (const [name, , list_cost, price_match] of cases) {
      expect(await cost(name), name).toMatchObject({ list_cost, price_match });
    }
  });

  test('a price may be of a pattern itself', async () => {
    await priced({ model: 'wide-*', list_unit_price: '3' });
    await call('pattern price', { response_model: 'wide-eyed' });
    expect(await cost('pattern price')).toMatchObject({ list_cost: '3', price_match: ['response_model.pattern'] });
  });

  test('a price of the region goes before one of any region, whatever its spelling', async () => {
    await priced({ model: 'regional' }, { model: 'regional', region: 'westeurope', list_unit_price: '1.1' });
    await call('in region', { response_model: 'regional', region: 'West Europe' });
    await call('elsewhere', { response_model: 'regional', region: 'eastus' });
    expect(await cost('in region')).toMatchObject({ list_cost: '1.1' });
    expect(await cost('elsewhere')).toMatchObject({ list_cost: '1' });
  });

  test('what has no price says why', async () => {
    await priced({ model: 'only-input', valid_from: '2026-10-06 00:00:00.000' });
    await call('no provider', { provider_name: '', response_model: 'only-input' });
    await call('no model', { response_model: 'unheard' });
    await call('not yet', { response_model: 'only-input' });
    await call('no kind', { response_model: 'only-input', usage_input_tokens: 0, usage_output_tokens: 5 });
    const reasons = ['no provider', 'no model', 'not yet', 'no kind'].map(
      async (name) => (await cost(name))['unpriced_reasons'],
    );
    expect(await Promise.all(reasons)).toEqual([
      ['unknown_provider'],
      ['unknown_model'],
      ['no_price_at_that_time'],
      ['no_price_for_token_kind'],
    ]);
  });
});

describe('what was agreed', () => {
  beforeAll(async () => {
    await append(ledger.db, attributions, [
      { consumer_id: 'own', tenant_id: 'own' },
      { consumer_id: 'plain', tenant_id: 'plain' },
    ]);
    await priced(
      { model: 'sold' },
      { model: 'sold-too' },
      { model: 'sold', token_kind: 'output', list_unit_price: '4' },
    );
    await agreed(
      { discount_percent: '10', provider_name: 'test.provider', model: 'sold*' },
      { agreement_id: 'model', discount_percent: '12.3456', model: 'sold' },
      { agreement_id: 'ended', discount_percent: '90', model: 'sold', valid_to: '2026-10-01 00:00:00.000' },
      { agreement_id: 'theirs', tenant_id: 'own', discount_percent: '50' },
      {
        agreement_id: 'contract',
        contracted_unit_price: '0.3',
        provider_name: 'test.provider',
        model: 'sold-too',
        token_kind: 'input',
        service_tier: 'standard',
      },
    );
  });

  test("a discount on the model goes before one on a pattern, a tenant's own terms before those for all", async () => {
    await call('sold plain', { response_model: 'sold', consumer_id: 'plain' });
    await call('sold own', { response_model: 'sold', consumer_id: 'own' });
    await call('contract plain', { response_model: 'sold-too', consumer_id: 'plain' });
    await call('contract own', { response_model: 'sold-too', consumer_id: 'own' });
    // 1 − 12.3456 % = 0.876544, exact.
    expect(await cost('sold plain')).toMatchObject({ list_cost: '1', contracted_cost: '0.876544' });
    expect(await cost('sold own')).toMatchObject({ list_cost: '1', contracted_cost: '0.5', effective_cost: '0.5' });
    expect(await cost('contract plain')).toMatchObject({ list_cost: '1', contracted_cost: '0.3' });
    expect(await cost('contract own')).toMatchObject({ list_cost: '1', contracted_cost: '0.5' });
  });

  test('an agreed price prices what no list has: list_cost stays null', async () => {
    await agreed({
      agreement_id: 'private',
      contracted_unit_price: '7',
      provider_name: 'test.provider',
      model: 'private',
      token_kind: 'input',
      service_tier: 'standard',
    });
    await call('private call', { response_model: 'private' });
    expect(await cost('private call')).toMatchObject({ list_cost: null, contracted_cost: '7', unpriced_tokens: '0' });
    // A tenant's own discount goes before the price for all, but there is no list price that it could be of.
    await call('private own', { response_model: 'private', consumer_id: 'own' });
    expect(await cost('private own')).toMatchObject({ list_cost: null, contracted_cost: '7', unpriced_tokens: '0' });
  });
});

describe('currencies and commitments', () => {
  test('amounts are converted at the rate of the time of the call, and a missing rate is no cost', async () => {
    await priced({ model: 'in-yen', pricing_currency: 'JPY', list_unit_price: '150' }, { model: 'in-dollars' });
    await append(ledger.db, exchangeRates, [
      { from_currency: 'USD', to_currency: 'EUR', exchange_rate: '0.85' },
      { from_currency: 'USD', to_currency: 'EUR', exchange_rate: '0.9', valid_from: '2026-10-06 00:00:00.000' },
    ]);
    await call('fx', { response_model: 'in-dollars' });
    await call('fx', { response_model: 'in-dollars', started_at: day + 86_400_000 });
    await call('yen', { response_model: 'in-yen' });
    expect(await cost('fx')).toMatchObject({ list_cost: '2', pricing_currency: 'USD' });
    expect(await cost('fx', '&currency=EUR')).toMatchObject({ list_cost: '1.75', pricing_currency: 'EUR' });
    expect(await cost('yen', '&currency=EUR')).toMatchObject({
      list_cost: null,
      unpriced_reasons: ['no_exchange_rate'],
    });
  });

  test('amounts of two currencies are never added: the answer is refused with its remedy', async () => {
    const two = `/v1/spend?${window}&deployment=fx&deployment=yen`;
    const answer = await app.request(two, { headers: { authorization: `Bearer ${key}` } });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ errors: [{ parameter: 'currency' }] });
    const apart = await ask(app, key, `${two}&group_by=response_model&order_by=response_model`);
    expect(apart.data.map((row) => [row['list_cost'], row['pricing_currency']])).toEqual([
      ['2', 'USD'],
      ['150', 'JPY'],
    ]);
    expect((await ask(app, key, `/v1/usage?${window}`)).meta.coverage.priced).not.toBeNull();
  });

  test('what a commitment pays for has no cost of its own: its tokens are committed, not unpriced and not free', async () => {
    await priced({ model: 'ptu-model' });
    await append(ledger.db, commitments, [
      { commitment_id: 'ptu', deployments: ['ptu'], amount: '1000', amount_per: 'month', allocation_method: 'peak' },
    ]);
    await call('ptu', { response_model: 'ptu-model', service_tier: 'provisioned' });
    expect(await cost('ptu')).toMatchObject({
      list_cost: '1',
      contracted_cost: '1',
      effective_cost: null,
      committed_tokens: '1000000',
      unpriced_tokens: '0',
    });
  });
});
