import { isObject, Reader, type Json } from '../reader.ts';
import { uncounted, type Counted } from './counts.ts';
import { recogniseUsage } from './recognise.ts';
import { serviceTier } from './service_tier.ts';
import { responseBody, usageNames } from './stream.ts';

/** What a model's response says of itself: tokens, tier, model and id, '' where it does not; never its text. */
export type ResponseFacts = {
  readonly usage: Counted;
  readonly response_model: string;
  readonly response_id: string;
};

/**
 * Reads a logged response: a body, a list of stream events, or either as a text. `record` carries the problem of a
 * usage object that contradicts itself. A response that cannot be read has no usage, which is no fault of its record:
 * gateways cut bodies.
 */
export function recogniseResponse(logged: Json | undefined, record: Reader, provider = ''): ResponseFacts {
  const body = responseBody(logged);
  if (body === null) return { usage: uncounted, response_model: '', response_id: '' };
  const response = new Reader(body);
  const usage = usageOf(response, provider);
  if (response.problem) record.fail(response.problem.reason, response.problem.detail);
  const text = (name: string): string => {
    const value = response.peek(name);
    return typeof value === 'string' && value.length <= 256 ? new Reader({ [name]: value }).text(name) : '';
  };
  return {
    usage: usage.service_tier === '' ? { ...usage, service_tier: serviceTier(text('service_tier')) } : usage,
    response_model: text('model') || text('modelVersion'),
    response_id: text('id') || text('responseId'),
  };
}

/** The usage object, wherever the providers put it. */
function usageOf(response: Reader, provider: string): Counted {
  for (const name of usageNames) {
    const value = response.peek(name);
    if (!isObject(value)) continue;
    const usage = new Reader(value);
    const counted = recogniseUsage(usage, provider);
    if (usage.problem) response.fail(usage.problem.reason, usage.problem.detail);
    if (counted.usage_quality !== 'missing') return counted;
  }
  return uncounted;
}
