import type { Reader } from '../reader.ts';
import { countOf, sum, type Counted } from './counts.ts';
import { openaiUsage } from './openai.ts';

/** Anthropic's cache counts, as Databricks, LiteLLM and other proxies put them beside OpenAI's `prompt_tokens`. */
export const proxiedCounts = ['cache_read_input_tokens', 'cache_creation_input_tokens'] as const;

/**
 * OpenAI's usage object with Anthropic's cache counts beside it, as Databricks has for Claude and other proxies too.
 * Whether the prompt includes them is said nowhere. The stated total decides where it can: with the caches on top of
 * prompt and completion they are outside. Where it is prompt and completion alone, they are either inside or left out
 * of the total, and the usage is partial, unless OpenAI's own `cached_tokens` says the same number: that one is inside.
 * Source of the OpenAI shape: Databricks foundation model REST API reference, Usage.
 */
export function databricksUsage(usage: Reader): Counted {
  const counted = openaiUsage(usage);
  const read = countOf(usage, [proxiedCounts[0]]);
  const written = countOf(usage, [proxiedCounts[1]]);
  if (counted.usage_quality !== 'exact' || sum([read, written]) === 0) return counted;
  const stated = countOf(usage, ['prompt_tokens', 'input_tokens']);
  const made = countOf(usage, ['completion_tokens', 'output_tokens']);
  if (
    counted.usage_total_tokens === sum([stated, made, read, written]) &&
    counted.usage_cache_read_input_tokens === null
  )
    return { ...counted, usage_cache_read_input_tokens: read, usage_cache_creation_5m_input_tokens: written };
  const inside = sum([written]) === 0 && counted.usage_cache_read_input_tokens === read;
  return inside ? counted : { ...counted, usage_quality: 'partial' };
}
