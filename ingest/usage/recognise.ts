import type { Usage } from '../event.ts';
import type { Reader } from '../reader.ts';
import { anthropicUsage } from './anthropic.ts';
import { openaiUsage } from './openai.ts';

/**
 * Reads a provider's usage object by its shape: Anthropic alone has cache counts beside `input_tokens`. Proxies put them
 * beside `prompt_tokens` too (LiteLLM, Databricks); whether they are inside the prompt is not said there, so that usage
 * is partial unless they are 0.
 */
export function recogniseUsage(usage: Reader): Usage {
  const cache = ['cache_read_input_tokens', 'cache_creation_input_tokens'].filter((name) => usage.has(name));
  const chat = usage.has('prompt_tokens') || usage.has('completion_tokens');
  if (!chat) return cache.length > 0 || usage.has('cache_creation') ? anthropicUsage(usage) : openaiUsage(usage);
  const read = openaiUsage(usage);
  const undecided = read.usage_quality === 'exact' && cache.some((name) => (usage.count(name) ?? 0) > 0);
  return undecided ? { ...read, usage_quality: 'partial' } : read;
}
