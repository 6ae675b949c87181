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
  readonly #byName = new Map<string, Json>();
  readonly #names = new Map<string, string>();
  readonly #read = new Set<string>();
  #problem: Problem | null = null;

  constructor(object: JsonObject) {
    for (const [name, value] of Object.entries(object)) {
      const lower = name.toLowerCase();
      // Of two spellings of one name the first with a value counts.
      const before = this.#byName.get(lower);
      if (before !== undefined && before !== null) continue;
      this.#byName.set(lower, value);
      this.#names.set(lower, name);
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
    const lower = name.toLowerCase();
    this.#read.add(lower);
    return this.#byName.get(lower);
  }

  has(name: string): boolean {
    return this.#byName.has(name.toLowerCase());
  }

  /** A short text; numbers and booleans are taken as written; absent is ''. */
  text(name: string): string {
    const value = this.value(name);
    if (value === undefined || value === null) return '';
    if (typeof value === 'object') {
      this.fail('wrong_type', `${name} is not a text`);
      return '';
    }
    // A lone surrogate is no character of any encoding; databases refuse it.
    const text = String(value).trim().toWellFormed();
    if (text.length > textCharactersMax) {
      this.fail('text_too_long', `${name} has ${text.length} characters, more than ${textCharactersMax}`);
      return '';
    }
    return unset.has(text.toLowerCase()) ? '' : text;
  }

  /** A whole number ≥ 0 and below 2^53, also as digits in a text; absent is null. */
  count(name: string, maximum: number = Number.MAX_SAFE_INTEGER): number | null {
    const value = this.value(name);
    if (value === undefined || value === null) return null;
    if (typeof value === 'string') {
      const text = value.trim();
      if (unset.has(text.toLowerCase())) return null;
      if (!/^-?\d+$/.test(text)) {
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

  /** Milliseconds, rounded to whole ones; fractions occur in some gateways. */
  milliseconds(name: string): number | null {
    const value = this.value(name);
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
    if (value === undefined || value === null || value === '') return null;
    if (typeof value === 'boolean') return value;
    if (typeof value === 'string' && /^(true|false)$/i.test(value)) return value.toLowerCase() === 'true';
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
    const text = this.text(name);
    if (text === '') return null;
    const match = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(?:\.(\d+))?\s*(Z|[+-]\d{2}:?\d{2})?$/i.exec(text);
    if (match === null) {
      this.fail('wrong_type', `${name} is not an ISO 8601 instant`);
      return null;
    }
    const [, day, time, fraction = '', zone = 'Z'] = match;
    const at = Date.parse(`${day}T${time}.${fraction.padEnd(3, '0').slice(0, 3)}${zone.toUpperCase()}`);
    if (Number.isNaN(at) || at < earliestMs || at >= latestMs) {
      this.fail('time_out_of_range', `${name} is no instant between 2000 and 2100`);
      return null;
    }
    return wireInstant(at);
  }

  /** Names that no decoder asked for, as they were written; what is given in `ignored` is known and unwanted. */
  unknown(ignored: ReadonlySet<string>): string[] {
    const found: string[] = [];
    for (const [lower, name] of this.#names) {
      if (!this.#read.has(lower) && !ignored.has(lower)) found.push(name.slice(0, 64).toWellFormed());
    }
    return found.slice(0, 32).sort();
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

const earliestMs = Date.parse('2000-01-01T00:00:00Z');
const latestMs = Date.parse('2100-01-01T00:00:00Z');

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
