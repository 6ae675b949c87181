import { noUsage } from '../event.ts';
import type { Reader } from '../reader.ts';
import { propagate, sum, uncounted, type Counted } from './counts.ts';
import { serviceTier } from './service_tier.ts';

/**
 * Anthropic's usage object: `input_tokens` excludes both cache counts, so the kinds are disjoint as they come; thinking
 * is inside `output_tokens`. Cache writes are split by their time to live where the object says so (5 minutes and
 * 1 hour have different prices); without the split they are the 5 minute default. No total is stated.
 * Source: anthropic-sdk-typescript, src/resources/messages/messages.ts.
 */
export function anthropicUsage(usage: Reader): Counted {
  const written = usage.count('cache_creation_input_tokens');
  const split = usage.object('cache_creation');
  const hour = split?.count('ephemeral_1h_input_tokens') ?? null;
  const stated = split?.count('ephemeral_5m_input_tokens') ?? null;
  const minutes = stated ?? rest(usage, written, hour);
  const output = usage.count('output_tokens');
  const details = usage.object('output_tokens_details');
  const thinking = details?.count('thinking_tokens') ?? null;
  const service_tier = serviceTier(usage.text('service_tier'));
  propagate(usage, [split, details]);
  const input = usage.count('input_tokens');
  if (input === null && output === null) return uncounted;
  if (thinking !== null && output !== null && thinking > output) {
    usage.fail('number_out_of_range', `thinking_tokens (${thinking}) are more than output_tokens (${output})`);
    return uncounted;
  }
  const read = usage.count('cache_read_input_tokens');
  const total = usage.count('total_tokens');
  // A split that is not the whole leaves writes whose price is unknown. A proxy's total that leaves the caches out
  // leaves it open whether its input includes them.
  const complete = written === null || sum([minutes, hour]) === written;
  const apart = total === null || sum([read, written]) === 0 || total === sum([input, output, read, written]);
  return {
    ...noUsage,
    usage_input_tokens: input,
    usage_cache_read_input_tokens: read,
    usage_cache_creation_5m_input_tokens: minutes,
    usage_cache_creation_1h_input_tokens: hour,
    usage_output_tokens: output === null ? null : output - (thinking ?? 0),
    usage_reasoning_output_tokens: thinking,
    usage_total_tokens: total,
    usage_quality: input === null || output === null || !complete || !apart ? 'partial' : 'exact',
    service_tier,
  };
}

/** The cache writes that no other time to live is stated for. */
function rest(usage: Reader, written: number | null, hour: number | null): number | null {
  if (written === null || hour === null) return written;
  if (hour > written) {
    usage.fail(
      'number_out_of_range',
      `the split of cache writes (${hour}) is more than cache_creation_input_tokens (${written})`,
    );
    return null;
  }
  return written - hour;
}
