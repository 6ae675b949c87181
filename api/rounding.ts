/*
 * Exact amounts become amounts that can be paid, once, at the line of a statement. An exact amount is a bigint in units
 * of 10^-42, which is what the database's Decimal(76, 42) holds.
 */

const decimals = 42;

/** Currencies whose minor unit is not a hundredth, by ISO 4217. */
const unusual: Readonly<Record<string, number>> = {
  ...Object.fromEntries(
    'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF'.split(' ').map((code) => [code, 0]),
  ),
  ...Object.fromEntries('BHD IQD JOD KWD LYD OMR TND'.split(' ').map((code) => [code, 3])),
  ...Object.fromEntries('CLF UYW'.split(' ').map((code) => [code, 4])),
};

/** How many decimals a currency is paid in. */
export function minorDigits(currency: string): number {
  return unusual[currency] ?? 2;
}

/** A decimal text, in units of 10^-42. */
export function exactly(text: string): bigint {
  const [, sign = '', whole = '0', rest = ''] = /^(-?)(\d+)(?:\.(\d*))?$/.exec(text) ?? [];
  const value = BigInt(whole + rest.padEnd(decimals, '0'));
  return sign === '-' ? -value : value;
}

/** Units of 10^-42 as the database writes a decimal: no zeros at the end. */
export function decimalText(value: bigint): string {
  const text = written(value, decimals);
  return text.replace(/\.?0+$/, '');
}

/** To whole minor units, half to even. */
export function halfEven(exact: bigint, digits: number): bigint {
  const unit = 10n ** BigInt(decimals - digits);
  const down = exact / unit - (exact % unit < 0n ? 1n : 0n);
  const twice = 2n * (exact - down * unit);
  return twice > unit || (twice === unit && down % 2n !== 0n) ? down + 1n : down;
}

/**
 * Each amount half to even in minor units, then as many of them moved by one unit as it takes to add up to `target`:
 * those first that rounding took the most from, and of equals the earlier. No amount is moved twice, and one that is
 * exact in minor units not at all, as long as `target` is within half a unit for each amount that is not.
 */
export function distributed(exact: readonly bigint[], digits: number, target: bigint): bigint[] {
  const unit = 10n ** BigInt(decimals - digits);
  const lines = exact.map((value) => halfEven(value, digits));
  const missing = target - lines.reduce((sum, line) => sum + line, 0n);
  const step = missing < 0n ? -1n : 1n;
  const taken = exact.map((value, i) => ({ i, by: step * (value - (lines[i] ?? 0n) * unit) }));
  taken.sort((a, b) => (a.by === b.by ? a.i - b.i : a.by > b.by ? -1 : 1));
  for (const { i } of taken.slice(0, Number(missing * step))) lines[i] = (lines[i] ?? 0n) + step;
  return lines;
}

/** Minor units as a decimal text with all digits of the currency. */
export function written(minor: bigint, digits: number): string {
  const text = String(minor < 0n ? -minor : minor).padStart(digits + 1, '0');
  const sign = minor < 0n ? '-' : '';
  return digits === 0 ? sign + text : `${sign}${text.slice(0, -digits)}.${text.slice(-digits)}`;
}
