import { noUsage, type Usage } from '../event.ts';
import type { Reader } from '../reader.ts';

/**
 * OpenAI's usage objects, also those of Azure OpenAI, Databricks and most compatible back ends: chat
 * (`prompt_tokens`, `completion_tokens`), responses (`input_tokens`, `output_tokens`) and embeddings.
 * Cached and audio tokens are inside the prompt, reasoning and audio tokens inside the completion, so they are taken out.
 * Source: openai-node, src/resources/completions.ts and responses/responses.ts.
 */
export function openaiUsage(usage: Reader): Usage {
  const chat = usage.has('prompt_tokens') || usage.has('completion_tokens');
  const input = usage.count(chat ? 'prompt_tokens' : 'input_tokens');
  const output = usage.count(chat ? 'completion_tokens' : 'output_tokens');
  const inputDetails = usage.object(chat ? 'prompt_tokens_details' : 'input_tokens_details');
  const outputDetails = usage.object(chat ? 'completion_tokens_details' : 'output_tokens_details');
  const cached = inputDetails?.count('cached_tokens') ?? null;
  const written = inputDetails?.count('cache_write_tokens') ?? null;
  const audioIn = inputDetails?.count('audio_tokens') ?? null;
  const reasoning = outputDetails?.count('reasoning_tokens') ?? null;
  const audioOut = outputDetails?.count('audio_tokens') ?? null;
  for (const details of [inputDetails, outputDetails]) {
    if (details?.problem) usage.fail(details.problem.reason, details.problem.detail);
  }
  if (input === null && output === null) return { ...noUsage, usage_quality: 'missing' };
  return {
    ...noUsage,
    usage_input_tokens: without(usage, 'input', input, [cached, written, audioIn]),
    usage_cache_read_input_tokens: cached,
    usage_cache_creation_5m_input_tokens: written,
    usage_audio_input_tokens: audioIn,
    usage_output_tokens: without(usage, 'output', output, [reasoning, audioOut]),
    usage_reasoning_output_tokens: reasoning,
    usage_audio_output_tokens: audioOut,
    usage_total_tokens: usage.count('total_tokens'),
    usage_quality: 'exact',
  };
}

/** The whole without its parts. Parts larger than the whole are a contradiction, not a negative count. */
function without(usage: Reader, side: string, whole: number | null, parts: readonly (number | null)[]): number | null {
  if (whole === null) return null;
  const inside = parts.reduce<number>((sum, part) => sum + (part ?? 0), 0);
  if (inside > whole) {
    usage.fail('number_out_of_range', `the details of ${side} tokens (${inside}) are more than the tokens (${whole})`);
    return null;
  }
  return whole - inside;
}
