import { noUsage } from '../event.ts';
import type { Reader } from '../reader.ts';
import { countOf, details, propagate, uncounted, without, type Counted } from './counts.ts';
import { serviceTier } from './service_tier.ts';

/**
 * OpenAI's usage objects, also those of Azure OpenAI, Databricks and most compatible back ends: chat
 * (`prompt_tokens`, `completion_tokens`), responses (`input_tokens`, `output_tokens`), embeddings (`prompt_tokens`
 * alone), transcription and realtime (`input_token_details`, singular).
 * Cached, written and audio tokens are inside the prompt, reasoning and audio tokens inside the completion, so they are
 * taken out. Image tokens and accepted or rejected predictions are priced as the text around them and stay there.
 * Source: openai-node, src/resources/completions.ts, responses/responses.ts and realtime/realtime.ts; DeepSeek's
 * `prompt_cache_hit_tokens`: api-docs.deepseek.com, Create Chat Completion.
 */
export function openaiUsage(usage: Reader): Counted {
  const chat = usage.has('prompt_tokens') || usage.has('completion_tokens');
  const input = usage.count(chat ? 'prompt_tokens' : 'input_tokens');
  const output = usage.count(chat ? 'completion_tokens' : 'output_tokens');
  const inside = details(usage, chat ? ['prompt_tokens_details'] : ['input_tokens_details', 'input_token_details']);
  const made = details(usage, chat ? ['completion_tokens_details'] : ['output_tokens_details', 'output_token_details']);
  const ofCached = inside?.object('cached_tokens_details') ?? null;
  const cached = inside?.count('cached_tokens') ?? usage.count('prompt_cache_hit_tokens');
  const written = inside?.count('cache_write_tokens') ?? null;
  // Cached audio is a part of both counts; as cached tokens it has a price of its own.
  const audioIn = without(usage, 'audio', inside?.count('audio_tokens') ?? null, [
    ofCached?.count('audio_tokens') ?? null,
  ]);
  const reasoning = made?.count('reasoning_tokens') ?? null;
  const audioOut = made?.count('audio_tokens') ?? null;
  const total = usage.count('total_tokens');
  const service_tier = serviceTier(usage.text('service_tier'));
  propagate(usage, [ofCached, inside, made]);
  if (input === null && output === null) return uncounted;
  const apart = isApart(reasoning, { input, output, total });
  return {
    ...noUsage,
    usage_input_tokens: without(usage, 'input', input, [cached, written, audioIn]),
    usage_cache_read_input_tokens: cached,
    usage_cache_creation_5m_input_tokens: written,
    usage_audio_input_tokens: audioIn,
    usage_output_tokens: without(usage, 'output', output, [apart ? null : reasoning, audioOut]),
    usage_reasoning_output_tokens: reasoning,
    usage_audio_output_tokens: audioOut,
    usage_total_tokens: total,
    usage_quality: input === null ? 'partial' : 'exact',
    service_tier,
  };
}

/**
 * Some compatible back ends (xAI) count reasoning beside the completion. Their own total tells: OpenAI's is the sum of
 * prompt and completion, theirs has the reasoning on top.
 */
function isApart(
  reasoning: number | null,
  { input, output, total }: { input: number | null; output: number | null; total: number | null },
): boolean {
  return (reasoning ?? 0) > 0 && total !== null && total === (input ?? 0) + (output ?? 0) + (reasoning ?? 0);
}

/**
 * Mistral's usage object is OpenAI's, with two more counts: `num_cached_tokens`, of which no public text says whether
 * the prompt includes them, and `prompt_audio_seconds`, which are billed but are no tokens. Either makes it partial.
 * Source: mistralai/client-python, src/mistralai/models/usageinfo.py.
 */
export function mistralUsage(usage: Reader): Counted {
  const counted = openaiUsage(usage);
  const cached = countOf(usage, ['num_cached_tokens']);
  const seconds = countOf(usage, ['prompt_audio_seconds']);
  const undecided = (cached ?? 0) > 0 && counted.usage_cache_read_input_tokens === null;
  return counted.usage_quality === 'exact' && (undecided || (seconds ?? 0) > 0)
    ? { ...counted, usage_quality: 'partial' }
    : counted;
}
