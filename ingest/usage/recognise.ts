import type { Usage } from '../event.ts';
import type { Reader } from '../reader.ts';
import { anthropicUsage } from './anthropic.ts';
import { openaiUsage } from './openai.ts';

/** Reads a provider's usage object by its shape: Anthropic alone has cache counts beside `input_tokens`. */
export function recogniseUsage(usage: Reader): Usage {
  const anthropic =
    usage.has('cache_read_input_tokens') || usage.has('cache_creation_input_tokens') || usage.has('cache_creation');
  return anthropic ? anthropicUsage(usage) : openaiUsage(usage);
}
