import type { Types } from './view.ts';

/** The dimensions that a question can be grouped and filtered by, in the order of their columns. */
export const dimensions = {
  tenant_id: 'String',
  consumer_id: 'String',
  product_id: 'String',
  api_id: 'String',
  operation_name: 'String',
  provider_name: 'String',
  response_model: 'String',
  deployment: 'String',
  backend: 'String',
  region: 'String',
  source: 'String',
  service_tier: 'String',
  user_id: 'String',
  cache_status: 'String',
  attempts: 'String',
  model_version: 'String',
  routing_label: 'String',
  moderation_outcome: 'String',
  moderation_category: 'String',
  moderation_severity: 'String',
  throttled_by: 'String',
} as const satisfies Types;

/** The filters of a question that asks for all calls. */
export const unfiltered = Object.fromEntries(Object.keys(dimensions).map((name) => [name, []])) as unknown as Record<
  keyof typeof dimensions,
  string[]
>;

/** Who asks, for when, as known when, and which calls: the parameters of every question. Empty filter arrays mean all. */
export const question = {
  from: "DateTime64(3, 'UTC')",
  to: "DateTime64(3, 'UTC')",
  step: 'String',
  tz: 'String',
  as_known_at: "DateTime64(3, 'UTC')",
  visible_tenants: 'Array(String)',
  tenant_id: 'Array(String)',
  consumer_id: 'Array(String)',
  product_id: 'Array(String)',
  api_id: 'Array(String)',
  operation_name: 'Array(String)',
  provider_name: 'Array(String)',
  response_model: 'Array(String)',
  deployment: 'Array(String)',
  backend: 'Array(String)',
  region: 'Array(String)',
  source: 'Array(String)',
  service_tier: 'Array(String)',
  user_id: 'Array(String)',
  cache_status: 'Array(String)',
  attempts: 'Array(String)',
  model_version: 'Array(String)',
  routing_label: 'Array(String)',
  moderation_outcome: 'Array(String)',
  moderation_category: 'Array(String)',
  moderation_severity: 'Array(String)',
  throttled_by: 'Array(String)',
} as const satisfies Types;

/** A question that groups by the dimensions that it names. */
export const grouped = { ...question, group_by: 'Array(String)' } as const satisfies Types;
