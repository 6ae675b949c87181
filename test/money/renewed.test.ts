import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { agreements, attributions, commitments, exchangeRates, modelAliases, prices } from '#clickhouse/money.ts';
import type { App } from '../../api/route.ts';
import { type AnswerRow, ask, type CallRecord, type Ledger, openLedger } from '../api/ledger.ts';
import { append, type BookRow, spent } from './books.ts';

/*
 * Terms that are replaced, withdrawn, given to another, or agreed by one tenant alone. Calls are of 5 October 2026 and of
 * later days, each of a million input tokens with a deployment of its own; the list says 1 USD for them unless said.
 */
const day = 86_400_000;
const fifth = Date.UTC(2026, 9, 5, 12);
const tenth = '2026-10-10 00:00:00.000';
const withdrawn = { valid_to: '2020-01-01 00:00:00.000' };

let ledger: Ledger;
let app: App;
let key: string;
let stored = 0;

beforeAll(async () => {
  ledger = await openLedger();
  key = await ledger.key({ role: 'finance' });
  app = ledger.api(() => new Date(Date.UTC(2026, 10, 20)));
  await append(ledger.db, attributions, [
    { consumer_id: 'own', tenant_id: 'own' },
    { consumer_id: 'plain', tenant_id: 'plain' },
  ]);
});

afterAll(async () => ledger.close());

async function call(deployment: string, more: Partial<CallRecord> = {}): Promise<void> {
  stored += 1;
  await ledger.store([
    {
      call_id: `gw/${stored}`,
      started_at: fifth,
      consumer_id: 'plain',
      provider_name: 'test.provider',
      deployment,
      http_response_status_code: 200,
      usage_input_tokens: 1_000_000,
      ...more,
    },
  ]);
}

const input = { provider_name: 'test.provider', token_kind: 'input' };
const contract = { ...input, service_tier: 'standard' };

async function priced(...rows: BookRow[]): Promise<void> {
  await append(ledger.db, prices, rows, { each: { ...input, list_unit_price: '1' } });
}

async function cost(deployment: string, more = ''): Promise<AnswerRow> {
  const window = 'from=2026-10-05T00:00:00Z&to=2026-10-25T00:00:00Z';
  const rows = await spent(app, key, `${window}&deployment=${encodeURIComponent(deployment)}${more}`);
  expect(rows.length).toBe(1);
  return rows[0] ?? {};
}

async function shares(id: string): Promise<unknown[]> {
  const { data } = await ask(app, key, '/v1/commitments/allocated?month=2026-10');
  const own = data.filter((row) => row['commitment_id'] === id);
  return own.map((row) => [row['tenant_id'], row['usage_quantity'], row['allocated_cost']]);
}

describe('names of models', () => {
  test('an alias that is given to another model is that one from then on', async () => {
    await priced({ model: 'm-first' }, { model: 'm-second', list_unit_price: '2' });
    const moved = { alias: 'moved', model: 'm-second', valid_from: tenth };
    await append(ledger.db, modelAliases, [{ alias: 'moved', model: 'm-first' }, moved]);
    await call('moved', { response_model: 'moved' });
    expect(await cost('moved')).toMatchObject({ list_cost: '1' });
    await call('moved', { response_model: 'moved', started_at: fifth + 10 * day });
    expect(await cost('moved')).toMatchObject({ list_cost: '3' });
  });

  test('a price that was withdrawn is as if it had never been, and the name after it has the price again', async () => {
    await priced({ model: 'base' }, { model: 'family-*' });
    const mistakes = [{ model: 'base-2026-01-31' }, { model: 'family-large-*' }];
    const wrong = { ...input, list_unit_price: '9' };
    await append(ledger.db, prices, mistakes, { each: wrong, knownFrom: '2026-09-01 00:00:00.000' });
    const gone = { ...wrong, ...withdrawn };
    await append(ledger.db, prices, mistakes, { each: gone, knownFrom: '2026-09-02 00:00:00.000' });
    await call('name', { response_model: 'base-2026-01-31' });
    await call('pattern', { response_model: 'family-large-x' });
    const was = await cost('name', '&as_known_at=2026-09-01T12:00:00Z');
    expect(was).toMatchObject({ list_cost: '9', price_match: ['response_model.exact'] });
    const later = '2026-09-03 00:00:00.000';
    await append(ledger.db, prices, [{ model: 'unrelated' }], { each: wrong, knownFrom: later });
    expect(await cost('name')).toMatchObject({ list_cost: '1', price_match: ['response_model.undated'] });
    expect(await cost('pattern')).toMatchObject({ list_cost: '1', price_match: ['response_model.pattern'] });
  });
});

describe('agreements', () => {
  test('of a discount and a unit price with the same key and start, the one that was written last counts', async () => {
    await priced({ model: 'changed' }, { model: 'reversed' });
    const steps = [
      { model: 'changed', contracted_unit_price: '0.3' },
      { model: 'changed', discount_percent: '20' },
      { model: 'reversed', discount_percent: '20' },
      { model: 'reversed', contracted_unit_price: '0.3', ...withdrawn },
    ];
    for (const [i, step] of steps.entries()) {
      const each = { agreement_id: 'renewed', ...contract };
      await append(ledger.db, agreements, [step], { each, knownFrom: `2026-09-0${i + 1} 00:00:00.000` });
    }
    await call('changed', { response_model: 'changed' });
    await call('reversed', { response_model: 'reversed' });
    expect(await cost('changed')).toMatchObject({ list_cost: '1', contracted_cost: '0.8' });
    expect(await cost('reversed')).toMatchObject({ list_cost: '1', contracted_cost: '1' });
  });

  test("one tenant's agreement prices nobody else's calls, and leaves none of them without a price", async () => {
    await priced({ model: 'shared' });
    const terms = { agreement_id: 'dated', tenant_id: 'own', ...contract, model: 'shared-2026-01-31' };
    await append(ledger.db, agreements, [{ ...terms, contracted_unit_price: '0.3' }]);
    await call('dated own', { response_model: 'shared-2026-01-31', consumer_id: 'own' });
    await call('dated plain', { response_model: 'shared-2026-01-31' });
    const own = { contracted_cost: '0.3', price_match: ['response_model.exact'] };
    expect(await cost('dated own')).toMatchObject(own);
    const plain = { list_cost: '1', unpriced_tokens: '0', price_match: ['response_model.undated'] };
    expect(await cost('dated plain')).toMatchObject(plain);
  });

  test('in another currency than the list are paid in it; list_cost is known where a currency is asked for', async () => {
    await priced({ model: 'abroad' });
    const terms = { agreement_id: 'abroad', ...contract, model: 'abroad', pricing_currency: 'CHF' };
    await append(ledger.db, agreements, [{ ...terms, contracted_unit_price: '0.8' }]);
    await append(ledger.db, exchangeRates, [{ from_currency: 'USD', to_currency: 'CHF', exchange_rate: '0.9' }]);
    await call('abroad', { response_model: 'abroad' });
    const paid = { contracted_cost: '0.8', effective_cost: '0.8', pricing_currency: 'CHF', unpriced_tokens: '0' };
    expect(await cost('abroad')).toMatchObject({ list_cost: null, ...paid });
    expect(await cost('abroad', '&currency=CHF')).toMatchObject({ list_cost: '0.9', ...paid });
  });
});

describe('a commitment pays for the calls that its row names while it applies, in spend and in its shares alike', () => {
  const terms = { amount: '744', billing_currency: 'USD', allocation_method: 'weighted_tokens' };

  test('a deployment that its next row leaves out is billed by the token again', async () => {
    await priced({ model: 'less' });
    const each = { commitment_id: 'less', ...terms, amount: '1', amount_per: 'hour' };
    const first = { deployments: ['kept', 'left'], valid_from: '2026-10-01 00:00:00.000' };
    await append(ledger.db, commitments, [first, { deployments: ['kept'], valid_from: tenth }], { each });
    await call('left', { response_model: 'less' });
    expect(await cost('left')).toMatchObject({ effective_cost: null, committed_tokens: '1000000' });
    await call('left', { response_model: 'less', started_at: fifth + 10 * day });
    expect(await cost('left')).toMatchObject({ effective_cost: '1', committed_tokens: '1000000' });
    await call('kept', { response_model: 'less', consumer_id: 'own', started_at: fifth + 10 * day });
    expect(await shares('less')).toEqual([
      ['plain', '1000000', '216'],
      ['own', '1000000', '528'],
    ]);
  });

  test('of a monthly one that ends, later calls are billed by the token and take no share', async () => {
    await priced({ model: 'ended' });
    const until = { deployments: ['ended'], valid_to: tenth };
    await append(ledger.db, commitments, [{ commitment_id: 'ended', ...terms, amount_per: 'month', ...until }]);
    await call('ended', { response_model: 'ended', consumer_id: 'own' });
    await call('ended', { response_model: 'ended', started_at: fifth + 10 * day });
    expect(await cost('ended')).toMatchObject({ effective_cost: '1', committed_tokens: '1000000' });
    expect(await shares('ended')).toEqual([['own', '1000000', '744']]);
  });

  test('of a monthly one that takes over another deployment, its calls take their share from then on', async () => {
    await priced({ model: 'more' });
    const each = { commitment_id: 'more', ...terms, amount_per: 'month' };
    const next = { deployments: ['old', 'new'], weights: { input: '7' }, valid_from: tenth };
    await append(ledger.db, commitments, [{ deployments: ['old'] }, next], { each });
    await call('old', { response_model: 'more', consumer_id: 'own' });
    await call('new', { response_model: 'more', started_at: fifth + 10 * day });
    expect(await cost('new')).toMatchObject({ effective_cost: null, committed_tokens: '1000000' });
    // The amount and the weights are those of the row that applied first in the month.
    expect(await shares('more')).toEqual([
      ['own', '1000000', '372'],
      ['plain', '1000000', '372'],
    ]);
  });
});
