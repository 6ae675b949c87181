import { expect, test } from 'vitest';
import { Reader, wireInstant, type Json } from '../../ingest/reader.ts';
import { ticksMs, wireTicks } from '../../ingest/ticks.ts';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000_000);
console.log(`reader.test.ts runs with SEED=${seed}`);

/** What one value reads as, and why not if it does not. */
function read<T>(value: Json, by: (reader: Reader, name: string) => T): T | string {
  const reader = new Reader({ x: value });
  const found = by(reader, 'X');
  return reader.problem?.reason ?? found;
}

test.each([
  ['61', 61],
  [' 61 ', 61],
  ['61.0', 61],
  ['15000.00', 15_000],
  ['NA', null],
  ['', null],
  ['0', 0],
  ['9007199254740991', 9_007_199_254_740_991],
  ['9007199254740992', 'number_out_of_range'],
  ['-1', 'negative_number'],
  ['-1.0', 'negative_number'],
  ['61.5', 'wrong_type'],
  ['NaN', 'wrong_type'],
  ['Infinity', 'wrong_type'],
  ['1e3', 'wrong_type'],
  ['61.', 'wrong_type'],
])('a count is read from digits, also with an empty fraction, and from nothing else: %j', (value, expected) => {
  expect(read(value, (reader, name) => reader.count(name))).toBe(expected);
});

test.each([
  ['00:00:04.3120000', 4_312],
  ['00:00:00.0004999', 0],
  ['00:01:00', 60_000],
  ['1.02:03:04.5', 93_784_500],
  ['4312', 4_312],
  ['4312.6', 4_313],
  ['NA', null],
  ['00:60:00', 'wrong_type'],
  ['-00:00:01', 'wrong_type'],
  ['99.23:59:59', 'number_out_of_range'],
])('a duration is milliseconds, or a time span as .NET writes it: %j', (value, expected) => {
  expect(read(value, (reader, name) => reader.milliseconds(name))).toBe(expected);
});

test.each([
  ['true', true],
  [' False ', false],
  ['', null],
  ['NA', null],
  ['None', null],
  ['null', null],
  ['yes', 'wrong_type'],
  [1, 'wrong_type'],
  [[], 'wrong_type'],
])('a flag is a word or a boolean, and "not set" is said as everywhere: %j', (value, expected) => {
  expect(read(value, (reader, name) => reader.flag(name))).toBe(expected);
});

test('ticks of a whole millisecond are that millisecond, although they are beyond 2^53', () => {
  const first = Date.UTC(2026, 7, 20) + seed;
  for (let ms = first; ms < first + 10_000; ms += 1) {
    const digits = String((BigInt(ms) + 62_135_596_800_000n) * 10_000n);
    for (const logged of [digits, JSON.parse(digits) as number])
      expect(wireTicks(ticksMs(logged)), digits).toBe(wireInstant(ms));
  }
});
