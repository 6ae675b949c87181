import { once } from 'node:events';
import type { Transform, Writable } from 'node:stream';
import { constants, createBrotliCompress, createDeflate, createGzip, createZstdCompress } from 'node:zlib';
import type { Failure } from './door-error.ts';
import { failureText } from './door-error.ts';

/** What the door can compress an answer with, by the name in Accept-Encoding; the first is preferred. */
const compressors = {
  zstd: () => createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 3 } }),
  br: () => createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: 4 } }),
  gzip: () => createGzip({ level: 3 }),
  deflate: () => createDeflate({ level: 3 }),
} as const;
export type Encoding = keyof typeof compressors;
const encodings = Object.keys(compressors) as Encoding[];

/** A server cuts the message of a late failure, too: it must arrive in one piece. */
const lateMessageBytesMax = 16_384;
/** How long a client may take to read the mark; one that understands it closes at once. */
const cutAfterMs = 1_000;

/** What all compressors of Node have beyond a transform. */
type Flushable = { flush(done: () => void): void };

/** The encoding of an answer, from a request's Accept-Encoding; undefined for none. */
export function chooseEncoding(accepted: string | undefined): Encoding | undefined {
  if (accepted === undefined) return undefined;
  const refused = /;\s*q=0(\.0*)?\s*$/;
  const names = new Set(accepted.split(',').map((part) => (refused.test(part) ? '' : part.split(';')[0]?.trim())));
  return encodings.find((name) => names.has(name));
}

/**
 * The body of an answer under way. Its chunks go out as they come, at the pace of the reader. A failure after the
 * first byte is marked at the end as servers since 25.11 do it, and then the connection is cut: a chunked body
 * without its end never looks complete, not even to a client that does not know the mark.
 */
export class Outgoing {
  readonly #body: Writable;
  readonly #compressor: Transform | undefined;
  readonly #tag: string;

  constructor(body: Writable, encoding: Encoding | undefined, tag: string) {
    this.#body = body;
    this.#tag = tag;
    this.#compressor = encoding === undefined ? undefined : compressors[encoding]();
    this.#compressor?.pipe(body);
  }

  /** Resolves when the reader can take more. Throws when it has gone. */
  async write(bytes: Uint8Array): Promise<void> {
    const target = this.#compressor ?? this.#body;
    if (this.#body.destroyed) throw new Error('the reader has gone');
    if (target.write(bytes)) return;
    const settled = new AbortController();
    const { signal } = settled;
    await Promise.race([once(target, 'drain', { signal }), once(this.#body, 'close', { signal })]).finally(() =>
      settled.abort(),
    );
    if (this.#body.destroyed) throw new Error('the reader has gone');
  }

  end(): void {
    (this.#compressor ?? this.#body).end();
  }

  /** Marks the answer as failed and cuts it. */
  async cut(failure: Failure, version: string): Promise<void> {
    const body = this.#body;
    if (body.destroyed) return;
    const closed = once(body, 'close');
    const mark = lateFailure(failureText(failure, version), this.#tag);
    const compressor = this.#compressor;
    if (compressor === undefined) {
      body.write(mark);
    } else {
      compressor.write(mark);
      await new Promise<void>((done) => (compressor as unknown as Flushable).flush(done));
    }
    const timer = setTimeout(() => body.destroy(), cutAfterMs);
    await closed;
    clearTimeout(timer);
    compressor?.destroy();
  }
}

/** The mark with the message, its length with its line break, and the tag that no data can hold by chance. */
function lateFailure(text: string, tag: string): Buffer {
  const message = Buffer.from(text.trimEnd()).subarray(0, lateMessageBytesMax);
  const front = Buffer.from(`\r\n__exception__\r\n${tag}\r\n`);
  const back = Buffer.from(`\n${message.length + 1} ${tag}\r\n__exception__\r\n`);
  return Buffer.concat([front, message, back]);
}
