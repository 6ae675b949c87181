import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline, Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { createGunzip } from 'node:zlib';
import chain from 'stream-chain';
import { parser } from 'stream-json';
import { pick } from 'stream-json/filters/pick.js';
import { streamArray } from 'stream-json/streamers/stream-array.js';
import { ConfigurationError, messageOf } from '#common/error.ts';
import { recordTexts } from './decode.ts';

/** Some of a file's records, one per line; `number` counts them from 0, the same way each time the file is read. */
export type Chunk = { readonly number: number; readonly body: Buffer };

/** An archived log and what identifies its content, whatever it is called and wherever it lies. */
export type Archive = { readonly path: string; readonly bytes: number; readonly sha256: string };

const chunkRecords = 1_000;
const chunkBytes = 4 * 1024 * 1024;
/** In three bytes a character it is what the intake takes of one body. */
const recordCharactersMax = 5 * 1024 * 1024;
/** A document that is one object is read whole up to this size, because its records may stand anywhere in it. */
const documentBytesMax = 16 * 1024 * 1024;

export async function archiveOf(path: string): Promise<Archive> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const part of createReadStream(path) as AsyncIterable<Buffer>) {
    hash.update(part);
    bytes += part.length;
  }
  return { path, bytes, sha256: hash.digest('hex') };
}

/**
 * The records of an archived log: one object per line (Kong's file-log, Azure's PT1H.json), a JSON array, or a document
 * `{"records": […]}`; each may be packed with gzip. What holds several records, as a line or a document may, is taken
 * apart, so that no chunk has more of them than a message may. `onBytes` hears how many bytes of the file have been
 * read. Throws a `ConfigurationError` that names the file where its content cannot be read on.
 */
export async function* chunksOf(path: string, onBytes: (bytes: number) => void): AsyncGenerator<Chunk> {
  let number = 0;
  try {
    const { packed, start } = await beginningOf(path);
    const read = (): Readable => {
      const file = createReadStream(path);
      file.on('data', (part) => onBytes(part.length));
      return contentOf(file, packed);
    };
    for await (const body of chunked(await recordsOf(read, start))) yield { number: number++, body };
  } catch (error) {
    const before = number === 0 ? 'nothing of it is stored' : 'what stands before that is stored';
    throw new ConfigurationError(`${path} cannot be read to its end, and ${before}: ${messageOf(error)}`);
  }
}

/** What stands in the file, unpacked, and without the mark that some systems put before UTF-8. */
function contentOf(file: Readable, packed: boolean): Readable {
  // The callback is there for the pipeline's sake; whoever reads the last stream sees its errors.
  const content = packed ? pipeline(file, createGunzip(), () => {}) : file;
  return Readable.from(withoutMark(content as AsyncIterable<Buffer>));
}

async function* withoutMark(content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const mark = Buffer.from('\uFEFF');
  let isFirst = true;
  for await (const part of content) {
    yield isFirst && part.subarray(0, mark.length).equals(mark) ? part.subarray(mark.length) : part;
    isFirst = false;
  }
}

/** The first bytes, unpacked: enough to tell the layouts apart. */
async function beginningOf(path: string): Promise<{ packed: boolean; start: string }> {
  const file = await open(path);
  const magic = Buffer.alloc(2);
  try {
    await file.read(magic, 0, 2, 0);
  } finally {
    await file.close();
  }
  const packed = magic[0] === 0x1f && magic[1] === 0x8b;
  let start = '';
  for await (const part of contentOf(createReadStream(path), packed) as AsyncIterable<Buffer>) {
    start += part.toString('utf8');
    if (start.length > 1024 * 1024 || start.trimStart().includes('\n')) break;
  }
  return { packed, start: start.trimStart() };
}

/** The texts of the records, in the order of the file. */
async function recordsOf(read: () => Readable, start: string): Promise<AsyncIterable<string>> {
  const [line = ''] = start.split('\n', 1);
  if (!/^[{[]/.test(start) || isWhole(line)) return linesOf(read());
  if (start.startsWith('[')) return values(chain([read(), parser(), streamArray()]));
  const whole = await documentOf(read());
  if (whole !== null) return one(whole);
  return largeDocument(chain([read(), parser(), pick({ filter: /^records$/i }), streamArray()]));
}

/** Line feeds alone end a line: JSON texts may hold the other characters that Unicode calls line breaks. */
async function* linesOf(content: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8');
  let rest: string[] = [];
  for await (const part of content) {
    const [first = '', ...others] = decoder.write(part).split('\n');
    rest.push(first);
    for (const line of others) {
      yield rest.join('');
      rest = [line];
    }
  }
  yield rest.join('') + decoder.end();
}

function isWhole(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}

async function documentOf(stream: Readable): Promise<string | null> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of stream as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > documentBytesMax) return null;
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

async function* one(text: string): AsyncGenerator<string> {
  yield text;
}

async function* largeDocument(stream: AsyncIterable<unknown>): AsyncGenerator<string> {
  let isEmpty = true;
  for await (const text of values(stream)) {
    isEmpty = false;
    yield text;
  }
  if (isEmpty) throw new Error(`it is one object of more than ${documentBytesMax} bytes without a list of records`);
}

async function* values(stream: AsyncIterable<unknown>): AsyncGenerator<string> {
  for await (const item of stream) yield JSON.stringify((item as { value: unknown }).value);
}

/** What is too long for any record is cut, as gateways cut theirs, so that it holds up nothing that comes after it. */
async function* separated(texts: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const text of texts) {
    for (const record of recordTexts(text))
      yield record.length > recordCharactersMax ? record.slice(0, chunkBytes) : record;
  }
}

async function* chunked(records: AsyncIterable<string>): AsyncGenerator<Buffer> {
  let lines: string[] = [];
  let bytes = 0;
  for await (const record of separated(records)) {
    if (record.trim() === '') continue;
    if (lines.length > 0 && (lines.length >= chunkRecords || bytes + record.length > chunkBytes)) {
      yield Buffer.from(lines.join('\n'));
      lines = [];
      bytes = 0;
    }
    lines.push(record);
    bytes += record.length;
  }
  if (lines.length > 0) yield Buffer.from(lines.join('\n'));
}
