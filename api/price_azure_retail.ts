import { z } from 'zod';
import { collector, type Imported, type ImportedPrice, type ImportOptions, parseExact, shifted } from './imported.ts';
import { type DeploymentType, type Meter, meterOf } from './meter.ts';
import { unitOf } from './unit.ts';

/** https://learn.microsoft.com/rest/api/cost-management/retail-prices/azure-retail-prices */
const item = z.looseObject({
  currencyCode: z.string(),
  retailPrice: z.string(),
  unitOfMeasure: z.string(),
  armRegionName: z.string().default(''),
  meterId: z.string().default(''),
  meterName: z.string(),
  effectiveStartDate: z.iso.datetime(),
  type: z.string().default('Consumption'),
});
type Item = z.output<typeof item>;
const page = z.object({ Items: z.array(z.unknown()), NextPageLink: z.string().nullish() });

type Options = ImportOptions & { readonly deployment: DeploymentType };

/**
 * Pages of the Azure Retail Prices API as they came: one, an array of them, or one on each line. A price is for what its
 * row says (`1K`, `1M`); it applies from the row's own date. Of several versions of a model the newest counts.
 */
export function azureRetailPrices(text: string, options: Options): Imported {
  const prices = collector();
  const items = pagesOf(text).flatMap((found, i) => itemsOf(found, i, prices.fault));
  const rows = items.map((row) => ({ row, meter: meterOf(row.meterName) }));
  const newest = new Map<string, { readonly stamp: string; readonly version: string }>();
  for (const { row, meter } of rows) {
    const stamp = `${row.effectiveStartDate}${meter.version}`;
    if (stamp > (newest.get(meter.model)?.stamp ?? '')) newest.set(meter.model, { stamp, version: meter.version });
  }
  for (const { row, meter } of rows) {
    const reason = leftOut(row, meter, options, newest.get(meter.model)?.version);
    if (reason !== null) {
      prices.skip(reason);
      continue;
    }
    const unit = unitOf(row.unitOfMeasure, 'tokens');
    const price = shifted(row.retailPrice, 0);
    if (unit.kind === 'other') prices.skip(`a unit that is not tokens (${row.unitOfMeasure})`);
    else if (unit.kind === 'unknown' || price === null) prices.fault(faultOf(row));
    else prices.add(priceOf(row, meter, price, unit.quantity, options));
  }
  return prices.done();
}

/** Every page from an address on, each by the link that the one before has; `fetchText` gives a page's text. */
export async function azurePages(first: string, fetchText: (url: string) => Promise<string>): Promise<string> {
  const pages: string[] = [];
  for (let next: string | null = first; next !== null;) {
    const text = await fetchText(next);
    const link: string | null = page.parse(parseExact(text)).NextPageLink ?? null;
    pages.push(text);
    // A link elsewhere is not followed: what it answers would become prices.
    if (link !== null && link !== '' && new URL(link).origin !== new URL(first).origin) {
      throw new Error(
        `${next} goes on at ${new URL(link).origin}, which is another host; save the pages and import the files`,
      );
    }
    next = link === '' ? null : link;
  }
  return `[${pages.join(',')}]`;
}

/** The rows of a page; one that lacks what a price needs is a fault with its place. */
function itemsOf(found: unknown, index: number, fault: (what: string) => void): Item[] {
  const read = page.safeParse(found);
  if (!read.success) fault(`page ${index + 1} has no Items: it is no answer of the Retail Prices API`);
  return (read.data?.Items ?? []).flatMap((row, i) => {
    const known = item.safeParse(row);
    if (known.success) return [known.data];
    const fields = known.error.issues.map((issue) => issue.path.join('.') || 'the row').join(', ');
    fault(`page ${index + 1}, item ${i + 1}: ${fields} is missing or not what it should be`);
    return [];
  });
}

function pagesOf(text: string): unknown[] {
  const trimmed = text.trim();
  if (trimmed.startsWith('[')) return z.array(z.unknown()).parse(parseExact(trimmed));
  try {
    return [parseExact(trimmed)];
  } catch {
    return trimmed
      .split(/\r?\n/)
      .filter((line) => line.trim() !== '')
      .map(parseExact);
  }
}

function leftOut(row: Item, meter: Meter, options: Options, newest: string | undefined): string | null {
  if (row.type !== 'Consumption') return `not by use (${row.type})`;
  if (meter.isRouterFee) return 'a fee of the model router: its routed models have prices of their own';
  if (meter.kind === '' || meter.model === '') return 'a meter that names no kind of token';
  if (meter.deployment !== options.deployment) return `another kind of deployment (${meter.deployment})`;
  return newest === meter.version ? null : 'an older version of the model';
}

function faultOf(row: Item): string {
  return `${row.meterName} (meter ${row.meterId}, ${row.armRegionName}): unit ${JSON.stringify(row.unitOfMeasure)} with price ${row.retailPrice} is not understood`;
}

function priceOf(row: Item, meter: Meter, price: string, quantity: string, options: Options): ImportedPrice {
  return {
    price_list: options.list,
    provider_name: 'azure.ai.openai',
    model: meter.model,
    region: meter.deployment === 'global' ? '' : row.armRegionName,
    service_tier: meter.tier,
    token_kind: meter.kind,
    context_over_tokens: '0',
    list_unit_price: price,
    pricing_quantity: quantity,
    pricing_unit: 'Tokens',
    pricing_currency: row.currencyCode,
    valid_from: new Date(row.effectiveStartDate).toISOString(),
  };
}
