import { crc32 } from 'node:zlib';

/**
 * One message on disk, big-endian: the size of what follows the checksum (4 bytes), CRC-32 of it (4), sequence number
 * (6), enqueued at in milliseconds (6), length of the preamble (2), and the encoded message as consumers get it. The
 * preamble is the AMQP header section, after which delivery annotations may be put in.
 */
const PREFIX_BYTES = 8;
export const RECORD_HEAD_BYTES = PREFIX_BYTES + 14;

/** A record's place: its sequence number, its byte position in the partition (which is its offset), and its instant. */
export type Mark = { readonly sequence: number; readonly position: number; readonly enqueuedAt: number };

/** A stored message; `message` is a view into the buffer that was read. */
export type StoredRecord = Mark & { readonly preambleBytes: number; readonly message: Buffer };

/** What stands at one place of a log: a whole record, the start of one that needs `bytes` bytes, or no record at all. */
export type Parsed =
  | { readonly kind: 'record'; readonly record: StoredRecord; readonly bytes: number }
  | { readonly kind: 'partial'; readonly bytes: number }
  | { readonly kind: 'torn' };

/** Fills in a record's head around a message which already stands at `at + RECORD_HEAD_BYTES`; returns its bytes. */
export function sealRecord(
  target: Buffer,
  at: number,
  messageBytes: number,
  head: { readonly sequence: number; readonly enqueuedAt: number; readonly preambleBytes: number },
): number {
  const end = at + RECORD_HEAD_BYTES + messageBytes;
  target.writeUIntBE(head.sequence, at + 8, 6);
  target.writeUIntBE(head.enqueuedAt, at + 14, 6);
  target.writeUInt16BE(head.preambleBytes, at + 20);
  target.writeUInt32BE(end - at - PREFIX_BYTES, at);
  target.writeUInt32BE(crc32(target.subarray(at + PREFIX_BYTES, end)), at + 4);
  return end - at;
}

/** Reads the record at `at` of a buffer; `position` is the place in the partition of that byte. */
export function parseRecord(buffer: Buffer, at: number, position: number, recordBytesMax: number): Parsed {
  const available = buffer.length - at;
  if (available < RECORD_HEAD_BYTES) return { kind: 'partial', bytes: RECORD_HEAD_BYTES };
  const bytes = buffer.readUInt32BE(at) + PREFIX_BYTES;
  if (bytes < RECORD_HEAD_BYTES || bytes > recordBytesMax) return { kind: 'torn' };
  if (available < bytes) return { kind: 'partial', bytes };
  const checked = buffer.subarray(at + PREFIX_BYTES, at + bytes);
  if (crc32(checked) !== buffer.readUInt32BE(at + 4)) return { kind: 'torn' };
  const record = {
    sequence: buffer.readUIntBE(at + 8, 6),
    position,
    enqueuedAt: buffer.readUIntBE(at + 14, 6),
    preambleBytes: buffer.readUInt16BE(at + 20),
    message: buffer.subarray(at + RECORD_HEAD_BYTES, at + bytes),
  };
  return { kind: 'record', record, bytes };
}
