import { readFile } from 'node:fs/promises';
import { unreachable } from '#common/assert.ts';
import { ConfigurationError } from '#common/environment.ts';
import type { Imported, ImportOptions } from './imported.ts';
import type { DeploymentType } from './meter.ts';
import { azurePages, azureRetailPrices } from './price_azure_retail.ts';
import { listPrices } from './price_list.ts';
import { litellmPrices } from './price_litellm.ts';
import { modelsDevPrices, modelsDevToml } from './price_models_dev.ts';

/** Where prices may come from. */
export const priceFormats = ['list-csv', 'litellm', 'models.dev', 'azure-retail'] as const;
type PriceFormat = (typeof priceFormats)[number];

type Options = ImportOptions & { readonly format: PriceFormat; readonly deployment: DeploymentType };

/** What files or addresses state, as one. */
export async function importedFrom(places: readonly string[], options: Options): Promise<Imported> {
  const all: Imported = { entries: [], skipped: new Map(), faults: [] };
  for (const place of places) {
    const found = await readPrices(place, options);
    all.entries.push(...found.entries);
    all.faults.push(...found.faults.map((fault) => (places.length > 1 ? `${place}: ${fault}` : fault)));
    for (const [why, count] of found.skipped) all.skipped.set(why, (all.skipped.get(why) ?? 0) + count);
  }
  return all;
}

async function readPrices(place: string, options: Options): Promise<Imported> {
  const web = /^https?:\/\//.test(place);
  const text = async (): Promise<string> => (web ? fetchText(place) : readFile(place, 'utf8'));
  try {
    switch (options.format) {
      case 'list-csv':
        return listPrices(await text(), options);
      case 'litellm':
        return litellmPrices(await text(), options);
      case 'models.dev':
        return place.endsWith('.toml')
          ? modelsDevToml(await text(), place, options)
          : modelsDevPrices(await text(), options);
      case 'azure-retail':
        return azureRetailPrices(web ? await azurePages(place, fetchText) : await text(), options);
      default:
        return unreachable(options.format);
    }
  } catch (error) {
    if (error instanceof Error) throw new ConfigurationError(`${place} is not ${options.format}: ${error.message}`);
    throw error;
  }
}

async function fetchText(url: string): Promise<string> {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`it answered ${answer.status}`);
  return answer.text();
}
