import { isObject, type Reader } from '../reader.ts';
import { anthropicUsage } from './anthropic.ts';
import { bedrockUsage } from './bedrock.ts';
import { cohereUsage } from './cohere.ts';
import type { Counted } from './counts.ts';
import { databricksUsage, proxiedCounts } from './databricks.ts';
import { geminiUsage } from './gemini.ts';
import { mistralUsage, openaiUsage } from './openai.ts';

/** Names that one provider's object alone has. */
const gemini = ['promptTokenCount', 'candidatesTokenCount', 'responseTokenCount'];
const bedrock = ['inputTokens', 'outputTokens', 'inputTokenCount', 'outputTokenCount', 'prompt_token_count'];
const bedrockTitan = ['inputTextTokenCount', 'generation_token_count'];
const anthropic = [...proxiedCounts, 'cache_creation', 'server_tool_use'];
const mistral = ['num_cached_tokens', 'prompt_audio_seconds'];

/**
 * Reads a provider's usage object by its shape; the names differ enough. `provider` (OpenTelemetry's name, or '') is
 * needed for one shape only: `input_tokens` and `output_tokens` with nothing beside them are read alike by all, and
 * with a name of Anthropic beside them they are Anthropic's whatever the hint, because counting a cache twice or
 * leaving it out is worse than a wrong guess of the vendor.
 */
export function recogniseUsage(usage: Reader, provider = ''): Counted {
  const has = (names: readonly string[]): boolean => names.some((name) => usage.has(name));
  if (has(gemini)) return geminiUsage(usage);
  if (has(bedrock) || has(bedrockTitan)) return bedrockUsage(usage);
  if (usage.has('billed_units') || isObject(usage.peek('tokens'))) return cohereUsage(usage);
  if (usage.has('prompt_tokens') || usage.has('completion_tokens')) {
    if (has(mistral)) return mistralUsage(usage);
    return has(proxiedCounts) ? databricksUsage(usage) : openaiUsage(usage);
  }
  const isAnthropic = has(anthropic) || (provider === 'anthropic' && !usage.has('total_tokens'));
  return isAnthropic ? anthropicUsage(usage) : openaiUsage(usage);
}
