import { noUsage } from '../event.ts';
import { isObject, Reader } from '../reader.ts';
import { countOf, propagate, sum, uncounted, type Counted } from './counts.ts';

/**
 * Amazon Bedrock's usage: Converse (`inputTokens`, `cacheReadInputTokens`, …, `totalTokens`), the metrics that end a
 * stream of InvokeModel and model invocation logs (`inputTokenCount`, …). With prompt caching `inputTokens` is the
 * uncached input alone: total input = inputTokens + cacheReadInputTokens + cacheWriteInputTokens (Amazon Bedrock user
 * guide, Prompt caching). `cacheDetails` splits the writes by time to live. Thinking is inside `outputTokens` and is not
 * told apart. InvokeModel's counts have no such text: with cache counts above 0 they are partial, as are those whose
 * stated total is not that sum.
 * Source: Amazon Bedrock API reference, TokenUsage and CacheDetail.
 */
export function bedrockUsage(usage: Reader): Counted {
  const converse = usage.has('inputTokens') || usage.has('outputTokens');
  const input = countOf(usage, ['inputTokens', 'inputTokenCount', 'inputTextTokenCount', 'prompt_token_count']);
  const output = countOf(usage, ['outputTokens', 'outputTokenCount', 'generation_token_count']);
  const read = countOf(usage, ['cacheReadInputTokens', 'cacheReadInputTokenCount']);
  const written = countOf(usage, ['cacheWriteInputTokens', 'cacheWriteInputTokenCount']);
  const total = countOf(usage, ['totalTokens', 'totalTokenCount']);
  const hour = hourWrites(usage, written);
  if (input === null && output === null) return uncounted;
  const caches = sum([read, written]);
  const adds = total === null ? converse : total === sum([input, output]) + caches;
  return {
    ...noUsage,
    usage_input_tokens: input,
    usage_cache_read_input_tokens: read,
    usage_cache_creation_5m_input_tokens: written === null ? null : written - (hour ?? 0),
    usage_cache_creation_1h_input_tokens: hour,
    usage_output_tokens: output,
    usage_total_tokens: total,
    usage_quality: input === null || output === null || (caches > 0 && !adds) ? 'partial' : 'exact',
    service_tier: '',
  };
}

/** The writes that live an hour; null where they are not told from those of 5 minutes. */
function hourWrites(usage: Reader, written: number | null): number | null {
  const list = usage.value('cacheDetails');
  if (!Array.isArray(list) || written === null) return null;
  const entries = list.filter(isObject).map((entry) => new Reader(entry));
  const counts = entries.filter((entry) => entry.text('ttl') === '1h').map((entry) => entry.count('inputTokens'));
  propagate(usage, entries);
  if (counts.length === 0) return null;
  const hour = sum(counts);
  if (hour > written) {
    usage.fail('number_out_of_range', `the split of cache writes (${hour}) is more than cacheWriteInputTokens`);
    return null;
  }
  return hour;
}
