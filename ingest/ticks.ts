import { wireInstant, type Json } from './reader.ts';

const epochMs = 62_135_596_800_000;
const earliestMs = Date.UTC(2000, 0, 1);
const latestMs = Date.UTC(2100, 0, 1);

/**
 * .NET ticks, 100 ns since the year 1, as milliseconds since 1970; null for what is no instant between 2000 and 2100.
 * Today's ticks are about 2^59, where numbers are 128 apart: JSON's parser rounds them by at most 64 ticks, 6.4 µs, and
 * the division by 3.9 µs more. A difference is therefore out by no more than one in its last whole millisecond, and
 * mostly by none.
 */
export function ticksMs(value: Json | undefined): number | null {
  const digits = typeof value === 'string' && /^\d{1,19}$/.test(value) ? Number(value) : value;
  if (typeof digits !== 'number') return null;
  const ms = digits / 10_000 - epochMs;
  return ms >= earliestMs && ms < latestMs ? ms : null;
}

/** What the roundings together can take off: the quotient is a multiple of 1/128 of a millisecond. */
const lostMs = 1 / 128;

/**
 * Milliseconds since 1970, cut to whole ones, as the wire text of an instant; null stays null. What the roundings took
 * off is given back before, so that ticks of a whole millisecond, as clocks of that grain write them, are that one.
 */
export function wireTicks(ms: number | null): string | null {
  return ms === null ? null : wireInstant(Math.floor(ms + lostMs));
}
