import { wireInstant, type Reader } from './reader.ts';

const earliestMs = Date.UTC(2000, 0, 1);
const latestMs = Date.UTC(2100, 0, 1);

/** What a number of time since 1970 counts; nanoseconds are above 2^53, so they are read as digits. */
export type EpochUnit = 's' | 'ms' | 'us' | 'ns';

/**
 * An instant that a record writes as ISO 8601 or as a number since 1970, as `YYYY-MM-DD hh:mm:ss.mmm` in UTC; null where
 * it is absent. Without a unit the number's size tells it: between 2000 and 2100 no number of one unit is one of another.
 */
export function instantOf(record: Reader, name: string, unit?: EpochUnit): string | null {
  const value = record.peek(name);
  const text = typeof value === 'number' || typeof value === 'string' ? String(value).trim() : '';
  const match = /^(\d{9,19})(\.\d{1,9})?$/.exec(text);
  if (match === null) {
    if (unit === undefined || text === '') return record.instant(name);
    // Reading it marks the name as known.
    record.value(name);
    record.fail('wrong_type', `${name} is no number of time since 1970`);
    return null;
  }
  record.value(name);
  const [, whole = '', fraction = ''] = match;
  const ms = millisecondsOf(whole, fraction, unit ?? unitOf(whole));
  if (ms >= earliestMs && ms < latestMs) return wireInstant(ms);
  record.fail('time_out_of_range', `${name} is no instant between 2000 and 2100`);
  return null;
}

/** 2000 to 2100 is 9.5e8 to 4.1e9 seconds. */
function unitOf(whole: string): EpochUnit {
  if (whole.length <= 10) return 's';
  if (whole.length <= 13) return 'ms';
  return whole.length <= 16 ? 'us' : 'ns';
}

/** Cut to milliseconds, as ISO texts are; digits are moved instead of multiplied, because floats would round. */
function millisecondsOf(whole: string, fraction: string, unit: EpochUnit): number {
  if (unit === 's') return Number(whole + fraction.slice(1).padEnd(3, '0').slice(0, 3));
  if (unit === 'ms') return Number(whole);
  return Number(whole.slice(0, unit === 'us' ? -3 : -6));
}
