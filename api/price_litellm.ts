import { z } from 'zod';
import { collector, type Imported, type ImportOptions, parseExact, perMillion, shifted } from './imported.ts';

/** LiteLLM's word for a provider → the word that calls have. */
const providers: readonly (readonly [pattern: RegExp, provider: string])[] = [
  [/^openai$/, 'openai'],
  [/^azure$/, 'azure.ai.openai'],
  [/^azure_ai$/, 'azure.ai.inference'],
  [/^anthropic$/, 'anthropic'],
  [/^bedrock(_converse)?$/, 'aws.bedrock'],
  [/^vertex_ai(-|$)/, 'gcp.vertex_ai'],
  [/^gemini$/, 'gcp.gemini'],
  [/^databricks$/, 'databricks'],
  [/^mistral$/, 'mistral_ai'],
  [/^cohere(_chat)?$/, 'cohere'],
  [/^deepseek$/, 'deepseek'],
  [/^xai$/, 'x_ai'],
];

/** Field → kind of token. A suffix names a context tier, then a service tier. */
const kinds: readonly (readonly [field: string, kind: string])[] = [
  ['input_cost_per_token_cache_hit', 'cache_read'],
  ['input_cost_per_token', 'input'],
  ['output_cost_per_token', 'output'],
  ['output_cost_per_reasoning_token', 'reasoning'],
  ['cache_read_input_token_cost', 'cache_read'],
  ['cache_creation_input_token_cost_above_1hr', 'cache_write_1h'],
  ['cache_creation_input_token_cost', 'cache_write'],
  ['input_cost_per_audio_token', 'input_audio'],
  ['output_cost_per_audio_token', 'output_audio'],
];
const tiers: Readonly<Record<string, string>> = { batches: 'batch', flex: 'flex', priority: 'priority' };

/** Units and kinds that are known and that no call counts; a field with another unit is not guessed at. */
const others =
  /per_(image|pixel|second|minute|hour|day|character|query|request|session|page|video|call|1k_calls|1k_tokens|gb|image_token|video_token)|dbu?_cost_per_token|(image|audio|video)_token_cost|citation_cost_per_token|_cost_per_(document|search|unit|annotation)/;

const model = z.looseObject({ litellm_provider: z.string() });

/**
 * LiteLLM's `model_prices_and_context_window.json`: US dollars for one token, as floats; every number is read as the
 * text that it is, and stated per million. The unit is in the field's name: what is known to be of something else (images,
 * characters, seconds) is skipped and counted, what is not known is a fault.
 */
export function litellmPrices(text: string, options: ImportOptions): Imported {
  const prices = collector();
  for (const [name, value] of Object.entries(z.record(z.string(), z.unknown()).parse(parseExact(text)))) {
    if (name === 'sample_spec') continue;
    const read = model.safeParse(value);
    if (!read.success) {
      prices.fault(`${name}: it has no litellm_provider`);
      continue;
    }
    const place = placeOf(name, read.data.litellm_provider);
    if (typeof place === 'string') {
      prices.skip(place);
      continue;
    }
    for (const [field, number] of Object.entries(read.data)) {
      if (!/cost/.test(field) || typeof number !== 'string') continue;
      const term = termOf(field);
      const price = shifted(number, 6);
      if (term === null && others.test(field)) prices.skip(`a price of something else than counted tokens (${field})`);
      else if (term === null) prices.fault(`${name}: the unit of ${field} is not known`);
      else if (price === null) prices.fault(`${name}: ${field} ${number} is not a price`);
      else {
        const { list: price_list, validFrom: valid_from } = options;
        prices.add({ price_list, ...place, ...term, list_unit_price: price, ...perMillion, valid_from });
      }
    }
  }
  return prices.done();
}

/** Provider, model and region, or why there are none: `bedrock/us-east-1/anthropic.claude` names all three. */
function placeOf(name: string, stated: string): { provider_name: string; model: string; region: string } | string {
  const provider_name = providers.find(([pattern]) => pattern.test(stated))?.[1];
  if (provider_name === undefined) return 'a provider that no call names';
  const parts = name.split('/');
  const path = parts.length > 1 && /^[a-z_]+$/.test(parts[0] ?? '') ? parts.slice(1) : parts;
  if (path.length === 1) return { provider_name, model: path[0] ?? '', region: '' };
  const [region = '', model = ''] = path;
  if (path.length === 2 && /^[a-z]{2}(-[a-z]+)+-\d$/.test(region)) return { provider_name, model, region };
  return 'a kind of deployment that no call names';
}

/** `…_above_200k_tokens_priority` is a context tier and a service tier. */
function termOf(field: string): { token_kind: string; context_over_tokens: string; service_tier: string } | null {
  const found = kinds.find(([stem]) => field.startsWith(stem));
  if (found === undefined) return null;
  const match = /^(?:_(batches|flex|priority))?(?:_above_(\d+)k_tokens)?(?:_(batches|flex|priority))?$/.exec(
    field.slice(found[0].length),
  );
  if (match === null) return null;
  const tier = match[1] ?? match[3];
  return {
    token_kind: found[1],
    context_over_tokens: match[2] === undefined ? '0' : `${match[2]}000`,
    service_tier: tier === undefined ? 'standard' : (tiers[tier] ?? 'standard'),
  };
}
