import { mkdir, open, readdir, readFile, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { present, unreachable } from '#common/assert.ts';
import type { Logger } from '#common/log.ts';
import { stamp, STAMP_BYTES_MAX, type Draft } from './hub-message.ts';
import type { Position } from './hub-position.ts';
import { RECORD_HEAD_BYTES, sealRecord, type Mark, type StoredRecord } from './hub-record.ts';
import { Segment } from './hub-segment.ts';

/** A segment that has reached this size is sealed, so that a trim can delete files and a start reads little. */
const SEGMENT_BYTES = 64 * 1024 * 1024;
/** One fsync is for at most this much, so that its encoding does not hold up deliveries. */
const GROUP_BYTES_MAX = 4 * 1024 * 1024;
/** A read for one message usually gets it with this. */
const MESSAGE_PEEK_BYTES = 4_096;

type Append = {
  readonly drafts: readonly Draft[];
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (reason: Error) => void;
};
type Place = { readonly sequence: number; readonly position: number };

/** The state of a partition that was never written to, as the service reports it. */
const NEVER: Mark = { sequence: -1, position: -1, enqueuedAt: new Date('0001-01-01T00:00:00Z').getTime() };

/**
 * The messages of one partition on disk. Sequence numbers start at 0 and rise by 1; the offset of a message is its
 * byte position. Only what is durable can be read, so that a crash never takes back what a consumer has seen.
 */
export class PartitionLog {
  readonly #directory: string;
  readonly #segments: Segment[];
  readonly #listeners = new Set<() => void>();
  #begin: Place;
  #last: Mark;
  #pending: Append[] = [];
  #committing: Promise<void> | undefined;
  #broken: Error | undefined;

  private constructor(directory: string, segments: Segment[], begin: Place, last: Mark) {
    this.#directory = directory;
    this.#segments = segments;
    this.#begin = begin;
    this.#last = last;
  }

  /** Opens a partition, or creates it. A torn tail, which was never acknowledged, is cut off and logged. */
  static async open(directory: string, log?: Logger): Promise<PartitionLog> {
    await mkdir(directory, { recursive: true });
    const names = (await readdir(directory)).filter((name) => Segment.isName(name)).sort();
    const segments: Segment[] = [];
    for (const name of names) segments.push(await Segment.open(directory, name));
    if (segments.length === 0) {
      segments.push(await Segment.create(directory, { sequence: 0, position: 0 }));
      await syncDirectory(directory);
    }
    let last: Mark | undefined;
    while (last === undefined) {
      const active = present(segments.at(-1), 'a partition has a segment');
      const recovered = await active.recover();
      if (recovered.cutBytes > 0)
        log?.warn({ event: 'hub_tail_cut', segment: active.path, bytes: recovered.cutBytes }, 'cut off a torn tail');
      last = recovered.last;
      if (segments.length === 1) break;
      // A crash between the creation of a segment and its first write leaves an empty file behind a full one.
      if (last === undefined) {
        segments.pop();
        await active.close();
        await unlink(active.path);
      }
    }
    const first = present(segments[0], 'a partition has a segment');
    const begin = (await readBegin(directory)) ?? { sequence: first.baseSequence, position: first.basePosition };
    return new PartitionLog(directory, segments, begin, last ?? NEVER);
  }

  /** The sequence number of the oldest message; that of the next one when there is none. */
  get beginSequence(): number {
    return this.#begin.sequence;
  }

  get isEmpty(): boolean {
    return this.#begin.sequence > this.#last.sequence;
  }

  /** The last durable message, also when it was trimmed; sequence number and position are -1 before the first. */
  get last(): Mark {
    return this.#last;
  }

  get beginPosition(): number {
    return this.#begin.position;
  }

  /** The position of the next message, which is after the last durable one. */
  get endPosition(): number {
    return this.#active.endPosition;
  }

  get #active(): Segment {
    return present(this.#segments.at(-1), 'a partition has a segment');
  }

  /** Calls `listener` after each commit; returns how to stop that. */
  onCommit(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Stores messages next to each other. Resolves when they are on disk; when it rejects, none of them is stored. */
  append(drafts: readonly Draft[]): Promise<void> {
    let bytes = 0;
    for (const draft of drafts) bytes += recordBytesMax(draft);
    return new Promise((resolve, reject) => {
      this.#pending.push({ drafts, bytes, resolve, reject });
      this.#committing ??= this.#commitPending();
    });
  }

  /** The place of the first message that is wanted, or of the next one to come. */
  locate(position: Position): Promise<number> {
    switch (position.kind) {
      case 'start':
        return Promise.resolve(this.#begin.position);
      case 'end':
        return Promise.resolve(this.endPosition);
      case 'sequence':
        return this.#first(({ sequence }) => sequence > position.value || isAt(sequence, position));
      case 'offset':
        return this.#first((mark) => mark.position > position.value || isAt(mark.position, position));
      case 'time':
        return this.#first(({ enqueuedAt }) => enqueuedAt > position.after);
      default:
        return unreachable(position);
    }
  }

  /** The messages from a place on, at most about `bytesMax` bytes; none at the end. Trimmed places are skipped. */
  async read(position: number, bytesMax: number): Promise<StoredRecord[]> {
    const from = Math.max(position, this.#begin.position);
    const segment = this.#segments.findLast(({ basePosition }) => basePosition <= from);
    return segment === undefined ? [] : segment.read(from, bytesMax);
  }

  /** Forgets the messages before a sequence number, as retention does; whole segments are deleted. */
  async trim(beforeSequence: number): Promise<void> {
    if (beforeSequence <= this.#begin.sequence) return;
    const sequence = Math.min(beforeSequence, this.#last.sequence + 1);
    const begin = { sequence, position: await this.locate({ kind: 'sequence', value: sequence, inclusive: true }) };
    await writeWhole(join(this.#directory, 'begin.json'), JSON.stringify(begin));
    await syncDirectory(this.#directory);
    this.#begin = begin;
    while (this.#segments.length > 1 && present(this.#segments[1], 'two segments').baseSequence <= sequence) {
      const trimmed = present(this.#segments.shift(), 'two segments');
      await unlink(trimmed.path);
      await trimmed.close();
    }
  }

  /** Waits for what is being written, and closes the files. */
  async close(): Promise<void> {
    await this.#committing;
    this.#broken ??= new Error('the hub is closed');
    for (const segment of this.#segments) await segment.close();
  }

  async #first(wanted: (mark: Mark) => boolean): Promise<number> {
    let found = this.endPosition;
    for (const segment of this.#segments.toReversed()) {
      // The first message alone tells whether the whole segment is wanted; only one segment is searched.
      const [first] = await segment.read(segment.basePosition, MESSAGE_PEEK_BYTES);
      if (first !== undefined && !wanted(first)) {
        found = (await segment.first(wanted))?.position ?? found;
        break;
      }
      found = segment.basePosition;
    }
    return Math.max(found, this.#begin.position);
  }

  async #commitPending(): Promise<void> {
    // Everything that arrives in the same turn of the event loop shares one fsync.
    await new Promise(setImmediate);
    while (this.#pending.length > 0) {
      const group = takeGroup(this.#pending);
      try {
        await this.#commit(group);
        for (const append of group) append.resolve();
        for (const listener of this.#listeners) listener();
      } catch (error) {
        for (const append of group) append.reject(error as Error);
      }
    }
    this.#committing = undefined;
  }

  async #commit(group: readonly Append[]): Promise<void> {
    if (this.#broken !== undefined) throw this.#broken;
    if (this.#active.bytes >= SEGMENT_BYTES) {
      const base = { sequence: this.#last.sequence + 1, position: this.endPosition };
      this.#segments.push(await Segment.create(this.#directory, base));
      await syncDirectory(this.#directory);
    }
    const encoded = this.#encode(group);
    if (encoded.last === undefined) return;
    const segment = this.#active;
    try {
      await segment.write(encoded.records);
    } catch (error) {
      // A full disk: the place is taken back, and the next append may succeed again.
      await segment.undo().catch((failure: Error) => (this.#broken = failure));
      throw error;
    }
    try {
      await segment.sync({ bytes: encoded.records.length, marks: encoded.marks });
    } catch (error) {
      // After a failed fsync nobody knows what is on disk; only a start that reads it can tell.
      this.#broken = error as Error;
      throw error;
    }
    this.#last = encoded.last;
  }

  #encode(group: readonly Append[]): { records: Buffer; marks: Mark[]; last: Mark | undefined } {
    const records = Buffer.allocUnsafeSlow(group.reduce((sum, append) => sum + append.bytes, 0));
    // Times of a partition never go back, or a search by time would miss messages.
    const enqueuedAt = Math.max(Date.now(), this.#last.enqueuedAt);
    const base = this.endPosition;
    const marks: Mark[] = [];
    let sequence = this.#last.sequence + 1;
    let end = 0;
    for (const draft of group.flatMap(({ drafts }) => drafts)) {
      const position = base + end;
      const bytes = stamp(records, end + RECORD_HEAD_BYTES, draft, sequence, String(position), enqueuedAt);
      marks.push({ sequence, position, enqueuedAt });
      end += sealRecord(records, end, bytes, { sequence, enqueuedAt, preambleBytes: draft.preamble.length });
      sequence += 1;
    }
    return { records: records.subarray(0, end), marks, last: marks.at(-1) };
  }
}

function isAt(value: number, position: { readonly value: number; readonly inclusive: boolean }): boolean {
  return position.inclusive && value === position.value;
}

function recordBytesMax(draft: Draft): number {
  const { preamble, annotations, rest } = draft;
  return RECORD_HEAD_BYTES + STAMP_BYTES_MAX + preamble.length + annotations.length + rest.length;
}

function takeGroup(pending: Append[]): Append[] {
  let bytes = 0;
  const end = pending.findIndex((append, index) => (bytes += append.bytes) > GROUP_BYTES_MAX && index > 0);
  return pending.splice(0, end === -1 ? pending.length : end);
}

async function readBegin(directory: string): Promise<Place | undefined> {
  try {
    return JSON.parse(await readFile(join(directory, 'begin.json'), 'utf8')) as Place;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Replaces a small file so that a crash leaves the old or the new content, never a part. */
export async function writeWhole(path: string, content: string): Promise<void> {
  const file = await open(`${path}.new`, 'w');
  await file.writeFile(content);
  await file.sync();
  await file.close();
  await rename(`${path}.new`, path);
}

/** Makes created, renamed and deleted names of a directory durable. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  await handle.sync();
  await handle.close();
}
