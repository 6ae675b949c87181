/** How many tokens a price or a quantity is stated for, or why it is not of tokens. */
export type Unit =
  | { readonly kind: 'tokens'; readonly quantity: string }
  | { readonly kind: 'other' }
  | { readonly kind: 'unknown' };

const scales: Readonly<Record<string, string>> = { '': '', k: '000', m: '000000', b: '000000000' };

/**
 * A unit of measure as sellers write it: `1K`, `1M`, `1000 Tokens`, `1M Tokens`, `1 Token`. Time, space and other things
 * that are counted are known not to be tokens. A bare `1` is of whatever the meter counts: `names` says whether that is
 * tokens. Whatever else is unknown, because a guess here is wrong by a thousand.
 */
export function unitOf(text: string, names: 'tokens' | 'nothing'): Unit {
  const unit = text.trim().toLowerCase();
  const [, count = '', scale = '', word = ''] =
    /^(1|10|100|1000|10000|100000|1000000)\s*([kmb]?)\s*(tokens?)?$/.exec(unit) ?? [];
  if (count !== '' && (word !== '' || (names === 'tokens' && scale !== ''))) {
    return { kind: 'tokens', quantity: count + (scales[scale] ?? '') };
  }
  if (names === 'nothing' && count !== '') return { kind: 'other' };
  const others =
    /^\d+[kmb]?\s*\/?\s*(hours?|days?|months?|years?|minutes?|seconds?|gb|tb|mb|images?|pages?|characters?|requests?|calls?|units?)(\/(hour|day|month))?$/;
  return { kind: others.test(unit) ? 'other' : 'unknown' };
}
