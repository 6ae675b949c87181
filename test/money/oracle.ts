/*
 * What a call costs, by the rules of the books and nothing else: whole numbers of 10^-42, one call at a time, in the order
 * in which a person would look it up. It shares no line with the views.
 */
const scale = 10n ** 42n;

/** A decimal text in units of 10^-places; more digits than that are an error of the test. */
export function units(text: string, places = 42): bigint {
  const [whole = '0', fraction = ''] = text.replace('-', '').split('.');
  if (fraction.length > places) throw new Error(`${text} has more than ${places} decimals`);
  const value = BigInt(whole + fraction.padEnd(places, '0'));
  return text.startsWith('-') ? -value : value;
}

/** As the database writes a decimal. */
export function decimal(value: bigint): string {
  const magnitude = value < 0n ? -value : value;
  const fraction = String(magnitude % scale)
    .padStart(42, '0')
    .replace(/0+$/, '');
  return `${value < 0n ? '-' : ''}${magnitude / scale}${fraction === '' ? '' : `.${fraction}`}`;
}

type Dated = { readonly valid_from: number; readonly valid_to: number | null };
export type Price = Dated & { model: string; token_kind: string; context_over_tokens: number; list_unit_price: string };
export type Discount = Dated & {
  agreement_id: string;
  tenant_id: string;
  model: string;
  token_kind: string;
  discount_percent: string;
};
export type Contract = Dated & { tenant_id: string; model: string; token_kind: string; contracted_unit_price: string };
export type Books = { prices: Price[]; discounts: Discount[]; contracts: Contract[] };

export type Metered = {
  readonly call_id: string;
  readonly started_at: number;
  readonly tenant_id: string;
  readonly consumer_id: string;
  readonly deployment: string;
  readonly model: string;
  readonly tokens: Readonly<Record<string, bigint>>;
};

/** One kind of token of a call; null where nothing states its price. */
export type Line = {
  readonly call: Metered;
  readonly kind: string;
  readonly tokens: bigint;
  list: bigint | null;
  contracted: bigint | null;
};

const inputs = ['input', 'cache_read', 'cache_write', 'cache_write_1h'];

export function linesOf(call: Metered, books: Books): Line[] {
  const input = inputs.reduce((sum, kind) => sum + (call.tokens[kind] ?? 0n), 0n);
  return Object.entries(call.tokens).map(([kind, tokens]) => {
    const listed =
      listOf(call, kind, input, books.prices) ??
      (kind === 'reasoning' ? listOf(call, 'output', input, books.prices) : null);
    const agreed = agreedOf(call, kind, listed, books);
    return { call, kind, tokens, list: times(tokens, listed), contracted: times(tokens, agreed) };
  });
}

function times(tokens: bigint, price: bigint | null): bigint | null {
  return price === null ? null : tokens * price;
}

function applies(row: Dated & { model: string }, call: Metered): boolean {
  return row.model === call.model && during(row, call);
}

function during(row: Dated, call: Metered): boolean {
  return row.valid_from <= call.started_at && (row.valid_to === null || row.valid_to > call.started_at);
}

/** Of a token, at list prices that are per million. */
function listOf(call: Metered, kind: string, input: bigint, prices: readonly Price[]): bigint | null {
  const [best] = prices
    .filter((p) => p.token_kind === kind && applies(p, call))
    .filter((p) => p.context_over_tokens === 0 || BigInt(p.context_over_tokens) < input)
    .sort((a, b) => b.context_over_tokens - a.context_over_tokens || b.valid_from - a.valid_from);
  return best === undefined ? null : units(best.list_unit_price) / 1_000_000n;
}

/** Own unit price, own discount, everybody's unit price, everybody's discount, list: the first that there is. */
function agreedOf(call: Metered, kind: string, listed: bigint | null, books: Books): bigint | null {
  for (const tenant of [call.tenant_id, '']) {
    const [contract] = books.contracts
      .filter(
        (c) => c.tenant_id === tenant && (c.token_kind === kind || isAlso(c.token_kind, kind)) && applies(c, call),
      )
      .sort((a, b) => Number(b.token_kind === kind) - Number(a.token_kind === kind) || b.valid_from - a.valid_from);
    if (contract !== undefined) return units(contract.contracted_unit_price) / 1_000_000n;
    const [discount] = books.discounts
      .filter(
        (d) =>
          d.tenant_id === tenant &&
          ['', call.model].includes(d.model) &&
          ['', kind].includes(d.token_kind) &&
          during(d, call),
      )
      .sort((a, b) => rank(b) - rank(a) || b.valid_from - a.valid_from || (a.agreement_id < b.agreement_id ? 1 : -1));
    if (discount !== undefined && listed !== null) {
      return (listed * (100n * 10_000n - units(discount.discount_percent, 4))) / (100n * 10_000n);
    }
  }
  return listed;
}

/** Reasoning without a price of its own is billed as output. */
function isAlso(stated: string, kind: string): boolean {
  return stated === 'output' && kind === 'reasoning';
}

function rank(discount: Discount): number {
  return (discount.model === '' ? 0 : 2) + (discount.token_kind === '' ? 0 : 1);
}

/** The sum of what is known, null where nothing is. */
export function total(amounts: readonly (bigint | null)[]): bigint | null {
  const known = amounts.filter((amount) => amount !== null);
  return known.length === 0 && amounts.length > 0 ? null : known.reduce((sum, amount) => sum + amount, 0n);
}
