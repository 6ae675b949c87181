import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { present } from '#common/assert.ts';
import { MESSAGE_BYTES_MAX, STAMP_BYTES_MAX } from './hub-message.ts';
import { parseRecord, RECORD_HEAD_BYTES, type Mark, type StoredRecord } from './hub-record.ts';

const RECORD_BYTES_MAX = RECORD_HEAD_BYTES + MESSAGE_BYTES_MAX + STAMP_BYTES_MAX;
const SCAN_BYTES = 2 * RECORD_BYTES_MAX;
/** One place is kept in memory for this many bytes on disk; the rest is found by reading on from there. */
const MARK_EVERY_BYTES = 65_536;

/** What a scan found: the places kept, the bytes of whole records, and the last record, if there is one. */
type Scan = { readonly marks: Mark[]; readonly bytes: number; readonly last: Mark | undefined };

/**
 * One append-only file of a partition. Its name holds the sequence number and the position of its first record, so
 * that a sealed segment needs no reading until somebody seeks in it.
 */
export class Segment {
  readonly path: string;
  readonly baseSequence: number;
  readonly basePosition: number;
  readonly #handle: FileHandle;
  #marks: Mark[] | undefined;
  #bytes: number;

  private constructor(path: string, base: { sequence: number; position: number }, handle: FileHandle, bytes: number) {
    this.path = path;
    this.baseSequence = base.sequence;
    this.basePosition = base.position;
    this.#handle = handle;
    this.#bytes = bytes;
  }

  /** The position after the last durable record. */
  get endPosition(): number {
    return this.basePosition + this.#bytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  static async create(directory: string, base: { sequence: number; position: number }): Promise<Segment> {
    const name = `${String(base.sequence).padStart(16, '0')}-${String(base.position).padStart(16, '0')}.log`;
    const path = join(directory, name);
    const segment = new Segment(path, base, await open(path, 'w+'), 0);
    segment.#marks = [];
    return segment;
  }

  static async open(directory: string, name: string): Promise<Segment> {
    const path = join(directory, name);
    const handle = await open(path, 'r+');
    const base = { sequence: Number(name.slice(0, 16)), position: Number(name.slice(17, 33)) };
    return new Segment(path, base, handle, (await handle.stat()).size);
  }

  /** A file of this directory that is a segment. */
  static isName(name: string): boolean {
    return /^\d{16}-\d{16}\.log$/u.test(name);
  }

  /** Reads the whole file, and cuts off what a crash left of a write that nobody was told had succeeded. */
  async recover(): Promise<{ readonly last: Mark | undefined; readonly cutBytes: number }> {
    const found = await this.#scan();
    const cutBytes = this.#bytes - found.bytes;
    if (cutBytes > 0) {
      await this.#handle.truncate(found.bytes);
      await this.#handle.sync();
    }
    this.#bytes = found.bytes;
    this.#marks = found.marks;
    return { last: found.last, cutBytes };
  }

  /** Writes records after the last durable one. When it rejects, they may be on disk in part: see `undo`. */
  async write(records: Buffer): Promise<void> {
    for (let written = 0; written < records.length;) {
      const rest = records.length - written;
      written += (await this.#handle.write(records, written, rest, this.#bytes + written)).bytesWritten;
    }
  }

  /** Makes what was written durable, and counts it. */
  async sync(written: { readonly bytes: number; readonly marks: readonly Mark[] }): Promise<void> {
    await this.#handle.datasync();
    this.#bytes += written.bytes;
    for (const mark of written.marks) keep(present(this.#marks, 'the active segment has its marks'), mark);
  }

  /** Takes back what `write` left after a failure. */
  async undo(): Promise<void> {
    await this.#handle.truncate(this.#bytes);
  }

  /** The durable records from a position on: as many as fit `bytesMax`, and at least one when there is one. */
  async read(position: number, bytesMax: number): Promise<StoredRecord[]> {
    let wanted = bytesMax;
    for (;;) {
      const length = Math.min(wanted, this.endPosition - position);
      if (length <= 0) return [];
      const buffer = await this.#readFully(position - this.basePosition, length);
      const records: StoredRecord[] = [];
      const stopped = parseAll(buffer, position, (record) => records.push(record));
      if (records.length > 0) return records;
      if (stopped.needed === 0 || stopped.needed <= length) throw new Error(`${this.path} is damaged at ${position}`);
      wanted = stopped.needed;
    }
  }

  /** The first record for which `wanted` holds, where it holds for all after it; undefined when for none. */
  async first(wanted: (mark: Mark) => boolean): Promise<Mark | undefined> {
    const marks = await this.#index();
    const after = marks.findIndex(wanted);
    let position = (after === 0 ? marks[0] : marks.at(after === -1 ? -1 : after - 1))?.position ?? this.endPosition;
    while (position < this.endPosition) {
      const records = await this.read(position, MARK_EVERY_BYTES);
      const found = records.find(wanted);
      if (found !== undefined) return found;
      position = endOf(present(records.at(-1), 'a read gives at least one record'));
    }
    return undefined;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #index(): Promise<Mark[]> {
    if (this.#marks !== undefined) return this.#marks;
    const found = await this.#scan();
    if (found.bytes !== this.#bytes) throw new Error(`${this.path} is damaged at ${this.basePosition + found.bytes}`);
    this.#marks ??= found.marks;
    return this.#marks;
  }

  async #scan(): Promise<Scan> {
    const size = this.#bytes;
    const marks: Mark[] = [];
    let bytes = 0;
    let last: Mark | undefined;
    let expected = this.baseSequence;
    while (bytes < size) {
      const buffer = await this.#readFully(bytes, Math.min(SCAN_BYTES, size - bytes));
      const stopped = parseAll(buffer, this.basePosition + bytes, ({ sequence, position, enqueuedAt }) => {
        if (sequence !== expected) return false;
        expected += 1;
        last = { sequence, position, enqueuedAt };
        keep(marks, last);
        return true;
      });
      if (stopped.parsed === 0) break;
      bytes += stopped.parsed;
    }
    return { marks, bytes, last };
  }

  async #readFully(at: number, length: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafeSlow(length);
    let read = 0;
    while (read < length) {
      const { bytesRead } = await this.#handle.read(buffer, read, length - read, at + read);
      if (bytesRead === 0) break;
      read += bytesRead;
    }
    return buffer.subarray(0, read);
  }
}

/** The position after a record. */
export function endOf(record: StoredRecord): number {
  return record.position + RECORD_HEAD_BYTES + record.message.length;
}

/** Visits the whole records of a buffer until one is refused; tells the bytes visited and what the next one needs. */
function parseAll(
  buffer: Buffer,
  position: number,
  visit: (record: StoredRecord) => unknown,
): { readonly parsed: number; readonly needed: number } {
  let parsed = 0;
  while (parsed < buffer.length) {
    const found = parseRecord(buffer, parsed, position + parsed, RECORD_BYTES_MAX);
    if (found.kind === 'torn') return { parsed, needed: 0 };
    if (found.kind === 'partial') return { parsed, needed: found.bytes };
    if (visit(found.record) === false) return { parsed, needed: 0 };
    parsed += found.bytes;
  }
  return { parsed, needed: 0 };
}

function keep(marks: Mark[], mark: Mark): void {
  const last = marks.at(-1);
  if (last === undefined || mark.position >= last.position + MARK_EVERY_BYTES) marks.push(mark);
}
