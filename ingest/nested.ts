import { Reader } from './reader.ts';

/**
 * Reads an object inside a record; what is wrong in it is wrong with the record. An absent one reads as empty, so that
 * decoders have no branches for it, and so does `[]`: Lua has one kind of table, and Kong writes an empty one as a list.
 */
export function within<T>(record: Reader, name: string, read: (inside: Reader) => T): T {
  const value = record.value(name);
  const empty = Array.isArray(value) && value.length === 0;
  const inside = (empty ? null : record.object(name)) ?? new Reader({});
  const result = read(inside);
  if (inside.problem) record.fail(inside.problem.reason, inside.problem.detail);
  return result;
}

/** A list's members that are objects; an absent list and `{}`, Lua's other empty table, have none. */
export function members(record: Reader, name: string): Reader[] {
  const value = record.value(name);
  if (!Array.isArray(value)) return [];
  return value.flatMap((member) =>
    typeof member === 'object' && member !== null && !Array.isArray(member) ? [new Reader(member)] : [],
  );
}

/** A name or an id that callers and plugins may write as they like: what is no short text is none, and never wrong. */
export function shortText(record: Reader, name: string): string {
  const value = record.value(name);
  return typeof value === 'string' && value.length <= 256 ? value.trim().toWellFormed() : '';
}
