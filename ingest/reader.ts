import type { RejectReason } from './event.ts';

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
export type JsonObject = { [name: string]: Json };

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The first thing wrong with a record; reading goes on, so that a decoder has no branches for it. */
export type Problem = { readonly reason: RejectReason; readonly detail: string };

/** Texts by which gateways say "not set". */
const unset = new Set(['', 'na', 'n/a', 'null', 'none', 'undefined']);

const textCharactersMax = 1024;
const uint32Max = 0xffff_ffff;

/**
 * Reads fields of a JSON object by name in any casing, because the same field is camelCase, PascalCase or lower case
 * depending on the gateway's age. Values are checked, never coerced to a guess: what is absent is null or '', what is
 * of a wrong type or out of range is the record's `problem`.
 */
export class Reader {
  readonly #object: JsonObject;
  readonly #byName = new Map<string, Json>();
  readonly #read = new Set<string>();
  #problem: Problem | null = null;

  constructor(object: JsonObject) {
    this.#object = object;
    for (const name of Object.keys(object)) {
      const lower = lowerCase(name);
      // Of two spellings of one name the first with a value counts.
      if ((this.#byName.get(lower) ?? null) === null) this.#byName.set(lower, object[name] ?? null);
    }
  }

  get problem(): Problem | null {
    return this.#problem;
  }

  fail(reason: RejectReason, detail: string): void {
    this.#problem ??= { reason, detail };
  }

  /** The value as it stands, or undefined. */
  value(name: string): Json | undefined {
    const lower = lowerCase(name);
    this.#read.add(lower);
    return this.#byName.get(lower);
  }

  /** The value as it stands, without counting the name as known: for telling formats apart. */
  peek(name: string): Json | undefined {
    return this.#byName.get(lowerCase(name));
  }

  has(name: string): boolean {
    return this.#byName.has(lowerCase(name));
  }

  /** The names as they are written: for objects whose names are data, such as headers or blocks by plugin. */
  names(): string[] {
    return Object.keys(this.#object);
  }

  /** A short text; numbers and booleans are taken as written; absent is ''. */
  text(name: string): string {
    const value = this.value(name);
    if (value === undefined || value === null) return '';
    if (typeof value === 'object') {
      this.fail('wrong_type', `${name} is not a text`);
      return '';
    }
    const text = wellFormed(value);
    if (text.length > textCharactersMax) {
      this.fail('text_too_long', `${name} has ${text.length} characters, more than ${textCharactersMax}`);
      return '';
    }
    return unset.has(text.toLowerCase()) ? '' : text;
  }

  /** A URL without its query string and fragment: they carry keys, and may be longer than any text that is wanted. */
  url(name: string): string {
    const value = this.value(name);
    return typeof value === 'string' ? wellFormed(value.replace(/[?#][^]*$/, '')) : this.text(name);
  }

  /** A whole number ≥ 0 and below 2^53, also as digits in a text (`61`, `61.0`); absent is null. */
  count(name: string, maximum: number = Number.MAX_SAFE_INTEGER): number | null {
    const value = this.value(name);
    if (value === undefined || value === null) return null;
    if (typeof value === 'string') {
      const text = value.trim();
      if (unset.has(text.toLowerCase())) return null;
      if (!/^-?\d+(?:\.0+)?$/.test(text)) {
        this.fail('wrong_type', `${name} is not a whole number`);
        return null;
      }
      return this.#bounded(name, Number(text), maximum);
    }
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      this.fail('wrong_type', `${name} is not a number`);
      return null;
    }
    return this.#bounded(name, value, maximum);
  }

  /** Milliseconds, rounded to whole ones; fractions occur in some gateways, and .NET's `TimeSpan` in policies. */
  milliseconds(name: string): number | null {
    const value = this.value(name);
    const span = typeof value === 'string' ? timeSpanMs(value) : null;
    if (span !== null) return this.#bounded(name, span, uint32Max);
    if (typeof value === 'number' && Number.isFinite(value)) return this.#bounded(name, Math.round(value), uint32Max);
    if (typeof value === 'string' && /^-?\d+\.\d+$/.test(value.trim())) {
      return this.#bounded(name, Math.round(Number(value)), uint32Max);
    }
    return this.count(name, uint32Max);
  }

  /** An HTTP status; 0 is how gateways say that there was none. */
  status(name: string): number | null {
    const status = this.count(name, 999);
    return status === 0 ? null : status;
  }

  flag(name: string): boolean | null {
    const value = this.value(name);
    if (value === undefined || value === null) return null;
    if (typeof value === 'boolean') return value;
    const word = typeof value === 'string' ? value.trim().toLowerCase() : '-';
    if (unset.has(word)) return null;
    if (word === 'true' || word === 'false') return word === 'true';
    this.fail('wrong_type', `${name} is not true or false`);
    return null;
  }

  /** An object, also one that is written as a JSON text (2017 APIM, Cognitive Services). */
  object(name: string): Reader | null {
    const value = this.value(name);
    if (value === undefined || value === null || value === '') return null;
    if (isObject(value)) return new Reader(value);
    if (typeof value === 'string') {
      const parsed = parseJson(value);
      if (parsed !== undefined && isObject(parsed)) return new Reader(parsed);
    }
    this.fail('wrong_type', `${name} is not an object`);
    return null;
  }

  /** An instant of ISO 8601, cut to milliseconds: `YYYY-MM-DD hh:mm:ss.mmm` in UTC. Without a zone it is UTC. */
  instant(name: string): string | null {
    return this.#instant(name, this.text(name));
  }

  /**
   * An instant of ISO 8601, or as .NET's `DateTime.ToString()` writes it in the invariant and the US culture, which API
   * Management's policies run in: month first, in UTC, `5/24/2024 2:45:56 PM` or `05/24/2024 14:45:56`.
   */
  dotnetInstant(name: string): string | null {
    const text = this.text(name);
    const match = /^(\d{1,2})\/(\d{1,2})\/(\d{4})\s+(\d{1,2}):(\d{2}):(\d{2})(?:\s*([AP])M)?$/i.exec(text);
    if (match === null) return this.#instant(name, text);
    const [, month = '', day = '', year = '', hour = '', minute, second, half] = match;
    // 12 AM is midnight and 12 PM noon; an hour of 0 or 13 with either is no time, and 99 is no hour of any clock.
    const valid = half === undefined || (Number(hour) >= 1 && Number(hour) <= 12);
    const noon = half?.toUpperCase() === 'P' ? 12 : 0;
    const hours = half === undefined ? Number(hour) : (Number(hour) % 12) + noon;
    const wall = `${String(valid ? hours : 99).padStart(2, '0')}:${minute}:${second}`;
    return this.#instant(name, `${year}-${month.padStart(2, '0')}-${day.padStart(2, '0')}T${wall}Z`);
  }

  #instant(name: string, text: string): string | null {
    if (text === '') return null;
    const match = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(?:\.(\d+))?\s*(Z|[+-]\d{2}:?\d{2})?$/i.exec(text);
    // Dates that no calendar has, such as 30 February, are parsed as the days after them.
    if (match === null || !isDay(String(match[1]))) {
      this.fail('wrong_type', `${name} is not an ISO 8601 instant`);
      return null;
    }
    const [, day, time, fraction = '', zone = 'Z'] = match;
    const wall = `${day}T${time}.${fraction.padEnd(3, '0').slice(0, 3)}`;
    const at = Date.parse(`${wall}${zone.toUpperCase()}`);
    if (Number.isNaN(at) || at < earliestMs || at >= latestMs) {
      this.fail('time_out_of_range', `${name} is no instant between 2000 and 2100`);
      return null;
    }
    // In UTC it stands there as it is wanted, except for the 24th hour.
    return /^z$/i.test(zone) && !wall.includes('T24') ? wall.replace('T', ' ') : wireInstant(at);
  }

  /** Names that no decoder asked for, as they were written; what is given in `ignored` is known and unwanted. */
  unknown(ignored: ReadonlySet<string>): string[] {
    const found = new Map<string, string>();
    for (const name of Object.keys(this.#object)) {
      const lower = lowerCase(name);
      if (this.#read.has(lower) || ignored.has(lower)) continue;
      const counts = this.#byName.get(lower) === this.#object[name];
      if (counts && !found.has(lower)) found.set(lower, name.slice(0, 64).toWellFormed());
    }
    return [...found.values()].slice(0, 32).sort();
  }

  #bounded(name: string, value: number, maximum: number): number | null {
    if (value < 0) {
      this.fail('negative_number', `${name} is negative`);
      return null;
    }
    if (value > maximum) {
      this.fail('number_out_of_range', `${name} is above ${maximum}`);
      return null;
    }
    if (!Number.isInteger(value)) {
      this.fail('wrong_type', `${name} is not a whole number`);
      return null;
    }
    return value;
  }
}

/** `hh:mm:ss.fffffff`, with days and a dot before it from a day on, as `context.Elapsed` is written; else null. */
function timeSpanMs(text: string): number | null {
  const match = /^\s*(?:(\d{1,2})\.)?(\d{2}):([0-5]\d):([0-5]\d(?:\.\d{1,7})?)\s*$/.exec(text);
  if (match === null) return null;
  const [, days = '0', hours, minutes, seconds] = match;
  return Math.round(((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60_000 + Number(seconds) * 1_000);
}

const earliestMs = Date.parse('2000-01-01T00:00:00Z');
const latestMs = Date.parse('2100-01-01T00:00:00Z');

/** The last day that was found in the calendar: records come in the order of time. */
let knownDay = '';

function isDay(day: string): boolean {
  if (day === knownDay) return true;
  const at = Date.parse(`${day}T00:00:00Z`);
  const known = !Number.isNaN(at) && new Date(at).toISOString().startsWith(day);
  if (known) knownDay = day;
  return known;
}

/** Names in lower case, because the same names come in every record; bounded, because they come from outside. */
const spellings = new Map<string, string>();
const spellingsMax = 2_048;
const spellingCharactersMax = 64;

function lowerCase(name: string): string {
  const known = spellings.get(name);
  if (known !== undefined) return known;
  const lower = name.toLowerCase();
  if (spellings.size < spellingsMax && name.length <= spellingCharactersMax) spellings.set(name, lower);
  return lower;
}

/** A lone surrogate is no character of any encoding; databases refuse it. */
function wellFormed(value: boolean | number | string): string {
  return String(value).trim().toWellFormed();
}

/** Milliseconds since 1970 as the wire text of DateTime64(3, 'UTC'). */
export function wireInstant(ms: number): string {
  return new Date(ms).toISOString().replace('T', ' ').slice(0, 23);
}

export function parseJson(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}
