import { z } from 'zod';
import { getStaticTOMLValue, parseTOML, traverseNodes } from 'toml-eslint-parser';
import { collector, type Imported, type ImportOptions, parseExact, perMillion, shifted } from './imported.ts';

/** models.dev's id of a provider → the word that calls have. */
const providers: Readonly<Record<string, string>> = {
  openai: 'openai',
  azure: 'azure.ai.openai',
  'azure-cognitive-services': 'azure.ai.inference',
  anthropic: 'anthropic',
  'amazon-bedrock': 'aws.bedrock',
  'google-vertex': 'gcp.vertex_ai',
  'google-vertex-anthropic': 'gcp.vertex_ai',
  google: 'gcp.gemini',
  databricks: 'databricks',
  mistral: 'mistral_ai',
  cohere: 'cohere',
  deepseek: 'deepseek',
  xai: 'x_ai',
};

const kinds = ['input', 'output', 'reasoning', 'cache_read', 'cache_write', 'input_audio', 'output_audio'] as const;

type Cost = { readonly [field: string]: unknown };
const cost = z.record(z.string(), z.unknown());
const catalogue = z.record(z.string(), z.object({ models: z.record(z.string(), z.object({ cost: cost.optional() })) }));

/** models.dev's `api.json`: US dollars for a million tokens, by provider and model. */
export function modelsDevPrices(text: string, options: ImportOptions): Imported {
  const prices = collector();
  for (const [id, provider] of Object.entries(catalogue.parse(parseExact(text)))) {
    for (const [model, stated] of Object.entries(provider.models)) {
      if (stated.cost === undefined) prices.skip('a model without a cost');
      else addModel(prices, id, model, stated.cost, options);
    }
  }
  return prices.done();
}

/** One model's TOML file, whose place says what it is of: `providers/<provider>/models/<model>.toml`. */
export function modelsDevToml(text: string, path: string, options: ImportOptions): Imported {
  const prices = collector();
  const place = /([^/]+)\/models\/(.+)\.toml$/.exec(path.replaceAll('\\', '/'));
  if (place === null) throw new Error(`${path} does not say its model; it must end in <provider>/models/<model>.toml`);
  const { cost: stated } = z.object({ cost: cost.optional() }).parse(tomlExact(text));
  if (stated === undefined) prices.skip('a model without a cost');
  else addModel(prices, place[1] ?? '', place[2] ?? '', stated, options);
  return prices.done();
}

function addModel(
  prices: ReturnType<typeof collector>,
  id: string,
  model: string,
  stated: Cost,
  options: ImportOptions,
): void {
  const provider_name = providers[id];
  if (provider_name === undefined) return prices.skip('a provider that no call names');
  // The older field states one tier, of 200k; the newer one any. Where both are there, they say the same.
  const larger = tiersOf(stated);
  if (larger === null) return prices.fault(`${id}/${model}: its tiers are not understood`);
  const legacy = cost.safeParse(stated['context_over_200k']);
  const all: [string, Cost][] = [['0', stated], ...larger];
  if (legacy.success && !larger.some(([size]) => size === '200000')) all.push(['200000', legacy.data]);
  const own = { price_list: options.list, provider_name, model, region: '', service_tier: 'standard' };
  for (const [context_over_tokens, terms] of all) {
    for (const [field, number] of Object.entries(terms)) {
      const token_kind = kinds.find((kind) => kind === field);
      if (typeof number !== 'string') continue;
      if (token_kind === undefined) {
        prices.skip(`a price of something else than counted tokens (${field})`);
        continue;
      }
      const list_unit_price = shifted(number, 0);
      if (list_unit_price === null) prices.fault(`${id}/${model}: ${field} ${number} is not a price`);
      else {
        const terms = { token_kind, context_over_tokens, list_unit_price, valid_from: options.validFrom };
        prices.add({ ...own, ...terms, ...perMillion });
      }
    }
  }
}

const tiers = z.array(z.looseObject({ tier: z.object({ size: z.string().regex(/^[\d_]+$/) }) })).default([]);

/** Null for what is not understood: without its tiers a model's long calls would be billed at the price of short ones. */
function tiersOf(stated: Cost): [string, Cost][] | null {
  const read = tiers.safeParse(stated['tiers']);
  return read.success ? read.data.map((tier): [string, Cost] => [tier.tier.size.replaceAll('_', ''), tier]) : null;
}

/** TOML whose numbers are their own text, as `parseExact` gives for JSON. */
function tomlExact(text: string): unknown {
  const file = parseTOML(text);
  traverseNodes(file, {
    enterNode: (node) => {
      if (node.type === 'TOMLValue' && (node.kind === 'float' || node.kind === 'integer')) {
        Object.assign(node, { kind: 'string', value: node.number });
      }
    },
    leaveNode: () => {},
  });
  return getStaticTOMLValue(file);
}
