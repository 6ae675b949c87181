import type { Fields } from './event.ts';

/** What a log says about a refusal: names as the gateway writes them, statuses null where there is none. */
type Refusal = {
  readonly reason: string;
  readonly policy: string;
  readonly status: number | null;
  readonly backend_status: number | null;
};

/** Names of API Management's limit policies, `-by-key` variants included, and of the reasons they give. */
const limits: readonly (readonly [pattern: RegExp, by: Fields['throttled_by']])[] = [
  [/token-?limit|token-?quota/i, 'token_limit'],
  [/^quota(-by-key)?$|quota-?exceeded/i, 'quota'],
  [/^rate-limit(-by-key)?$|rate-?limit-?exceeded|concurrency-?limit|^limit-concurrency$/i, 'rate_limit'],
];

/**
 * Whose limit refused a call. The gateway's own policy names itself in the error; a 429 that no back end gave is the
 * gateway's too, and one of a back end is the back end's. A call that was answered after all was not refused.
 * Source: MicrosoftDocs/azure-docs, api-management-error-handling-policies.md.
 */
export function throttledBy({ reason, policy, status, backend_status }: Refusal): Fields['throttled_by'] {
  if (status !== null && status < 400) return '';
  for (const [pattern, by] of limits) if (pattern.test(reason) || pattern.test(policy)) return by;
  if (backend_status === 429) return 'backend';
  return status === 429 && backend_status === null ? 'rate_limit' : '';
}
