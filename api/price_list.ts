import { parse } from 'csv-parse/sync';
import { collector, type Imported, type ImportedPrice, type ImportOptions, shifted } from './imported.ts';
import { unitOf } from './unit.ts';

const needed = ['provider_name', 'model', 'token_kind', 'list_unit_price', 'pricing_currency', 'pricing_unit'];
const optional = ['list', 'region', 'service_tier', 'context_over_tokens', 'valid_from', 'valid_to'];

/**
 * A list of prices as CSV, in the form of migrations/list-prices.csv: one price per line, with its unit (`1M Tokens`,
 * `1000 Tokens`, `1 Token`). `list`, `region`, `service_tier`, `context_over_tokens` and dates may be left out.
 */
export function listPrices(text: string, options: ImportOptions): Imported {
  const prices = collector('fault');
  const rows: { record: Record<string, string>; info: { lines: number } }[] = parse(text, {
    columns: true,
    bom: true,
    info: true,
    skip_empty_lines: true,
  });
  const columns = new Set(Object.keys(rows[0]?.record ?? {}));
  const missing = needed.filter((name) => !columns.has(name));
  const unknown = [...columns].filter((name) => !needed.includes(name) && !optional.includes(name));
  for (const name of missing) prices.fault(`the column ${name} is missing`);
  for (const name of unknown)
    prices.fault(`the column ${name} is not known; there are ${[...needed, ...optional].join(', ')}`);
  if (missing.length + unknown.length > 0) return prices.done();
  for (const { record, info } of rows) {
    const price = priceOf(record, options);
    if (typeof price === 'string')
      prices.fault(`line ${info.lines} (${record['model']} ${record['token_kind']}): ${price}`);
    else prices.add(price);
  }
  return prices.done();
}

function priceOf(record: Record<string, string>, options: ImportOptions): ImportedPrice | string {
  const { list = '', pricing_unit = '', list_unit_price = '', ...rest } = record;
  const unit = unitOf(pricing_unit, 'nothing');
  if (unit.kind !== 'tokens') {
    return `the unit ${JSON.stringify(pricing_unit)} is not one of tokens; write 1 Token, 1K Tokens or 1M Tokens`;
  }
  const price = shifted(list_unit_price, 0);
  if (price === null) return `${JSON.stringify(list_unit_price)} is not a price`;
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== ''));
  return {
    price_list: list === '' ? options.list : list,
    region: '',
    service_tier: 'standard',
    context_over_tokens: '0',
    valid_from: options.validFrom,
    ...given,
    list_unit_price: price,
    pricing_quantity: unit.quantity,
    pricing_unit: 'Tokens',
  };
}
