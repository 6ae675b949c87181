/** The format of a delivery whose data sections are each an encoded message. */
const BATCH_FORMAT = 0x80_01_37_00;

/** The largest delivery that the hub takes, in bytes, as the real service's standard tier. */
export const MESSAGE_BYTES_MAX = 1_048_576;

/** What the hub itself writes into a message may not exceed this many bytes. */
export const STAMP_BYTES_MAX = 160;

/**
 * A message that is not yet stored: its AMQP header section, the entries of its annotation map without those that only
 * the hub may set, and the sections from the properties on, all as the bytes that the producer sent.
 */
export type Draft = {
  readonly preamble: Buffer;
  readonly annotations: Buffer;
  readonly annotationCount: number;
  readonly rest: Buffer;
};

/** A delivery from a producer: its messages, and the encoded partition key when one was given. */
export type Parcel = { readonly drafts: readonly Draft[]; readonly partitionKey: Buffer | undefined };

/** The bytes are not AMQP 1.0; nothing of the delivery is stored. */
export class MalformedMessage extends Error {
  override name = 'MalformedMessage';
}

type Section = { readonly code: number; readonly start: number; readonly value: number; readonly end: number };
type Annotations = { readonly entries: Buffer; readonly count: number; readonly partitionKey: Buffer | undefined };

const NOTHING = Buffer.alloc(0);
const NO_ANNOTATIONS: Annotations = { entries: NOTHING, count: 0, partitionKey: undefined };
const PARTITION_KEY = 'x-opt-partition-key';
const RESERVED = new Set(['x-opt-sequence-number', 'x-opt-offset', 'x-opt-enqueued-time']);

/** The messages of one delivery. Throws `MalformedMessage`. */
export function unpack(payload: Buffer, format: number): Parcel {
  try {
    if (format !== BATCH_FORMAT) {
      const { draft, partitionKey } = draftOf(payload, undefined);
      return { drafts: [draft], partitionKey };
    }
    let envelope = NO_ANNOTATIONS;
    const bodies: Buffer[] = [];
    for (const section of sections(payload)) {
      if (section.code === 0x72) envelope = annotationsOf(payload, section.value);
      if (section.code === 0x75) bodies.push(binary(payload, section.value));
      if (section.code === 0x76 || section.code === 0x77) throw new MalformedMessage('a batch has data sections only');
    }
    const { partitionKey } = envelope;
    return { drafts: bodies.map((body) => draftOf(body, partitionKey).draft), partitionKey };
  } catch (error) {
    if (error instanceof RangeError) throw new MalformedMessage('the message ends in the middle of a value');
    throw error;
  }
}

/** Writes a message with the hub's annotations at `at`; `offset` is decimal. Returns its bytes. */
export function stamp(
  target: Buffer,
  at: number,
  draft: Draft,
  sequence: number,
  offset: string,
  enqueuedAt: number,
): number {
  let end = at + draft.preamble.copy(target, at);
  const section = end;
  end += SECTION_HEAD.copy(target, end) + 8;
  end = writeLong(target, end + SEQUENCE_KEY.copy(target, end), sequence);
  end += OFFSET_KEY.copy(target, end);
  target[end] = offset.length;
  end += 1 + target.write(offset, end + 1, 'latin1');
  end = writeLong(target, end + TIME_KEY.copy(target, end), enqueuedAt);
  end += draft.annotations.copy(target, end);
  const map = section + SECTION_HEAD.length;
  target.writeUInt32BE(end - map - 4, map);
  target.writeUInt32BE(6 + draft.annotationCount, map + 4);
  end += draft.rest.copy(target, end);
  return end - at;
}

/** The delivery annotations that tell a consumer how far the partition reaches. */
export function lastEnqueuedSection(
  last: { sequence: number; offset: string; enqueuedAt: number },
  now: number,
): Buffer {
  const entries = Buffer.concat([
    symbol('last_enqueued_sequence_number'),
    long(0x81, last.sequence),
    symbol('last_enqueued_offset'),
    Buffer.from([0xa1, last.offset.length]),
    Buffer.from(last.offset, 'latin1'),
    symbol('last_enqueued_time_utc'),
    long(0x83, last.enqueuedAt),
    symbol('runtime_info_retrieval_time_utc'),
    long(0x83, now),
  ]);
  const head = Buffer.from([0x00, 0x53, 0x71, 0xd1, 0, 0, 0, 0, 0, 0, 0, 8]);
  head.writeUInt32BE(entries.length + 4, 4);
  return Buffer.concat([head, entries]);
}

const SECTION_HEAD = Buffer.from([0x00, 0x53, 0x72, 0xd1]);
const SEQUENCE_KEY = Buffer.concat([symbol('x-opt-sequence-number'), Buffer.from([0x81])]);
const OFFSET_KEY = Buffer.concat([symbol('x-opt-offset'), Buffer.from([0xa1])]);
const TIME_KEY = Buffer.concat([symbol('x-opt-enqueued-time'), Buffer.from([0x83])]);
const KEY_OF_PARTITION_KEY = symbol(PARTITION_KEY);

function draftOf(encoded: Buffer, envelopeKey: Buffer | undefined): { draft: Draft; partitionKey: Buffer | undefined } {
  let preamble: Buffer = NOTHING;
  let annotations = NO_ANNOTATIONS;
  let restStart = encoded.length;
  for (const section of sections(encoded)) {
    if (section.code === 0x70) preamble = encoded.subarray(section.start, section.end);
    else if (section.code === 0x72) annotations = annotationsOf(encoded, section.value);
    else if (section.code > 0x72) restStart = Math.min(restStart, section.start);
  }
  if (preamble.length > 0xff_ff) throw new MalformedMessage('the header section is too long');
  const rest = encoded.subarray(restStart);
  const { partitionKey } = annotations;
  if (envelopeKey === undefined || partitionKey !== undefined) {
    const draft = { preamble, annotations: annotations.entries, annotationCount: annotations.count, rest };
    return { draft, partitionKey };
  }
  const entries = Buffer.concat([KEY_OF_PARTITION_KEY, envelopeKey, annotations.entries]);
  return {
    draft: { preamble, annotations: entries, annotationCount: annotations.count + 2, rest },
    partitionKey: envelopeKey,
  };
}

function* sections(buffer: Buffer): Generator<Section> {
  let start = 0;
  let previous = 0;
  while (start < buffer.length) {
    if (buffer[start] !== 0x00) throw new MalformedMessage('a section has no descriptor');
    const small = buffer[start + 1] === 0x53;
    if (!small && buffer[start + 1] !== 0x80) throw new MalformedMessage('a section has an unknown descriptor');
    const code = small ? buffer.readUInt8(start + 2) : Number(buffer.readBigUInt64BE(start + 2));
    if (code < 0x70 || code > 0x78 || code < previous) throw new MalformedMessage('a section is out of its place');
    previous = code;
    const value = start + (small ? 3 : 10);
    const end = skip(buffer, value);
    yield { code, start, value, end };
    start = end;
  }
}

function annotationsOf(buffer: Buffer, at: number): Annotations {
  const map = mapAt(buffer, at);
  const kept: Buffer[] = [];
  let partitionKey: Buffer | undefined;
  let next = map.entries;
  for (let entry = 0; entry + 1 < map.count; entry += 2) {
    const value = skip(buffer, next);
    const end = skip(buffer, value);
    const name = textAt(buffer, next);
    if (name === PARTITION_KEY) partitionKey = buffer.subarray(value, end);
    if (name === undefined || !RESERVED.has(name)) kept.push(buffer.subarray(next, end));
    next = end;
  }
  if (kept.length === 0) return NO_ANNOTATIONS;
  const whole = kept.length * 2 === map.count;
  return {
    entries: whole ? buffer.subarray(map.entries, next) : Buffer.concat(kept),
    count: kept.length * 2,
    partitionKey,
  };
}

function mapAt(buffer: Buffer, at: number): { count: number; entries: number } {
  switch (buffer.readUInt8(at)) {
    case 0xc1:
      return { count: buffer.readUInt8(at + 2), entries: at + 3 };
    case 0xd1:
      return { count: buffer.readUInt32BE(at + 5), entries: at + 9 };
    case 0x40:
      return { count: 0, entries: at + 1 };
    default:
      throw new MalformedMessage('annotations are not a map');
  }
}

function textAt(buffer: Buffer, at: number): string | undefined {
  const constructor = buffer.readUInt8(at);
  if (constructor !== 0xa3 && constructor !== 0xa1) return undefined;
  return buffer.toString('latin1', at + 2, at + 2 + buffer.readUInt8(at + 1));
}

function binary(buffer: Buffer, at: number): Buffer {
  const constructor = buffer.readUInt8(at);
  if (constructor !== 0xa0 && constructor !== 0xb0) throw new MalformedMessage('a data section is not binary');
  return buffer.subarray(at + (constructor === 0xa0 ? 2 : 5), skip(buffer, at));
}

/** The end of the value at `at`: an AMQP constructor's high nibble tells how the size is found. */
function skip(buffer: Buffer, at: number): number {
  const constructor = buffer.readUInt8(at);
  if (constructor === 0x00) return skip(buffer, skip(buffer, at + 1));
  const end = at + 1 + valueBytes(buffer, at, constructor >>> 4);
  if (end > buffer.length) throw new MalformedMessage('the message ends in the middle of a value');
  return end;
}

function valueBytes(buffer: Buffer, at: number, category: number): number {
  switch (category) {
    case 0x4:
      return 0;
    case 0x5:
    case 0x6:
    case 0x7:
    case 0x8:
    case 0x9:
      return 1 << (category - 5);
    case 0xa:
    case 0xc:
    case 0xe:
      return 1 + buffer.readUInt8(at + 1);
    case 0xb:
    case 0xd:
    case 0xf:
      return 4 + buffer.readUInt32BE(at + 1);
    default:
      throw new MalformedMessage('a value has an unknown type');
  }
}

function symbol(name: string): Buffer {
  return Buffer.concat([Buffer.from([0xa3, name.length]), Buffer.from(name, 'latin1')]);
}

function long(constructor: number, value: number): Buffer {
  const encoded = Buffer.alloc(9);
  encoded[0] = constructor;
  encoded.writeBigInt64BE(BigInt(value), 1);
  return encoded;
}

/** Writes a whole number that is not negative and returns the place after it; without BigInt, as this is the hot path. */
function writeLong(target: Buffer, at: number, value: number): number {
  target.writeUInt32BE(Math.floor(value / 0x1_00_00_00_00), at);
  return target.writeUInt32BE(value % 0x1_00_00_00_00, at + 4);
}
