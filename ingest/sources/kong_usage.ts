import { noUsage, type Usage } from '../event.ts';
import { within } from '../nested.ts';
import { Reader } from '../reader.ts';
import { openaiUsage } from '../usage/openai.ts';

/** What is known around a block's `usage`. */
export type Circumstances = {
  /** Kong's own name of the provider, lower case. */
  readonly provider: string;
  readonly models: string;
  readonly streamed: boolean | null;
  readonly embeddings: boolean;
  readonly cached: boolean;
  /** From 3.9 on a metric that is missing is written as 0. */
  readonly zeroIsUnset: boolean;
};

/** Of these Kong counts a stream's tokens itself: words of the prompt, characters of the answer through four. */
const guessed = new Set(['openai', 'azure', 'mistral', 'huggingface']);

/**
 * The tokens of an AI block. Names drifted: `prompt_tokens` (3.6, and since 3.8), `prompt_token` (3.7), and besides them
 * `input_tokens` where the call is not of text (3.11). Kong's total is the sum of what it writes.
 *
 * - `estimated`: a stream of a provider in `guessed`, unless a detail that only the provider can know (cached tokens,
 *   reasoning) is there. Source: Kong/kong 3.9.3 kong/llm/drivers/shared.lua, `streaming_has_token_counts`.
 * - `partial`: Claude, whose cache writes are in no field; a call that has only one of its two sides.
 * - An answer from the cache used no tokens, whatever the answer in the cache once used: those counts are 0.
 */
export function kongUsage(block: Reader, about: Circumstances): Usage {
  return within(block, 'usage', (usage) => {
    const input = countOf(usage, ['prompt_tokens', 'prompt_token', 'input_tokens'], about.zeroIsUnset);
    const output = countOf(usage, ['completion_tokens', 'completion_token', 'output_tokens'], about.zeroIsUnset);
    const total = usage.count('total_tokens');
    const counted = (input ?? 0) + (output ?? 0) > 0;
    if (!counted) return { ...noUsage, usage_quality: 'missing' };
    if (about.cached) return unused(input, output, total);
    const details = detailsOf(usage, input ?? 0);
    const shape = new Reader({
      prompt_tokens: input,
      completion_tokens: output,
      total_tokens: total,
      ...details.shape,
    });
    const read = openaiUsage(shape);
    if (shape.problem) usage.fail(shape.problem.reason, shape.problem.detail);
    const estimated = about.streamed === true && guessed.has(about.provider) && !details.proven;
    const oneSided = input === null || (output === null && !about.embeddings);
    const claude = about.provider === 'anthropic' || /claude/i.test(about.models);
    const usage_quality = estimated ? 'estimated' : oneSided || claude || details.outside ? 'partial' : 'exact';
    return {
      ...read,
      usage_cache_read_input_tokens: read.usage_cache_read_input_tokens ?? details.outside,
      usage_quality,
    };
  });
}

/** The first of several names for a count that has one; a 0 counts only if no other name has more. */
function countOf(usage: Reader, names: readonly string[], zeroIsUnset: boolean): number | null {
  const counts = names.map((name) => usage.count(name)).filter((count) => count !== null);
  return counts.find((count) => count > 0) ?? (zeroIsUnset ? null : (counts[0] ?? null));
}

function unused(input: number | null, output: number | null, total: number | null): Usage {
  return {
    ...noUsage,
    usage_input_tokens: zeroOf(input),
    usage_output_tokens: zeroOf(output),
    usage_total_tokens: zeroOf(total),
    usage_quality: 'exact',
  };
}

function zeroOf(count: number | null): 0 | null {
  return count === null ? null : 0;
}

/** Details as OpenAI's usage object has them. More cached tokens than prompt are outside of it, as Anthropic counts. */
function detailsOf(usage: Reader, input: number) {
  const first = (names: readonly string[], detail: readonly string[]): number | null =>
    names
      .map((name) => within(usage, name, (details) => countOf(details, detail, false)))
      .reduce((found, count) => found ?? count, null);
  const inputs = ['prompt_tokens_details', 'input_tokens_details'];
  const outputs = ['completion_tokens_details', 'output_tokens_details'];
  const cached = first(inputs, ['cached_tokens']);
  const written = first(inputs, ['cache_write_tokens']);
  const reasoning = first(outputs, ['reasoning_tokens']);
  const outside = cached !== null && cached > input ? cached : null;
  return {
    outside,
    proven: (cached ?? 0) + (written ?? 0) + (reasoning ?? 0) > 0,
    shape: {
      prompt_tokens_details: {
        cached_tokens: outside === null ? cached : null,
        cache_write_tokens: written,
        audio_tokens: first(inputs, ['audio_tokens', 'audio_tokens_count']),
      },
      completion_tokens_details: {
        reasoning_tokens: reasoning,
        audio_tokens: first(outputs, ['audio_tokens', 'audio_tokens_count']),
      },
    },
  };
}
