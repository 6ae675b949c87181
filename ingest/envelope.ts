import type { RejectReason } from './event.ts';
import type { Envelope } from './format.ts';
import { isObject, parseJson, Reader, type Json } from './reader.ts';

/** A message's records, or the reason why it has none that can be told apart. */
export type Opened =
  | { readonly kind: 'records'; readonly records: readonly Part[] }
  | { readonly kind: 'refused'; readonly reason: RejectReason; readonly detail: string };

/** One record; a line that is not JSON is kept as it stands beside those that are. */
export type Part = { readonly value: Json } | { readonly broken: string };

/** A message with more records than this is refused whole: a batch must stay one block of the database. */
export const recordsPerMessageMax = 10_000;

/** API Management cuts policy events at 200 KB. */
const cutBytes = 200 * 1024;

/**
 * Azure sends `{"records": […]}`, policies a bare object, log shippers a bare array or one object per line. `envelopes`
 * know the other shapes.
 */
export function openMessage(text: string, envelopes: readonly Envelope[]): Opened {
  const parsed = parseJson(text);
  if (parsed !== undefined) return bounded(recordsOf(parsed, envelopes).map((value) => ({ value })));
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  if (lines.length > 1 && /^\s*[{[]/.test(text)) {
    const parts = lines.flatMap((line): Part[] => {
      const value = parseJson(line);
      return value === undefined
        ? [{ broken: line }]
        : recordsOf(value, envelopes).map((record) => ({ value: record }));
    });
    // A document that is merely broken over lines has no line that is a record.
    if (parts.some((part) => 'value' in part && isObject(part.value))) return bounded(parts);
  }
  if (text.length >= cutBytes - 1024 && /^\s*[{[]/.test(text)) {
    return { kind: 'refused', reason: 'truncated', detail: `the JSON breaks off after ${text.length} characters` };
  }
  return { kind: 'refused', reason: 'not_json', detail: 'the text is not JSON' };
}

function recordsOf(parsed: Json, envelopes: readonly Envelope[]): readonly Json[] {
  if (Array.isArray(parsed)) return parsed;
  if (!isObject(parsed)) return [parsed];
  const records = new Reader(parsed).value('records');
  if (Array.isArray(records)) return records;
  for (const envelope of envelopes) {
    const inside = envelope(parsed);
    if (inside !== null) return inside;
  }
  return [parsed];
}

function bounded(records: readonly Part[]): Opened {
  if (records.length <= recordsPerMessageMax) return { kind: 'records', records };
  const detail = `${records.length} records, more than ${recordsPerMessageMax}`;
  return { kind: 'refused', reason: 'too_many_records', detail };
}
