import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import chain from 'stream-chain';
import { parser } from 'stream-json';
import { pick } from 'stream-json/filters/pick.js';
import { streamArray } from 'stream-json/streamers/stream-array.js';
import { piecesOf } from './decode.ts';
import { recordsPerMessageMax } from './envelope.ts';

/** Some of a file's records, one per line; `number` counts them from 0, the same way each time the file is read. */
export type Chunk = { readonly number: number; readonly body: Buffer };

/** An archived log and what identifies its content, whatever it is called and wherever it lies. */
export type Archive = { readonly path: string; readonly bytes: number; readonly sha256: string };

const chunkRecords = 1_000;
const chunkBytes = 4 * 1024 * 1024;
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
 * `{"records": […]}`; each may be packed with gzip. `onBytes` hears how many bytes of the file have been read.
 */
export async function* chunksOf(path: string, onBytes: (bytes: number) => void): AsyncGenerator<Chunk> {
  const { packed, start } = await beginningOf(path);
  const read = (): Readable => {
    const file = createReadStream(path);
    file.on('data', (part) => onBytes(part.length));
    return packed ? file.pipe(createGunzip()).on('close', () => file.destroy()) : file;
  };
  let number = 0;
  for await (const body of chunked(await recordsOf(read, start))) yield { number: number++, body };
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
  const stream = packed ? createReadStream(path).pipe(createGunzip()) : createReadStream(path);
  let start = '';
  for await (const part of stream as AsyncIterable<Buffer>) {
    start += part.toString('utf8');
    if (start.length > 1024 * 1024 || start.trimStart().split('\n', 3).length === 3) break;
  }
  return { packed, start: start.replace(/^\uFEFF/, '').trimStart() };
}

/** The texts of the records, in the order of the file. */
async function recordsOf(read: () => Readable, start: string): Promise<AsyncIterable<string>> {
  if (start.startsWith('[')) return values(chain([read(), parser(), streamArray()]));
  const lines = (): AsyncIterable<string> => createInterface({ input: read(), crlfDelay: Infinity });
  const [line = '', next = ''] = start.split('\n', 2);
  // Of a file whose first line was cut off, when a log was rotated, all other lines are records all the same.
  if (!start.startsWith('{') || isWhole(line) || (next.startsWith('{') && isWhole(next))) return lines();
  const whole = await documentOf(read());
  if (whole !== null) return isWhole(whole.replace(/^\uFEFF/, '')) ? one(whole) : lines();
  return values(chain([read(), parser(), pick({ filter: /^records$/i }), streamArray()]));
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

async function* values(stream: AsyncIterable<unknown>): AsyncGenerator<string> {
  for await (const item of stream) yield JSON.stringify((item as { value: unknown }).value);
}

async function* chunked(texts: AsyncIterable<string>): AsyncGenerator<Buffer> {
  let lines: string[] = [];
  let bytes = 0;
  let held = 0;
  for await (const line of texts) {
    if (line.trim() === '') continue;
    // A line may have many records, and a document of one line has all of its file.
    for (const { text, records } of piecesOf(line)) {
      const isFull = lines.length >= chunkRecords || bytes + text.length > chunkBytes;
      if (lines.length > 0 && (isFull || held + records > recordsPerMessageMax)) {
        yield Buffer.from(lines.join('\n'));
        lines = [];
        bytes = 0;
        held = 0;
      }
      lines.push(text);
      bytes += text.length;
      held += records;
    }
  }
  if (lines.length > 0) yield Buffer.from(lines.join('\n'));
}
