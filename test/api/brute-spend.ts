import { type Call, kinds, sum } from './brute.ts';
import type { PriceRow } from './ledger.ts';

const scale = 10n ** 24n;

/** A decimal text in units of 10^-24. */
function units(text: string): bigint {
  const [whole = '0', decimals = ''] = text.split('.');
  return BigInt(whole) * scale + BigInt(decimals.padEnd(24, '0'));
}

/** A decimal without trailing zeros, as the database writes it. */
function decimal(value: bigint): string {
  const decimals = String(value % scale)
    .padStart(24, '0')
    .replace(/0+$/, '');
  return `${value / scale}${decimals === '' ? '' : `.${decimals}`}`;
}

export function spendOf(calls: readonly Call[], book: readonly PriceRow[]): Record<string, unknown> {
  let [cost, priced, unpriced] = [0n, 0n, 0n];
  const without = new Set<string>();
  const reasons = new Set<string>();
  const matches = new Set<string>();
  for (const call of calls) {
    const [model, match] = modelOf(call, book);
    const input = sum([call], ...kinds.input, ...kinds.cache_read, ...kinds.cache_write, ...kinds.cache_write_1h);
    for (const [kind, names] of Object.entries(kinds)) {
      const tokens = sum([call], ...names);
      const found =
        priceOf(call, model, kind, input, book) ??
        (kind === 'reasoning' ? priceOf(call, model, 'output', input, book) : null);
      if (tokens > 0n && match !== '') matches.add(match);
      if (found === null) {
        unpriced += tokens;
        if (tokens === 0n) continue;
        without.add(model === '' ? call.response_model || call.deployment : model);
        reasons.add(reasonOf(model, kind, book));
      } else {
        priced += tokens;
        cost += tokens * found;
      }
    }
  }
  const amount = priced === 0n && unpriced > 0n ? null : decimal(cost);
  return {
    calls: String(calls.length),
    priced_tokens: String(priced),
    unpriced_tokens: String(unpriced),
    committed_tokens: '0',
    unpriced_models: [...without].sort(),
    unpriced_reasons: [...reasons].sort(),
    price_match: [...matches].sort(),
    list_cost: amount,
    contracted_cost: amount,
    effective_cost: amount,
  };
}

function modelOf(call: Call, book: readonly PriceRow[]): readonly [model: string, match: string] {
  const fields = ['response_model', 'request_model', 'deployment'] as const;
  const candidates = fields.flatMap((field): [string, string][] => [
    [call[field], `${field}.exact`],
    [call[field].replace(/-20\d\d-?\d\d-?\d\d$/, ''), `${field}.undated`],
  ]);
  const known = (name: string): boolean => book.some((p) => p.provider_name === call.provider_name && p.model === name);
  return candidates.find(([name]) => known(name)) ?? ['', ''];
}

function reasonOf(model: string, kind: string, book: readonly PriceRow[]): string {
  if (model === '') return 'unknown_model';
  const stated = book.some(
    (p) => p.model === model && (p.token_kind === kind || (kind === 'reasoning' && p.token_kind === 'output')),
  );
  return stated ? 'no_price_at_that_time' : 'no_price_for_token_kind';
}

/** Per token, in 10^-24; null where no price applies. */
function priceOf(call: Call, model: string, kind: string, input: bigint, book: readonly PriceRow[]): bigint | null {
  const [best] = book
    .filter((p) => p.provider_name === call.provider_name && p.model === model && p.token_kind === kind)
    .filter((p) => p.valid_from <= call.started_at && (p.valid_to === null || p.valid_to > call.started_at))
    .filter((p) => p.context_over_tokens === 0 || BigInt(p.context_over_tokens) < input)
    .sort((a, b) => b.context_over_tokens - a.context_over_tokens || b.valid_from - a.valid_from);
  return best === undefined ? null : units(best.list_unit_price) / 1_000_000n;
}
