import { randomBytes, randomUUID } from 'node:crypto';
import { statfs } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Writable } from 'node:stream';
import { messageOf } from '#common/error.ts';
import type { Catalogue } from './door-catalogue.ts';
import { DoorError, failureText, type Failure } from './door-error.ts';
import { streamsRows } from './door-header.ts';
import type { Lane } from './door-lane.ts';
import { authenticate, queryIdOf, readAsk, type Ask } from './door-request.ts';
import { chooseEncoding, Outgoing } from './door-outgoing.ts';
import { EarlyHead, telling } from './door-progress.ts';
import { answerHeaders, commonHeaders, sendFailure, type Head } from './door-response.ts';
import type { Watch } from './door-watch.ts';
import { isReading, type Statement } from './door-statement.ts';
import type { Counts, Job } from './door-worker.ts';

/** What every request needs of the open door. */
export type Desk = {
  readonly lane: Lane;
  readonly watch: Watch;
  readonly catalogue: Catalogue;
  readonly dataDirectory: string;
  readonly password: string | undefined;
  readonly minimumFreeBytes: number;
  readonly bodyBytesMax: number;
  /** Settings that hold unless the request has its own. */
  readonly settings: Readonly<Record<string, string>>;
};

type Chunks = AsyncGenerator<Uint8Array<ArrayBuffer>, Counts>;
/** An answer that must be whole before its first byte is sent may not be larger than this. */
const wholeBytesMax = 512 * 1024 * 1024;
const growing = new Set(['INSERT', 'CREATE', 'OPTIMIZE', 'ALTER']);

/** Answers one request; never throws. */
export async function serve(desk: Desk, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = targetOf(request.url ?? '/');
  for (const [name, value] of Object.entries(commonHeaders(queryIdOf(url), desk.catalogue.timezone))) {
    response.setHeader(name, value);
  }
  if (url.pathname !== '/' || (request.method === 'GET' && !url.searchParams.has('query'))) {
    servePath(url.pathname, response);
    return;
  }
  const left = new AbortController();
  response.on('close', () => {
    if (!response.writableFinished) left.abort();
  });
  const state: Sending = { response, early: undefined, outgoing: undefined };
  try {
    authenticate(request, url, desk.password);
    await answer(desk, await readAsk(request, url, randomUUID(), desk), state, left.signal);
  } catch (error) {
    await fail(desk, state, failureOf(error));
  }
}

/** What is asked for. `//` alone is no reference that a URL can be read from, and `//name` would be read as a host. */
function targetOf(target: string): URL {
  if (target.startsWith('/')) return new URL(`http://door${target}`);
  return URL.canParse(target) ? new URL(target) : new URL('http://door/');
}

/** How far an answer has got: a failure is told in another way at each step. */
type Sending = { readonly response: ServerResponse; early: EarlyHead | undefined; outgoing: Outgoing | undefined };

async function answer(desk: Desk, ask: Ask, sending: Sending, signal: AbortSignal): Promise<void> {
  const started = performance.now();
  const { statement, jobId, progressMs } = ask;
  await refuseWithoutSpace(desk, statement);
  const { job, head } = prepare(desk, ask);
  const chunks = desk.lane.run(job, isReading(statement), signal);
  const begun = ask.waitsForEnd ? gather(chunks) : firstOf(chunks);
  let first: Start;
  if (progressMs === undefined) {
    first = await begun;
  } else {
    const early = (sending.early = new EarlyHead(sending.response, answerHeaders(head)));
    first = await telling(begun, progressMs, async () => {
      const progress = (await desk.watch.progress(jobId)) ?? { elapsed_ns: nanoseconds(started) };
      early.add('X-ClickHouse-Progress', JSON.stringify(progress));
    });
  }
  const counts = summary(first.counts, nanoseconds(started));
  sending.outgoing = new Outgoing(openBody(sending, head, counts), head.encoding, head.tag);
  await pass(first.chunks, chunks, sending.outgoing);
  sending.outgoing.end();
}

function openBody({ response, early }: Sending, head: Head, counts: string): Writable {
  if (early?.isOpen === true) {
    early.add('X-ClickHouse-Summary', counts);
    return early.finish();
  }
  response.writeHead(200, { ...answerHeaders(head), 'X-ClickHouse-Summary': counts });
  return response;
}

async function fail(desk: Desk, { response, early, outgoing }: Sending, failure: Failure): Promise<void> {
  const { version } = desk.catalogue;
  if (outgoing !== undefined) {
    await outgoing.cut(failure, version);
  } else if (early?.isOpen === true) {
    early.add('X-ClickHouse-Exception-Code', String(failure.code));
    early.finish().end(failureText(failure, version));
  } else if (!response.destroyed) {
    sendFailure(response, failure, version);
  }
}

function servePath(path: string, response: ServerResponse): void {
  const isKnown = path === '/' || path === '/ping' || path === '/replicas_status';
  response.writeHead(isKnown ? 200 : 404, { 'Content-Type': 'text/html; charset=UTF-8' });
  response.end(isKnown ? 'Ok.\n' : `There is no handle ${path}\n\nUse / or /ping\n`);
}

function prepare(desk: Desk, ask: Ask): { job: Job; head: Head } {
  const { statement } = ask;
  const asked = (statement.kind === 'text' ? statement.format : undefined) ?? ask.defaultFormat ?? 'TabSeparated';
  const known = desk.catalogue.formats.get(asked.toLowerCase());
  const format = known?.name ?? asked;
  const hasEnvelope = !streamsRows(format) || ask.extremes || (statement.kind === 'text' && statement.hasTotals);
  const streams = isReading(statement) && !hasEnvelope;
  const bound = isReading(statement) && hasEnvelope ? [`SET max_result_bytes = ${wholeBytesMax}`] : [];
  return {
    job: {
      id: ask.jobId,
      setup: [...bound, ...ask.setup],
      statement,
      readonly: ask.readonly,
      format,
      streams,
      protocol: ask.protocol,
    },
    head: {
      // A statement without an answer never asks whether there is such a format, and not every name fits a header.
      format: format.replaceAll(/[^\x21-\x7e]/g, '_'),
      contentType: known?.contentType ?? 'text/plain; charset=UTF-8',
      encoding: chooseEncoding(ask.acceptsEncodings),
      tag: randomBytes(8).toString('hex'),
    },
  };
}

type Start = { readonly chunks: ReadonlyArray<Uint8Array<ArrayBuffer>>; readonly counts: Counts | undefined };

/** The first chunk, or the counts of a statement without an answer: until then the status is still open. */
async function firstOf(chunks: Chunks): Promise<Start> {
  const first = await chunks.next();
  return first.done ? { chunks: [], counts: first.value } : { chunks: [first.value], counts: undefined };
}

async function gather(chunks: Chunks): Promise<Start> {
  const gathered: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for (;;) {
    const next = await chunks.next();
    if (next.done) return { chunks: gathered, counts: next.value };
    gathered.push(next.value);
    size += next.value.length;
    if (size > wholeBytesMax) {
      await chunks.return(undefined as never);
      const sentence = `The answer is larger than ${wholeBytesMax} bytes; read it without wait_end_of_query`;
      throw new DoorError({ code: 396, name: 'TOO_MANY_ROWS_OR_BYTES', sentence });
    }
  }
}

async function pass(first: Start['chunks'], rest: Chunks, outgoing: Outgoing): Promise<void> {
  try {
    for (const chunk of first) await outgoing.write(chunk);
    for await (const chunk of rest) await outgoing.write(chunk);
  } finally {
    await rest.return(undefined as never);
  }
}

/** The engine answers OK to rows that it could not write, so none are taken when the disk is nearly full. */
async function refuseWithoutSpace(desk: Desk, statement: Statement): Promise<void> {
  if (statement.kind === 'text' && !growing.has(statement.verb)) return;
  const { bavail, bsize } = await statfs(desk.dataDirectory);
  const free = bavail * bsize;
  if (free >= desk.minimumFreeBytes) return;
  const sentence = `Cannot write: ${free} bytes are free where the data is, and ${desk.minimumFreeBytes} must stay free.`;
  throw new DoorError({ code: 243, name: 'NOT_ENOUGH_SPACE', sentence });
}

function nanoseconds(since: number): string {
  return String(Math.round((performance.now() - since) * 1e6));
}

function summary(counts: Counts | undefined, elapsed: string): string {
  return JSON.stringify({
    read_rows: String(counts?.readRows ?? 0),
    read_bytes: String(counts?.readBytes ?? 0),
    written_rows: String(counts?.writtenRows ?? 0),
    written_bytes: String(counts?.writtenBytes ?? 0),
    total_rows_to_read: '0',
    result_rows: '0',
    result_bytes: '0',
    elapsed_ns: elapsed,
  });
}

function failureOf(error: unknown): Failure {
  if (error instanceof DoorError) return error.failure;
  return { code: 1002, name: 'UNKNOWN_EXCEPTION', sentence: messageOf(error) };
}
