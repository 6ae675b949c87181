import { noUsage, type Usage } from '../event.ts';
import type { Reader } from '../reader.ts';

/** Tokens by kind, and the service tier where the usage object states it, as `serviceTier` names it; else ''. */
export type Counted = Usage & { readonly service_tier: string };

/** A usage object that states no count: unknown is not 0. */
export const uncounted: Counted = { ...noUsage, usage_quality: 'missing', service_tier: '' };

/** The first of several spellings that states a number; null where none does. */
export function countOf(usage: Reader, names: readonly string[]): number | null {
  let found: number | null = null;
  // Each is read, so that none of them is an unknown field.
  for (const name of names) found = usage.count(name) ?? found;
  return found;
}

/** An inner object, whose problem is then the usage object's; a field that is absent has none. */
export function details(usage: Reader, names: readonly string[]): Reader | null {
  for (const name of names) {
    const inner = usage.object(name);
    if (inner !== null) return inner;
  }
  return null;
}

/** Problems of inner objects count for the whole: half a usage object is no usage. */
export function propagate(usage: Reader, inner: readonly (Reader | null)[]): void {
  for (const part of inner) if (part?.problem) usage.fail(part.problem.reason, part.problem.detail);
}

/** The whole without its parts. Parts larger than the whole are a contradiction, not a negative count. */
export function without(
  usage: Reader,
  side: string,
  whole: number | null,
  parts: readonly (number | null)[],
): number | null {
  if (whole === null) return null;
  const inside = sum(parts);
  if (inside > whole) {
    usage.fail('number_out_of_range', `the details of ${side} tokens (${inside}) are more than the tokens (${whole})`);
    return null;
  }
  return whole - inside;
}

export function sum(counts: readonly (number | null)[]): number {
  return counts.reduce<number>((total, count) => total + (count ?? 0), 0);
}

/** A sum that is unknown where every part is: nothing plus nothing is not 0 tokens. */
export function sumOrNull(counts: readonly (number | null)[]): number | null {
  return counts.every((count) => count === null) ? null : sum(counts);
}
