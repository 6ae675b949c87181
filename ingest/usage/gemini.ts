import { noUsage } from '../event.ts';
import { isObject, Reader } from '../reader.ts';
import { countOf, propagate, sumOrNull, uncounted, without, type Counted } from './counts.ts';
import { serviceTier } from './service_tier.ts';

/**
 * Gemini's `usageMetadata`, on Vertex AI and on the Gemini API. Inside `promptTokenCount`: the cached content. Outside
 * of it: `toolUsePromptTokenCount`, input all the same. Outside `candidatesTokenCount` (`responseTokenCount` in live
 * sessions): `thoughtsTokenCount`. Total = prompt + tool use + candidates + thoughts. Audio is told from text by the
 * lists of modalities; image, video and documents have the price of text and stay there. Cached audio is counted as
 * cached; where the cache's modalities are not listed, how much of it is audio is unknown and the usage partial.
 * Source: js-genai src/types.ts, GenerateContentResponseUsageMetadata and UsageMetadata.
 */
export function geminiUsage(usage: Reader): Counted {
  const prompt = usage.count('promptTokenCount');
  const tool = usage.count('toolUsePromptTokenCount');
  const candidates = countOf(usage, ['candidatesTokenCount', 'responseTokenCount']);
  const cached = usage.count('cachedContentTokenCount');
  const thoughts = usage.count('thoughtsTokenCount');
  const audioCached = audio(usage, 'cacheTokensDetails');
  const audioPrompt = audio(usage, 'promptTokensDetails');
  const undecided = (cached ?? 0) > 0 && (audioPrompt ?? 0) > 0 && !usage.has('cacheTokensDetails');
  const audioIn = sumOrNull([
    without(usage, 'audio', audioPrompt, [audioCached]),
    audio(usage, 'toolUsePromptTokensDetails'),
  ]);
  const audioOut = audio(usage, 'candidatesTokensDetails') ?? audio(usage, 'responseTokensDetails');
  const total = usage.count('totalTokenCount');
  const service_tier = serviceTier(usage.text('trafficType') || usage.text('serviceTier'));
  if (prompt === null && candidates === null) return uncounted;
  return {
    ...noUsage,
    usage_input_tokens: without(usage, 'input', sumOrNull([prompt, tool]), [cached, audioIn]),
    usage_cache_read_input_tokens: cached,
    usage_audio_input_tokens: audioIn,
    usage_output_tokens: without(usage, 'output', candidates, [audioOut]),
    usage_reasoning_output_tokens: thoughts,
    usage_audio_output_tokens: audioOut,
    usage_total_tokens: total,
    usage_quality: prompt === null || undecided ? 'partial' : 'exact',
    service_tier,
  };
}

/** The audio tokens of a list of `{modality, tokenCount}`; null where it has none. */
function audio(usage: Reader, name: string): number | null {
  const list = usage.value(name);
  if (list === undefined || list === null) return null;
  if (!Array.isArray(list)) {
    usage.fail('wrong_type', `${name} is not a list`);
    return null;
  }
  const entries = list.filter(isObject).map((entry) => new Reader(entry));
  const counts = entries
    .filter((entry) => entry.text('modality').toUpperCase() === 'AUDIO')
    .map((entry) => entry.count('tokenCount'));
  propagate(usage, entries);
  return sumOrNull(counts);
}
