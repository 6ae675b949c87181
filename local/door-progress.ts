import { STATUS_CODES, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * An answer whose head grows by progress headers while its query runs, as ClickHouse does it for
 * send_progress_in_http_headers. Node's response cannot send half a head, so this writes to the socket itself and
 * closes the connection at the end. The status is sent before the outcome is known and is always 200; a failure is
 * told by X-ClickHouse-Exception-Code, which the clients look for.
 */
export class EarlyHead {
  readonly #socket: Socket;
  readonly #headers: Readonly<Record<string, string>>;
  #isOpen = false;

  constructor(response: ServerResponse, headers: Readonly<Record<string, string>>) {
    if (response.socket === null) throw new Error('the reader has gone');
    this.#socket = response.socket;
    const set = Object.entries(response.getHeaders()).map(([name, value]) => [name, String(value)]);
    this.#headers = { ...Object.fromEntries(set), ...headers };
  }

  /** Whether something was sent; if not, the ordinary response is still free. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Sends one more line of the head. */
  add(name: string, value: string): void {
    if (!this.#isOpen) {
      this.#isOpen = true;
      const lines = Object.entries(this.#headers).map(([header, text]) => `${header}: ${text}\r\n`);
      this.#socket.write(
        `HTTP/1.1 200 ${STATUS_CODES[200]}\r\n${lines.join('')}Connection: close\r\nTransfer-Encoding: chunked\r\n`,
      );
    }
    this.#socket.write(`${name}: ${value}\r\n`);
  }

  /** Ends the head and gives the body to write to. */
  finish(): Writable {
    this.#socket.write('\r\n');
    return chunkedBody(this.#socket);
  }
}

/** Does `tell` every so often until the work settles, and never after that. */
export async function telling<T>(work: Promise<T>, everyMs: number, tell: () => Promise<void>): Promise<T> {
  const settled = new AbortController();
  const teller = (async (): Promise<void> => {
    while (!settled.signal.aborted) {
      await delay(everyMs, undefined, { signal: settled.signal }).catch(() => undefined);
      if (!settled.signal.aborted) await tell();
    }
  })();
  try {
    return await work;
  } finally {
    settled.abort();
    await teller;
  }
}

/** HTTP's chunked transfer coding, straight to a socket; without its end the body is broken for every reader. */
function chunkedBody(socket: Socket): Writable {
  const body = new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (chunk.length === 0) return done();
      socket.cork();
      socket.write(`${chunk.length.toString(16)}\r\n`);
      socket.write(chunk);
      socket.write('\r\n', done);
      socket.uncork();
    },
    final(done) {
      socket.end('0\r\n\r\n', done);
    },
    destroy(error, done) {
      socket.destroy();
      done(error);
    },
    autoDestroy: false,
  });
  socket.once('close', () => body.destroy());
  socket.on('error', () => undefined);
  return body;
}
