import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decimalText, distributed, exactly, halfEven, minorDigits, written } from '../../api/rounding.ts';

/* Rounding at the line of a statement, against plain rules over generated amounts. The seed is printed by fast-check. */

const unit = (digits: number): bigint => 10n ** BigInt(42 - digits);
const digits = fc.constantFrom(0, 2, 3, 4);
/** Amounts with a tie, a whole unit or something in between. */
const amount = fc
  .tuple(fc.bigInt(-(10n ** 6n), 10n ** 6n), fc.constantFrom(0n, 1n, 4n, 5n, 6n, 9n), fc.bigInt(0n, 10n ** 37n))
  .map(([whole, tenth, rest]) => whole * 10n ** 40n + tenth * 10n ** 39n + (tenth === 5n ? 0n : rest));

const total = (values: readonly bigint[]): bigint => values.reduce((sum, value) => sum + value, 0n);
const distance = (a: bigint, b: bigint): bigint => (a > b ? a - b : b - a);

test('half to even is the nearest amount that can be paid, and of two the even one', () => {
  fc.assert(
    fc.property(amount, digits, (value, places) => {
      const paid = halfEven(value, places);
      const off = 2n * distance(value, paid * unit(places));
      expect(off <= unit(places)).toBe(true);
      if (off === unit(places)) expect(paid % 2n).toBe(0n);
    }),
  );
  // By hand: 0.005, 0.015, 0.025, -0.005, -0.015 USD.
  const cents = ['0.005', '0.015', '0.025', '-0.005', '-0.015'].map((text) => written(halfEven(exactly(text), 2), 2));
  expect(cents).toEqual(['0.00', '0.02', '0.02', '0.00', '-0.02']);
});

test('lines add up to their rounded total, none is off by a whole unit, and an exact one is not moved', () => {
  fc.assert(
    fc.property(fc.array(amount, { minLength: 1, maxLength: 30 }), digits, (values, places) => {
      const target = halfEven(total(values), places);
      const lines = distributed(values, places, target);
      expect(total(lines)).toBe(target);
      for (const [i, value] of values.entries()) {
        const off = distance(value, (lines[i] ?? 0n) * unit(places));
        expect(off < unit(places)).toBe(true);
        if (value % unit(places) === 0n) expect(off).toBe(0n);
      }
    }),
  );
});

test('what is billed for a month in several statements adds up to the rounded total of all of it', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(amount, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 6 }),
      digits,
      (statements, places) => {
        let before = 0n;
        let billed = 0n;
        for (const values of statements) {
          const target = halfEven(before + total(values), places) - halfEven(before, places);
          billed += total(distributed(values, places, target));
          before += total(values);
        }
        expect(billed).toBe(halfEven(total(statements.flat()), places));
      },
    ),
  );
});

test('a decimal is read and written without losing a digit', () => {
  const any = fc.bigInt(-(10n ** 70n), 10n ** 70n);
  fc.assert(
    fc.property(any, (value) => {
      expect(exactly(decimalText(value))).toBe(value);
    }),
  );
  expect(['JPY', 'USD', 'KWD', 'CLF'].map(minorDigits)).toEqual([0, 2, 3, 4]);
});
