import type { Reader } from './reader.ts';

const earliestMs = Date.UTC(2000, 0, 1);
const latestMs = Date.UTC(2100, 0, 1);

/**
 * An instant that is counted since 1970, as whole milliseconds: in seconds with a fraction (LiteLLM), in milliseconds
 * (Kong, apinto) or in nanoseconds (OTLP, where JSON writes them as a text). Absent, '' and 0 are null.
 */
export function epochMs(record: Reader, name: string, unit: 's' | 'ms' | 'ns'): number | null {
  const value = record.value(name);
  if (value === undefined || value === null || value === '' || value === 0 || value === '0') return null;
  const ms = typeof value === 'number' || typeof value === 'string' ? millisecondsOf(String(value), unit) : null;
  if (ms === null) {
    record.fail('wrong_type', `${name} is no time since 1970`);
    return null;
  }
  if (ms < earliestMs || ms >= latestMs) {
    record.fail('time_out_of_range', `${name} is no instant between 2000 and 2100`);
    return null;
  }
  return ms;
}

/** Whole numbers stay whole: nanoseconds are above 2^53, so they are cut as digits. Seconds are a rounded float. */
function millisecondsOf(text: string, unit: 's' | 'ms' | 'ns'): number | null {
  const match = /^\s*(\d{1,22})(\.\d+)?\s*$/.exec(text);
  if (match === null) return null;
  const [, whole = '', fraction = ''] = match;
  if (unit === 'ns') return Number(whole.slice(0, -6));
  return Math.round(Number(whole + fraction) * (unit === 's' ? 1000 : 1));
}
