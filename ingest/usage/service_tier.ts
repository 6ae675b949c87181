/**
 * Names of providers for what price lists call standard, batch, priority, flex and provisioned.
 * Sources: openai-node src/resources/chat/completions/completions.ts (`service_tier`), anthropic-sdk-typescript
 * src/resources/messages/messages.ts (`service_tier`), js-genai src/types.ts (`TrafficType`), Amazon Bedrock API
 * reference (`ServiceTier`).
 */
const tiers: ReadonlyMap<string, string> = new Map([
  ['default', 'standard'],
  ['on_demand', 'standard'],
  ['on_demand_priority', 'priority'],
  ['on_demand_flex', 'flex'],
  ['provisioned_throughput', 'provisioned'],
  ['reserved', 'provisioned'],
  // A request's wish and Google's word for "not stated": neither says at which tier the call was served.
  ['auto', ''],
  ['traffic_type_unspecified', ''],
]);

/** A provider's word for its service tier as price lists say it; an unknown one stays, in lower case. */
export function serviceTier(word: string): string {
  const lower = word.toLowerCase();
  return tiers.get(lower) ?? lower;
}
