import { events } from '#clickhouse/tables.ts';
import { decodeMessage, type Decoded } from './decode.ts';
import { noFields, type Fields } from './event.ts';
import type { Format } from './format.ts';
import { hash64 } from './hash.ts';
import type { Message } from './message.ts';
import { wireInstant } from './reader.ts';
import { redactKept } from './redact.ts';
import { columnText, fieldName } from './secret.ts';

/** A rejected record keeps this much of its bytes; the rest is known by its length and hash. */
export const rejectedBytesMax = 64 * 1024;

/** The rows of one message, ready to be inserted once the watermark before their batch is known. */
export type MessageRows = {
  readonly message: Message;
  readonly rows: readonly EventRow[];
};

export type EventRow = {
  readonly record_index: number;
  readonly kind: string;
  readonly source: string;
  readonly reason: string;
  /** The columns from `kind` on, as JSON without the brackets; the same text for the same record, whenever it comes. */
  readonly content: string;
  readonly record_hash: string;
  readonly unknown_fields: readonly string[];
};

const columns = Object.keys(events.columns);
const fieldNames = columns.slice(columns.indexOf('call_id'), columns.indexOf('unknown_fields')) as (keyof Fields)[];

export type RowOptions = {
  /** The formats of mapping files. */
  readonly declared?: readonly Format[];
  /** What rejected records keep: by default nothing that people or models said, and no key. */
  readonly keep?: 'redacted' | 'all';
};

/** Decodes a message to its rows. Never throws on any bytes. */
export function messageRows(message: Message, { declared = [], keep = 'redacted' }: RowOptions = {}): MessageRows {
  const decoded = decodeMessage(message, declared);
  return { message, rows: decoded.map((one, record_index) => eventRow(one, record_index, keep)) };
}

function eventRow({ event, rejectedText }: Decoded, record_index: number, keep: 'redacted' | 'all'): EventRow {
  const fields: Fields =
    event.kind === 'rejected'
      ? noFields
      : event.kind === 'dropped'
        ? {
            ...noFields,
            call_id: event.call_id,
            measurements: event.chunk === undefined ? {} : { chunk: event.chunk },
          }
        : event.fields;
  const reason = event.kind === 'dropped' || event.kind === 'rejected' ? event.reason : '';
  const unknown_fields =
    event.kind === 'dropped' || event.kind === 'rejected' ? [] : event.unknown_fields.map(fieldName);
  const remains =
    event.kind === 'rejected' ? kept(rejectedText, event.reason === 'not_utf8', keep) : { body: '', bytes: 0 };
  const detail = event.kind === 'rejected' ? columnText(event.detail.toWellFormed()) : '';
  const values: unknown[] = [event.kind, event.source, reason, detail, remains.body, remains.bytes];
  for (const name of fieldNames) values.push(column(name, fields[name]));
  values.push(unknown_fields);
  const content = JSON.stringify(values).slice(1, -1);
  return {
    record_index,
    kind: event.kind,
    source: event.source,
    reason,
    content,
    record_hash: hash64(content),
    unknown_fields,
  };
}

/** Whose difference must remain where a key was taken for one of them. */
const identities: ReadonlySet<keyof Fields> = new Set(['call_id', 'consumer_id']);

/** A value as its column has it: whatever field a key or a token was written into, it goes no further. */
function column(name: keyof Fields, value: Fields[keyof Fields]): Fields[keyof Fields] {
  if (typeof value !== 'string' || value === '') return value;
  const text = columnText(value);
  return text !== value && identities.has(name) ? `${text} ${hash64(value)}` : text;
}

/** The column `body`, bounded, and how many bytes there were. */
type Kept = { readonly body: string; readonly bytes: number };

/** What a rejected record keeps. Bytes that are not UTF-8 may be anything: they are kept only where all is. */
function kept(rejected: string | Uint8Array, binary: boolean, keep: 'redacted' | 'all'): Kept {
  const bytes = typeof rejected === 'string' ? Buffer.from(rejected) : rejected;
  if (keep === 'all') return { body: bounded(bytes, binary), bytes: bytes.length };
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = binary ? `[redacted ${bytes.length} bytes]` : redactKept(whole.toString('utf8'));
  return { body: bounded(Buffer.from(text), false), bytes: bytes.length };
}

/** Text for the column `body`; bytes that are not UTF-8 are kept as base64. */
function bounded(bytes: Uint8Array, binary: boolean): string {
  const cut = bytes.length <= rejectedBytesMax ? bytes : bytes.subarray(0, rejectedBytesMax);
  const text = Buffer.from(cut.buffer, cut.byteOffset, cut.byteLength);
  return binary ? text.toString('base64') : text.toString('utf8');
}

/** One line of JSONCompactEachRow per row, in the order of the table's declared columns. */
export function insertLines(batch: readonly MessageRows[], prev: number): string {
  const lines: string[] = [];
  for (const { message, rows } of batch) {
    const stream = JSON.stringify(message.stream);
    const enqueued = wireInstant(message.enqueued_at_ms);
    const body = hash64(message.body);
    for (const row of rows) {
      lines.push(
        `[${stream},${message.sequence_number},${row.record_index},${prev},"${enqueued}","${body}","${row.record_hash}",${row.content}]`,
      );
    }
  }
  return `${lines.join('\n')}\n`;
}
