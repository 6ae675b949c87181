/** Decimal texts as whole numbers of 10^-42, the finest that an amount has. */
const places = 42;
const scale = 10n ** BigInt(places);

function exact(decimal: string): bigint {
  const negative = decimal.startsWith('-');
  const [whole = '0', fraction = ''] = decimal.replace('-', '').split('.');
  const value = BigInt(whole) * scale + BigInt(fraction.padEnd(places, '0'));
  return negative ? -value : value;
}

/** Back to the text that the database writes: no zeros at the end. */
function text(value: bigint): string {
  const magnitude = value < 0n ? -value : value;
  const fraction = String(magnitude % scale)
    .padStart(places, '0')
    .replace(/0+$/, '');
  return `${value < 0n ? '-' : ''}${magnitude / scale}${fraction === '' ? '' : `.${fraction}`}`;
}

export function sum(decimals: readonly string[]): string {
  return text(decimals.reduce((total, decimal) => total + exact(decimal), 0n));
}

export function difference(a: string, b: string): string {
  return text(exact(a) - exact(b));
}
