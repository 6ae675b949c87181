/** A price as an importer read it, for POST /v1/prices. Amounts are text, exactly as their source has them. */
export type ImportedPrice = Readonly<Record<string, string>>;

/** What an importer made of a source. */
export type Imported = {
  readonly entries: ImportedPrice[];
  /** Why the rest is no price of tokens, with how many. */
  readonly skipped: Map<string, number>;
  /** What could not be read without a guess, each with its row: nothing is imported while there is one. */
  readonly faults: string[];
};

export type ImportOptions = {
  /** Name of the list, for `price_list`. */
  readonly list: string;
  /** Where the source states no date: from when its prices are taken to apply. */
  readonly validFrom: string;
};

const mantissa = /^(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i;

/** A JSON or TOML number, moved by so many decimal places: `2.5e-06` by 6 is `2.5`. Null for what is no price. */
export function shifted(number: string, places: number): string | null {
  const [, whole, fraction = '', exponent = '0'] = mantissa.exec(number.replaceAll('_', '')) ?? [];
  if (whole === undefined) return null;
  const digits = whole + fraction;
  const point = whole.length + Number(exponent) + places;
  const padded = point <= 0 ? '0'.repeat(1 - point) + digits : digits.padEnd(point, '0');
  const at = Math.max(point, 1);
  const integer = padded.slice(0, at).replace(/^0+(?=\d)/, '');
  const rest = padded.slice(at).replace(/0+$/, '');
  return rest === '' ? integer : `${integer}.${rest}`;
}

/** JSON whose numbers are their own text: 2.5e-06 stays `2.5e-06`, and is never a float. */
export function parseExact(text: string): unknown {
  const parse = JSON.parse as (
    text: string,
    reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
  ) => unknown;
  return parse(text, (_key, value, { source }) => (typeof value === 'number' ? source : value));
}

/** Collects prices, one for each key: the first counts, and another that disagrees is skipped and said, or a fault. */
export function collector(disagreement: 'skip' | 'fault' = 'skip'): {
  readonly add: (price: ImportedPrice) => void;
  readonly skip: (reason: string) => void;
  readonly fault: (what: string) => void;
  readonly done: () => Imported;
} {
  const entries = new Map<string, ImportedPrice>();
  const skipped = new Map<string, number>();
  const faults: string[] = [];
  const skip = (reason: string): void => {
    skipped.set(reason, (skipped.get(reason) ?? 0) + 1);
  };
  return {
    skip,
    fault: (what) => void faults.push(what),
    add: (price) => {
      const before = entries.get(keyOf(price));
      if (before === undefined) entries.set(keyOf(price), price);
      else if (stated.some((name) => before[name] !== price[name])) {
        if (disagreement === 'skip') skip('disagrees with another name of the same model');
        else faults.push(`${price['model']} ${price['token_kind']} has two prices from ${price['valid_from']}`);
      }
    },
    done: () => ({ entries: [...entries.values()], skipped, faults }),
  };
}

const stated = ['list_unit_price', 'pricing_quantity', 'pricing_currency'];

/** What tells two prices apart. */
function keyOf(price: ImportedPrice): string {
  const names = ['provider_name', 'model', 'region', 'service_tier', 'token_kind', 'context_over_tokens', 'valid_from'];
  return names.map((name) => price[name] ?? '').join('\n');
}

export const perMillion = { pricing_quantity: '1000000', pricing_unit: 'Tokens', pricing_currency: 'USD' } as const;
