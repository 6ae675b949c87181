import { noUsage } from '../event.ts';
import type { Reader } from '../reader.ts';
import { propagate, uncounted, type Counted } from './counts.ts';

/**
 * Cohere's `meta` (v1) and `usage` (v2). Two pairs of counts: `billed_units` are what the invoice counts, `tokens` what
 * the model processed, with the prompt templates that Cohere adds and does not bill. The billed ones are taken; where
 * only the processed ones are stated they bound the bill from above and are an estimate. Of `cached_tokens` no public
 * text says whether they are inside the billed units: above 0 the usage is partial. No total is stated. Searches of
 * rerank (`search_units`) and classifications are no tokens.
 * Source: docs.cohere.com, v1 and v2 Chat reference; How Does Cohere's Pricing Work.
 */
export function cohereUsage(usage: Reader): Counted {
  const billed = usage.object('billed_units');
  const processed = usage.object('tokens');
  const cached = usage.count('cached_tokens') ?? 0;
  const counts = billed !== null && hasTokens(billed) ? billed : processed;
  const input = counts?.count('input_tokens') ?? null;
  const output = counts?.count('output_tokens') ?? null;
  propagate(usage, [billed, processed]);
  if (input === null && output === null) return uncounted;
  return {
    ...noUsage,
    usage_input_tokens: input,
    usage_output_tokens: output,
    usage_quality: counts !== billed ? 'estimated' : cached > 0 || input === null ? 'partial' : 'exact',
    service_tier: '',
  };
}

function hasTokens(counts: Reader): boolean {
  return counts.has('input_tokens') || counts.has('output_tokens');
}
