import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attributions, commitments, prices } from '#clickhouse/money.ts';
import type { App } from '../../api/route.ts';
import { type AnswerRow, ask, type CallRecord, type Ledger, openLedger } from '../api/ledger.ts';
import { append, spent } from './books.ts';

/*
 * Bills computed by hand, from the prices of migrations/list-prices.csv and those written here, each with its sums. What
 * a bill says must be what the API says, to the last digit.
 */
const day = Date.UTC(2026, 9, 5);
const window = 'from=2026-10-05T00:00:00Z&to=2026-10-06T00:00:00Z';

let ledger: Ledger;
let app: App;
let key: string;

/** One call per bill; the deployment is the bill's name, by which the questions find it. */
const bills: Record<string, Partial<CallRecord>> = {
  'openai-chat': {
    provider_name: 'openai',
    response_model: 'gpt-5.4',
    usage_input_tokens: 1_873,
    usage_cache_read_input_tokens: 1_024,
    usage_output_tokens: 311,
    usage_reasoning_output_tokens: 704,
  },
  anthropic: {
    provider_name: 'anthropic',
    response_model: 'claude-sonnet-4-5-20250929',
    usage_input_tokens: 2_095,
    usage_cache_read_input_tokens: 188_086,
    usage_cache_creation_5m_input_tokens: 1_024,
    usage_cache_creation_1h_input_tokens: 512,
    usage_output_tokens: 503,
  },
  'gemini-short': {
    provider_name: 'gcp.gemini',
    response_model: 'gemini-2.5-pro',
    usage_input_tokens: 199_000,
    usage_cache_read_input_tokens: 1_000,
    usage_output_tokens: 1_200,
    usage_reasoning_output_tokens: 3_400,
  },
  'gemini-long': {
    provider_name: 'gcp.gemini',
    response_model: 'gemini-2.5-pro',
    usage_input_tokens: 199_001,
    usage_cache_read_input_tokens: 1_000,
    usage_output_tokens: 1_200,
    usage_reasoning_output_tokens: 3_400,
  },
  'azure-long': {
    provider_name: 'azure.ai.openai',
    response_model: 'gpt-5.4-2026-03-05',
    usage_input_tokens: 150_001,
    usage_cache_read_input_tokens: 122_000,
    usage_output_tokens: 999,
    usage_reasoning_output_tokens: 1,
  },
  batch: {
    provider_name: 'openai',
    response_model: 'gpt-5.4',
    service_tier: 'batch',
    usage_input_tokens: 1_000_003,
    usage_output_tokens: 7,
  },
  audio: {
    provider_name: 'openai',
    response_model: 'gpt-4o-audio-preview',
    usage_input_tokens: 19,
    usage_audio_input_tokens: 403,
    usage_output_tokens: 31,
    usage_audio_output_tokens: 1_201,
  },
  embeddings: {
    provider_name: 'azure.ai.openai',
    request_model: 'text-embedding-3-small',
    usage_input_tokens: 8_191,
  },
  priority: {
    provider_name: 'openai',
    response_model: 'gpt-5.4',
    service_tier: 'priority',
    usage_input_tokens: 11,
    usage_output_tokens: 13,
  },
  'ptu-chat': {
    consumer_id: 'chat',
    deployment: 'gpt-4o-ptu',
    provider_name: 'azure.ai.openai',
    response_model: 'gpt-4o',
    service_tier: 'provisioned',
    usage_input_tokens: 1_116_000_000,
  },
  'ptu-search': {
    consumer_id: 'search',
    deployment: 'gpt-4o-ptu',
    provider_name: 'azure.ai.openai',
    response_model: 'gpt-4o',
    service_tier: 'provisioned',
    usage_input_tokens: 232_000_000,
    usage_output_tokens: 500_000_000,
  },
};

beforeAll(async () => {
  ledger = await openLedger();
  key = await ledger.key({ role: 'finance' });
  app = ledger.api(() => new Date(day + 86_400_000));
  const own = { provider_name: 'openai', service_tier: 'batch', model: 'gpt-5.4' };
  const audio = { provider_name: 'openai', model: 'gpt-4o-audio-preview' };
  await append(ledger.db, prices, [
    { ...own, token_kind: 'input', list_unit_price: '1.25' },
    { ...own, token_kind: 'output', list_unit_price: '7.5' },
    { ...audio, token_kind: 'input', list_unit_price: '2.5' },
    { ...audio, token_kind: 'output', list_unit_price: '10' },
    { ...audio, token_kind: 'input_audio', list_unit_price: '40' },
    // Stated per thousand, as some sellers do.
    { ...audio, token_kind: 'output_audio', list_unit_price: '0.08', pricing_quantity: 1_000 },
    { provider_name: 'anthropic', model: 'claude-sonnet-4-5', token_kind: 'cache_write_1h', list_unit_price: '6' },
    {
      provider_name: 'anthropic',
      model: 'claude-sonnet-4-5-20250929',
      token_kind: 'cache_write_1h',
      list_unit_price: '6',
    },
  ]);
  await append(ledger.db, attributions, [
    { consumer_id: 'chat', tenant_id: 'retail', cost_center: '4711' },
    { consumer_id: 'search', tenant_id: 'wholesale', cost_center: '4712' },
  ]);
  const ptu = { commitment_id: 'ptu', name: '50 PTU', quantity: '50', unit: 'PTU', billing_currency: 'USD' };
  await append(ledger.db, commitments, [
    {
      ...ptu,
      deployments: ['gpt-4o-ptu'],
      amount: '50',
      amount_per: 'hour',
      allocation_method: 'weighted_tokens',
      weights: { output: '4' },
      capacity_tokens_per_minute: 125_000,
    },
  ]);
  await ledger.store(
    Object.entries(bills).map(([name, bill]) =>
      Object.assign(
        {
          call_id: `gw/${name}`,
          started_at: day,
          consumer_id: 'c1',
          deployment: name,
          http_response_status_code: 200,
        },
        bill,
      ),
    ),
  );
});

afterAll(async () => ledger.close());

/** The answer's rows by deployment, asked for once. */
let answered: Promise<Map<unknown, AnswerRow>> | undefined;

async function bill(name: string): Promise<AnswerRow> {
  answered ??= spent(app, key, `${window}&group_by=deployment`).then(
    (rows) => new Map(rows.map((row) => [row['deployment'], row])),
  );
  return (await answered).get(name) ?? {};
}

function line(row: AnswerRow): unknown[] {
  return [row['tenant_id'], row['is_idle'], row['usage_quantity'], row['allocated_ratio'], row['allocated_cost']];
}

describe('a bill computed by hand equals the answer to the last digit', () => {
  test('OpenAI chat: cached tokens are a tenth, reasoning costs what output costs', async () => {
    // 1,873 × 2.50 = 4,682.50; 1,024 × 0.25 = 256.00; (311 + 704) × 15 = 15,225.00; per million: 20,163.50 / 10⁶.
    expect(await bill('openai-chat')).toMatchObject({ list_cost: '0.0201635', price_match: ['response_model.exact'] });
  });

  test('Anthropic: reads, writes for 5 minutes and writes for 1 hour have three prices', async () => {
    // 2,095 × 3 = 6,285; 188,086 × 0.30 = 56,425.8; 1,024 × 3.75 = 3,840; 512 × 6 = 3,072; 503 × 15 = 7,545: 77,167.8.
    expect(await bill('anthropic')).toMatchObject({ list_cost: '0.0771678', unpriced_tokens: '0' });
  });

  test('Gemini: thoughts are billed as output; exactly 200,000 input tokens are in the lower tier', async () => {
    // 199,000 × 1.25 = 248,750; 1,000 × 0.125 = 125; (1,200 + 3,400) × 10 = 46,000: 294,875.
    expect(await bill('gemini-short')).toMatchObject({ list_cost: '0.294875' });
  });

  test('Gemini over 200k: one token more, cached ones counted, and every token costs the higher tier', async () => {
    // 199,001 × 2.5 = 497,502.5; 1,000 × 0.25 = 250; 4,600 × 15 = 69,000: 566,752.5.
    expect(await bill('gemini-long')).toMatchObject({ list_cost: '0.5667525' });
  });

  test('Azure gpt-5.4 over 272k, by its dated name: uncached and cached input together decide the tier', async () => {
    // 150,001 × 5 = 750,005; 122,000 × 0.5 = 61,000; 1,000 × 22.5 = 22,500: 833,505.
    expect(await bill('azure-long')).toMatchObject({
      list_cost: '0.833505',
      price_match: ['response_model.undated'],
    });
  });

  test('batch: its own prices, not the standard ones', async () => {
    // 1,000,003 × 1.25 = 1,250,003.75; 7 × 7.5 = 52.5: 1,250,056.25.
    expect(await bill('batch')).toMatchObject({ list_cost: '1.25005625' });
  });

  test('audio: four kinds with four prices, one of them stated per thousand', async () => {
    // 19 × 2.5 = 47.5; 403 × 40 = 16,120; 31 × 10 = 310; 1,201 × 80 = 96,080: 112,557.5.
    expect(await bill('audio')).toMatchObject({ list_cost: '0.1125575' });
  });

  test('embeddings: the model as it was asked for, where the answer names none', async () => {
    // 8,191 × 0.02 = 163.82.
    expect(await bill('embeddings')).toMatchObject({ list_cost: '0.00016382', price_match: ['request_model.exact'] });
  });

  test('PTU: fixed cost by weighted tokens of what it can serve, idle on its own line; its calls cost nothing more', async () => {
    // 50 units at 1 USD an hour for the 744 hours of October: 37,200. It can serve 125,000 × 60 × 744 = 5,580,000,000.
    // retail 1,116,000,000 = 0.2; wholesale 232,000,000 + 4 × 500,000,000 = 2,232,000,000 = 0.4; idle the rest.
    const { data } = await ask(app, key, '/v1/commitments/allocated?month=2026-10');
    expect(data.map(line)).toEqual([
      ['retail', false, '1116000000', '0.2', '7440'],
      ['wholesale', false, '2232000000', '0.4', '14880'],
      ['', true, '2232000000', '0.4', '14880'],
    ]);
    // At list prices they would have cost 1,116 × 2.5 = 2,790 and 232 × 2.5 + 500 × 10 = 5,580.
    const rows = await spent(app, key, `${window}&deployment=gpt-4o-ptu&group_by=tenant_id`);
    expect(rows).toMatchObject([
      { tenant_id: 'retail', list_cost: '2790', effective_cost: null, committed_tokens: '1116000000' },
      { tenant_id: 'wholesale', list_cost: '5580', effective_cost: null, committed_tokens: '732000000' },
    ]);
  });

  test('a tier without a price is unpriced with its reason, and not billed as standard', async () => {
    expect(await bill('priority')).toMatchObject({
      list_cost: null,
      contracted_cost: null,
      effective_cost: null,
      unpriced_tokens: '24',
      unpriced_models: ['gpt-5.4'],
      unpriced_reasons: ['no_price_for_service_tier'],
    });
  });

  test('the lines by kind of token are those of the bill, and add up to it', async () => {
    const rows = await spent(app, key, `${window}&deployment=anthropic&group_by=token_kind&order_by=token_kind`);
    expect(rows.map((row) => [row['token_kind'], row['priced_tokens'], row['list_cost'], row['calls']])).toEqual([
      ['cache_read', '188086', '0.0564258', '1'],
      ['cache_write', '1024', '0.00384', '1'],
      ['cache_write_1h', '512', '0.003072', '1'],
      ['input', '2095', '0.006285', '1'],
      ['output', '503', '0.007545', '1'],
    ]);
  });
});
