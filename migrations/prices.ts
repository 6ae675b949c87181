import { parse } from 'csv-parse/sync';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { Database } from '#clickhouse/client.ts';
import { prices, priceSources } from '#clickhouse/money.ts';
import { assert, present } from '#common/assert.ts';

const row = z.object({
  list: z.string().min(1),
  provider_name: z.string().min(1),
  model: z.string().min(1),
  token_kind: z.enum(['input', 'cache_read', 'cache_write', 'output', 'input_audio', 'output_audio']),
  context_over_tokens: z.string().regex(/^\d+$/),
  // Text to the last digit: a price never passes through a float.
  list_unit_price: z.string().regex(/^\d+(\.\d+)?$/),
  pricing_currency: z.string().regex(/^[A-Z]{3}$/),
  // A price without a quantity and a unit is refused.
  pricing_unit: z.string().regex(/^\d+ Tokens$/),
});

/**
 * Loads the list prices that come with the project into `prices`, once per content of the file: rows inserted, 0 when
 * they were there. The list states no dates: it is taken to apply from the start of its year (docs/adr/0006-prices.md).
 */
export async function loadListPrices(db: Database): Promise<number> {
  const text = await readFile(new URL('list-prices.csv', import.meta.url), 'utf8');
  const digest = createHash('sha256').update(text).digest('hex').slice(0, 16);
  const reason = `list-prices.csv ${digest}: models.dev, state of 2026-07-02`;
  const stored = async (): Promise<string | undefined> =>
    (await db.read(priceSources, {})).find((source) => source.reason === reason)?.rows;
  if ((await stored()) !== undefined) return 0;

  const records = z.array(row).parse(parse(text, { columns: true }));
  const lines = records.map((price) => {
    const quantity = present(price.pricing_unit.split(' ')[0], 'the pattern begins with digits');
    return JSON.stringify([
      price.list,
      price.provider_name,
      price.model,
      '',
      'standard',
      price.token_kind,
      price.context_over_tokens,
      price.list_unit_price,
      quantity,
      'Tokens',
      price.pricing_currency,
      '2026-01-01 00:00:00.000',
      null,
      'gatemeter',
      reason,
    ]);
  });
  await db.insert(prices, lines.join('\n'), `list-prices/${digest}`);
  assert((await stored()) === String(records.length), 'every price of the list is stored');
  return records.length;
}
