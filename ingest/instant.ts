import { wireInstant, type Reader } from './reader.ts';

const earliestMs = Date.UTC(2000, 0, 1);
const latestMs = Date.UTC(2100, 0, 1);

/** What a number of time since 1970 counts. */
export type EpochUnit = 's' | 'ms' | 'us' | 'ns';

/**
 * An instant that a record writes as ISO 8601 or as a number since 1970, as `YYYY-MM-DD hh:mm:ss.mmm` in UTC; null where
 * it is absent. Without a unit the number's size tells it: between 2000 and 2100 no number of one unit is one of another.
 */
export function instantOf(record: Reader, name: string, unit?: EpochUnit): string | null {
  const [, whole = ''] = epochDigits(record.peek(name)) ?? [];
  if (unit === undefined && whole.length < 9) return record.instant(name);
  const ms = epochMs(record, name, unit ?? unitOf(whole));
  return ms === null ? null : wireInstant(ms);
}

/**
 * An instant that is counted since 1970, as whole milliseconds: in seconds with a fraction (LiteLLM), in milliseconds
 * (Kong, apinto) or in nanoseconds (OTLP, where JSON writes them as a text). Absent, '' and 0 are null.
 */
export function epochMs(record: Reader, name: string, unit: EpochUnit): number | null {
  const value = record.value(name);
  if (value === undefined || value === null || value === '' || value === 0 || value === '0') return null;
  const digits = epochDigits(value);
  if (digits === null) {
    record.fail('wrong_type', `${name} is no number of time since 1970`);
    return null;
  }
  const ms = millisecondsOf(digits, unit);
  if (ms >= earliestMs && ms < latestMs) return ms;
  record.fail('time_out_of_range', `${name} is no instant between 2000 and 2100`);
  return null;
}

function epochDigits(value: unknown): RegExpExecArray | null {
  return typeof value === 'number' || typeof value === 'string' ? /^\s*(\d{1,22})(\.\d+)?\s*$/.exec(`${value}`) : null;
}

/** 2000 to 2100 is 9.5e8 to 4.1e9 seconds. */
function unitOf(whole: string): EpochUnit {
  if (whole.length <= 10) return 's';
  if (whole.length <= 13) return 'ms';
  return whole.length <= 16 ? 'us' : 'ns';
}

/** Cut to milliseconds, as ISO texts are; digits are moved instead of multiplied, because floats would round. */
function millisecondsOf([, whole = '', fraction = '']: RegExpExecArray, unit: EpochUnit): number {
  if (unit === 's') return Number(whole + fraction.slice(1).padEnd(3, '0').slice(0, 3));
  if (unit === 'ms') return Number(whole);
  return Number(whole.slice(0, unit === 'us' ? -3 : -6));
}
