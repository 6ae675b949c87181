import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import type { Imported } from '../../api/imported.ts';
import { meterOf } from '../../api/meter.ts';
import { azureRetailPrices } from '../../api/price_azure_retail.ts';
import { listPrices } from '../../api/price_list.ts';
import { litellmPrices } from '../../api/price_litellm.ts';
import { modelsDevPrices, modelsDevToml } from '../../api/price_models_dev.ts';
import { unitOf } from '../../api/unit.ts';

/* Importers read the shape that their source documents, with every unit typed: nothing is guessed, nothing is a float. */
const own = { list: 'a list', validFrom: '2026-10-01T00:00:00Z' };

async function fixture(name: string): Promise<string> {
  return readFile(new URL(`./lists/${name}`, import.meta.url), 'utf8');
}

/** What a bill needs of a price, in one line. */
function terms({ entries }: Imported): string[] {
  return entries.map((p) =>
    [
      p['provider_name'],
      p['model'],
      p['region'],
      p['service_tier'],
      p['token_kind'],
      p['context_over_tokens'],
      `${p['list_unit_price']}/${p['pricing_quantity']}`,
    ].join(' '),
  );
}

test('a unit is tokens, something else, or unknown; never a guess', () => {
  expect(
    ['1K', '1M', '10K', '1k tokens', '1 Token', '1000 Tokens', '1M Tokens'].map((u) => unitOf(u, 'tokens')),
  ).toEqual(
    ['1000', '1000000', '10000', '1000', '1', '1000', '1000000'].map((quantity) => ({ kind: 'tokens', quantity })),
  );
  for (const unit of ['1 Hour', '1/Hour', '1/Month', '1 GB/Month', '100 Images', '1 Character']) {
    expect([unit, unitOf(unit, 'tokens').kind]).toEqual([unit, 'other']);
  }
  for (const unit of ['', '1', '1X', 'K', '3M', '1 Mio', '1MB Tokens']) {
    expect([unit, unitOf(unit, 'tokens').kind]).toEqual([unit, 'unknown']);
  }
  // Where nothing says that tokens are counted, a bare thousand is not a thousand tokens.
  expect(unitOf('1K', 'nothing')).toEqual({ kind: 'other' });
});

test('the names of Azure’s meters are read in all their spellings', () => {
  const cases: [string, string][] = [
    ['gpt 4o 1120 Inp glbl Tokens', 'gpt-4o 1120 input standard global'],
    ['gpt 4o 1120 cached Inp glbl Tokens', 'gpt-4o 1120 cache_read standard global'],
    ['gpt-4o-mini-0718-Outp-glbl Tokens', 'gpt-4o-mini 0718 output standard global'],
    ['gpt-4o-0806-Inp-regnl Tokens', 'gpt-4o 0806 input standard regional'],
    ['gpt 4.1 Inp Data Zone Tokens', 'gpt-4.1  input standard data_zone'],
    ['GPT 5.1 opt Gl 1M Tokens', 'gpt-5.1  output standard global'],
    ['GPT 5.1 cd inp Gl 1M Tokens', 'gpt-5.1  cache_read standard global'],
    ['gpt 4.1 mini Batch Outp DZone Tokens', 'gpt-4.1-mini  output batch data_zone'],
    ['gpt 4o BatchInp glbl Tokens', 'gpt-4o  input batch global'],
    ['gpt 4o rt aud 1217 Inp glbl Tokens', 'gpt-4o-rt  input_audio standard global'],
    ['Provisioned Managed Global Unit', 'provisioned-managed   standard global'],
  ];
  for (const [name, wanted] of cases) {
    const m = meterOf(name);
    expect([name, `${m.model} ${m.version} ${m.kind} ${m.tier} ${m.deployment}`]).toEqual([name, wanted]);
  }
  expect(meterOf('Model Router Inp glbl Tokens').isRouterFee).toBe(true);
});

test('LiteLLM: prices of one token become prices of a million, to the last digit; the field says tier and context', async () => {
  const found = litellmPrices(await fixture('litellm.json'), own);
  expect(terms(found)).toEqual([
    'openai gpt-x  standard input 0 2.5/1000000',
    'openai gpt-x  batch input 0 1.25/1000000',
    'openai gpt-x  priority input 0 4.25/1000000',
    'openai gpt-x  standard output 0 10/1000000',
    'openai gpt-x  standard output 272000 15/1000000',
    'openai gpt-x  standard cache_read 0 0.049999999999999996/1000000',
    'openai gpt-x  standard input_audio 0 40/1000000',
    'anthropic claude-y  standard input 0 3/1000000',
    'anthropic claude-y  standard output 0 15/1000000',
    'anthropic claude-y  standard cache_write 0 3.75/1000000',
    'anthropic claude-y  standard cache_write_1h 0 6/1000000',
    'anthropic claude-y  standard input 200000 6/1000000',
    'anthropic claude-y  standard cache_write_1h 200000 12/1000000',
    'aws.bedrock anthropic.claude-y eu-west-1 standard input 0 3.3/1000000',
  ]);
  expect(found.faults).toEqual([]);
  expect(Object.fromEntries(found.skipped)).toEqual({
    'a price of something else than counted tokens (output_cost_per_image)': 1,
    'a price of something else than counted tokens (input_cost_per_second)': 1,
    'disagrees with another name of the same model': 1,
    'a kind of deployment that no call names': 1,
    'a provider that no call names': 1,
  });
});

test('LiteLLM: a field with a unit that is not known is a fault that names model and field', () => {
  const row = { litellm_provider: 'openai', input_cost_per_token: 1e-6, input_cost_per_glyph: 1e-6 };
  const found = litellmPrices(JSON.stringify({ 'gpt-x': row, 'gpt-y': { input_cost_per_token: 1 } }), own);
  expect(found.faults).toEqual([
    'gpt-x: the unit of input_cost_per_glyph is not known',
    'gpt-y: it has no litellm_provider',
  ]);
});

test('models.dev: prices of a million tokens from JSON and TOML, no digit lost, context tiers of both forms', async () => {
  const json = modelsDevPrices(await fixture('models-dev.json'), own);
  expect(terms(json)).toEqual([
    'openai gpt-x  standard input 0 2.5/1000000',
    'openai gpt-x  standard output 0 10/1000000',
    'openai gpt-x  standard cache_read 0 0.049999999999999996/1000000',
    'openai gpt-x  standard reasoning 0 12.5/1000000',
    'gcp.gemini gem-z  standard input 0 1.25/1000000',
    'gcp.gemini gem-z  standard output 0 10/1000000',
    'gcp.gemini gem-z  standard input 200000 2.5/1000000',
    'gcp.gemini gem-z  standard output 200000 15/1000000',
  ]);
  const path = 'anthropic/models/claude-y.toml';
  expect(terms(modelsDevToml(await fixture(path), `providers/${path}`, own))).toEqual([
    'anthropic claude-y  standard input 0 3/1000000',
    'anthropic claude-y  standard output 0 15/1000000',
    'anthropic claude-y  standard cache_read 0 0.3/1000000',
    'anthropic claude-y  standard cache_write 0 3.75/1000000',
    'anthropic claude-y  standard input 200000 6/1000000',
    'anthropic claude-y  standard output 200000 22.5/1000000',
  ]);
  // More digits than a float has.
  const long = modelsDevToml('[cost]\ninput = 0.123456789012345678\n', 'openai/models/m.toml', own);
  expect(terms(long)).toEqual(['openai m  standard input 0 0.123456789012345678/1000000']);
});

/** A row of the Azure Retail Prices API as its reference shows it. */
function item(meterName: string, unitOfMeasure: string, retailPrice: number, more: object = {}): object {
  return {
    currencyCode: 'USD',
    tierMinimumUnits: 0,
    retailPrice,
    unitPrice: retailPrice,
    armRegionName: 'westeurope',
    location: 'EU West',
    effectiveStartDate: '2026-02-01T00:00:00Z',
    meterId: `id of ${meterName}`,
    meterName,
    productName: 'Azure OpenAI',
    skuName: meterName,
    serviceName: 'Foundry Models',
    serviceFamily: 'AI + Machine Learning',
    unitOfMeasure,
    type: 'Consumption',
    isPrimaryMeterRegion: true,
    armSkuName: meterName,
    ...more,
  };
}

test('Azure Retail Prices: 1K and 1M beside each other, each by its own row; what is not tokens is left out and counted', () => {
  const Items = [
    item('gpt 4o 1120 Inp glbl Tokens', '1K', 0.0025),
    item('gpt 4o 1120 Outp glbl Tokens', '1M', 10),
    item('gpt 4o 0806 Inp glbl Tokens', '1K', 0.003, { effectiveStartDate: '2025-02-01T00:00:00Z' }),
    item('gpt 4o 1120 Batch Inp glbl Tokens', '1K', 0.00125),
    item('gpt 4o 1120 Inp Data Zone Tokens', '1K', 0.00275),
    item('Provisioned Managed Global Unit', '1/Hour', 1),
    item('Dalle 3 Standard Images', '100', 4),
    item('gpt 4o 1120 Inp glbl Tokens', '1K', 0.002, { type: 'DevTestConsumption' }),
    item('Model Router Inp glbl Tokens', '1M', 0.14),
  ];
  const found = azureRetailPrices(JSON.stringify({ Items, NextPageLink: null, Count: Items.length }), {
    ...own,
    deployment: 'global',
  });
  expect(terms(found)).toEqual([
    'azure.ai.openai gpt-4o  standard input 0 0.0025/1000',
    'azure.ai.openai gpt-4o  standard output 0 10/1000000',
    'azure.ai.openai gpt-4o  batch input 0 0.00125/1000',
  ]);
  expect(found.entries[0]).toMatchObject({ pricing_currency: 'USD', valid_from: '2026-02-01T00:00:00.000Z' });
  expect(found.faults).toEqual([]);
  expect([...found.skipped.values()].reduce((a, b) => a + b)).toBe(6);
});

test('Azure Retail Prices: a token meter with a unit that is not known is a fault that names its row', () => {
  const Items = [item('gpt 4o Inp glbl Tokens', '1', 0.0025), item('gpt 4o Outp glbl Tokens', '1X', 1)];
  const { entries, faults } = azureRetailPrices(JSON.stringify({ Items }), { ...own, deployment: 'global' });
  expect(entries).toEqual([]);
  expect(faults).toEqual([
    'gpt 4o Inp glbl Tokens (meter id of gpt 4o Inp glbl Tokens, westeurope): unit "1" with price 0.0025 is not understood',
    'gpt 4o Outp glbl Tokens (meter id of gpt 4o Outp glbl Tokens, westeurope): unit "1X" with price 1 is not understood',
  ]);
});

test('a list as CSV: every one of the 1,585 rows that come with the project, and a customer’s own with other units', async () => {
  const shipped = await readFile(new URL('../../migrations/list-prices.csv', import.meta.url), 'utf8');
  const all = listPrices(shipped, own);
  expect([all.faults, all.skipped.size]).toEqual([[], 0]);
  const read = new Set(terms(all));
  const rows = shipped.trim().split('\n').slice(1);
  expect(rows.length).toBe(1_585);
  for (const row of rows) {
    const [, provider, model, kind, context, price = ''] = row.split(',');
    const plain = price.includes('.') ? price.replace(/\.?0+$/, '') : price;
    expect(read.has(`${provider} ${model}  standard ${kind} ${context} ${plain}/1000000`), row).toBe(true);
  }
  const header = 'provider_name,model,token_kind,list_unit_price,pricing_currency,pricing_unit,region';
  const others = ['openai,m,input,0.0025,EUR,1K Tokens,', 'openai,m,output,0.00001,EUR,1 Token,westeurope'];
  expect(terms(listPrices([header, ...others].join('\n'), own))).toEqual([
    'openai m  standard input 0 0.0025/1000',
    'openai m westeurope standard output 0 0.00001/1',
  ]);
});

test('a list as CSV: units and numbers that are not understood are faults with their line, as is a column', () => {
  const header = 'provider_name,model,token_kind,list_unit_price,pricing_currency,pricing_unit';
  const rows = [
    'openai,m,input,2.5,USD,1M',
    'openai,m,output,"2,5",USD,1M Tokens',
    'openai,m,cache_read,1,USD,1M Tokens',
    'openai,m,cache_read,2,USD,1M Tokens',
  ];
  const found = listPrices([header, ...rows].join('\n'), own);
  expect(found.faults).toEqual([
    'line 2 (m input): the unit "1M" is not one of tokens; write 1 Token, 1K Tokens or 1M Tokens',
    'line 3 (m output): "2,5" is not a price',
    'm cache_read has two prices from 2026-10-01T00:00:00Z',
  ]);
  expect(listPrices(`${header},price\n${rows[2]},1`, own).faults).toEqual([
    expect.stringContaining('the column price is not known'),
  ]);
});

test('a file that is not what it should be is a fault with its place, and never a price less', () => {
  const whole = {
    currencyCode: 'USD',
    retailPrice: 1,
    unitOfMeasure: '1K',
    meterName: 'gpt x Inp glbl Tokens',
    effectiveStartDate: own.validFrom,
  };
  const { retailPrice: _price, ...cut } = whole;
  const pages = JSON.stringify([{ Items: [whole] }, { Items: [whole, cut, 7] }, { error: 'busy' }]);
  expect(azureRetailPrices(pages, { ...own, deployment: 'global' }).faults).toEqual([
    'page 2, item 2: retailPrice is missing or not what it should be',
    'page 2, item 3: the row is missing or not what it should be',
    'page 3 has no Items: it is no answer of the Retail Prices API',
  ]);
  const tiers = [{ input: 4, tier: { size: 'large' } }];
  const catalogue = { openai: { models: { 'gpt-x': { cost: { input: 2, tiers } } } } };
  const found = modelsDevPrices(JSON.stringify(catalogue), own);
  expect([found.entries, found.faults]).toEqual([[], ['openai/gpt-x: its tiers are not understood']]);
});
