import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import { DoorError } from './door-error.ts';

/** A request's body: the bytes after decompression, or the fields of a form. */
export type Body = {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly fields: ReadonlyArray<readonly [string, string]>;
};

const decompressors: Readonly<Record<string, () => Duplex>> = {
  gzip: createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
};
const empty = new Uint8Array(0);

/** Reads the body to its end. What is larger after decompression than `bytesMax` is refused with status 413. */
export async function readBody(request: IncomingMessage, bytesMax: number): Promise<Body> {
  const bytes = await readBytes(request, bytesMax);
  const contentType = request.headers['content-type'] ?? '';
  if (!/^multipart\/form-data\b/i.test(contentType)) return { bytes, fields: [] };
  let form: FormData;
  try {
    form = await new Response(bytes, { headers: { 'content-type': contentType } }).formData();
  } catch {
    throw new DoorError({ code: 36, name: 'BAD_ARGUMENTS', sentence: 'The multipart body is malformed' });
  }
  const fields = [...form].map(([name, value]): [string, string] => {
    if (typeof value !== 'string' || (name !== 'query' && !name.startsWith('param_'))) {
      const sentence = `A form may hold "query" and "param_…" and no external data, but has "${name}"`;
      throw new DoorError({ code: 48, name: 'NOT_IMPLEMENTED', sentence });
    }
    return [name, value];
  });
  return { bytes: empty, fields };
}

async function readBytes(request: IncomingMessage, bytesMax: number): Promise<Uint8Array<ArrayBuffer>> {
  const encoding = (request.headers['content-encoding'] ?? 'identity').toLowerCase();
  const source = encoding === 'identity' ? request : request.pipe(decompressorFor(encoding));
  // A pipe does not pass on that its source broke off; without this a lost client would be waited for for ever.
  if (source !== request) request.on('error', (error) => source.destroy(error));
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of source as AsyncIterable<Uint8Array>) {
      size += chunk.length;
      if (size > bytesMax) throw tooLarge(bytesMax);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof DoorError) throw error;
    throw new DoorError({
      code: 27,
      name: 'CANNOT_PARSE_INPUT_ASSERTION_FAILED',
      sentence: `The body broke off or is not ${encoding}`,
    });
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

function decompressorFor(encoding: string): Duplex {
  const create = decompressors[encoding];
  if (create !== undefined) return create();
  throw new DoorError({ code: 415, name: 'UNSUPPORTED_MEDIA_TYPE', sentence: `Unknown Content-Encoding ${encoding}` });
}

function tooLarge(bytesMax: number): DoorError {
  const sentence = `The body is larger than ${bytesMax} bytes; send it in parts`;
  return new DoorError({ code: 307, name: 'QUERY_IS_TOO_LARGE', sentence });
}
