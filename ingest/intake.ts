import { serve, type ServerType } from '@hono/node-server';
import { Hono, type Context } from 'hono';
import { createHash, randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate, zstdDecompress } from 'node:zlib';
import type { Database } from '#clickhouse/client.ts';
import { apiKey } from '#clickhouse/ledger.ts';
import { ConfigurationError, messageOf } from '#common/error.ts';
import { isSource, messagesOf } from './decode.ts';
import type { Journal, Stored } from './journal.ts';
import type { Origin } from './message.ts';
import type { Notify } from './notice.ts';
import type { Replayed } from './replay.ts';
import type { RowOptions } from './rows.ts';

export type IntakeOptions = {
  readonly db: Database;
  readonly notify: Notify;
  readonly journal: Journal;
  readonly rows: RowOptions;
  readonly replay: (wanted: { reasons: string[]; sources: string[] }) => Promise<Replayed>;
  readonly port: number;
  readonly host: string;
};

export type Intake = { readonly port: number; readonly close: () => Promise<void> };

/** Of one request, as it comes and unpacked. */
const bodyBytesMax = 16 * 1024 * 1024;

/** The source that lets every format be tried. */
const anySource = 'any';

/**
 * The bridge for gateways that push over HTTP. 202 means that every record is in the ledger, understood or kept as
 * rejected; any other answer means that the sender must send again, which counts nothing twice for records that name
 * their call. Keys are those of the API, with the role `intake` (for the sources it names) or `admin`.
 */
export async function openIntake(options: IntakeOptions): Promise<Intake> {
  const app = new Hono();
  app.post('/v1/intake/:source', async (c) => receive(c, options));
  app.post('/v1/rejected/replay', async (c) => replayRejected(c, options));
  app.notFound((c) => problem(c, 404, 'not_found', 'POST /v1/intake/{source} or /v1/rejected/replay'));
  app.onError((error, c) => {
    options.notify('intake_failed', options.journal.stream, { error: messageOf(error) });
    return problem(c, 503, 'unavailable', 'the records are not stored; send them again');
  });
  const server = await listen(app, options);
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : options.port,
    close: async () => {
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        if ('closeIdleConnections' in server) server.closeIdleConnections();
      });
    },
  };
}

async function listen(app: Hono, { host, port }: IntakeOptions): Promise<ServerType> {
  return new Promise((resolve, reject) => {
    const server = serve({ fetch: app.fetch, port, hostname: host, overrideGlobalObjects: false }, () =>
      resolve(server),
    );
    server.once('error', (error) =>
      reject(new ConfigurationError(`cannot listen on ${host}:${port}: ${error.message}`)),
    );
  });
}

async function receive(c: Context, { db, journal, rows }: IntakeOptions): Promise<Response> {
  const source = String(c.req.param('source'));
  const refused = await unauthorized(c, db, source);
  if (refused !== null) return refused;
  if (source !== anySource && !isSource(source, rows.declared ?? [])) {
    return problem(c, 404, 'not_found', `there is no source ${source.slice(0, 64)}; ${anySource} tries every format`);
  }
  const body = await bodyOf(c);
  if (body instanceof Response) return body;
  const origin = originOf(c.req.header('gatemeter-origin'));
  if (origin === undefined) {
    return problem(c, 400, 'invalid_parameter', 'Gatemeter-Origin is not <64 hexadecimal digits>/<number>');
  }
  const stored = await storeAll(journal, body, source === anySource ? undefined : source, origin);
  if (stored === null) {
    c.header('Retry-After', '5');
    return problem(c, 503, 'unavailable', 'too much waits to be stored; send again later');
  }
  return c.json({ data: stored }, 202);
}

/** What became of a body's records once all are stored; null where some had no room. */
async function storeAll(
  journal: Journal,
  whole: Buffer,
  source: string | undefined,
  origin: Origin | null,
): Promise<Stored | null> {
  const appended = messagesOf(whole).map(async ({ body, from }) => {
    const place = origin === null ? undefined : { ...origin, record_index: origin.record_index + from };
    return journal.append({ body, source, origin: place });
  });
  // All are waited for, so that no failure of one is left to nobody.
  const settled = await Promise.allSettled(appended);
  const total: Record<string, number> = {};
  let records = 0;
  for (const one of settled) {
    if (one.status === 'rejected') throw one.reason;
    if (one.value === null) return null;
    records += one.value.records;
    for (const [kind, count] of Object.entries(one.value.kinds)) total[kind] = (total[kind] ?? 0) + count;
  }
  return { records, kinds: total };
}

async function replayRejected(c: Context, { db, replay }: IntakeOptions): Promise<Response> {
  const refused = await unauthorized(c, db, null);
  if (refused !== null) return refused;
  const replayed = await replay({ reasons: c.req.queries('reason') ?? [], sources: c.req.queries('source') ?? [] });
  return c.json({ data: replayed }, 200);
}

/** Null for a key that may; an intake key names its sources where another names tenants. */
async function unauthorized(c: Context, db: Database, source: string | null): Promise<Response | null> {
  const key = /^Bearer +(\S{1,256})$/i.exec(c.req.header('authorization') ?? '')?.[1];
  const found =
    key === undefined
      ? undefined
      : (await db.read(apiKey, { key_hash: createHash('sha256').update(key).digest('hex') }))[0];
  if (found === undefined) {
    c.header('WWW-Authenticate', 'Bearer realm="gatemeter"');
    return problem(c, 401, 'unauthenticated', 'send the header Authorization: Bearer <key>, with a key that is valid');
  }
  if (found.role === 'admin') return null;
  const may = found.role === 'intake' && source !== null && found.tenants.includes(source);
  return may ? null : problem(c, 403, 'forbidden', `a key of role ${found.role} may not do this`);
}

const unpack: Readonly<Record<string, (body: Buffer) => Promise<Buffer>>> = {
  identity: async (body) => body,
  gzip: async (body) => promisify(gunzip)(body, { maxOutputLength: bodyBytesMax }),
  deflate: async (body) => promisify(inflate)(body, { maxOutputLength: bodyBytesMax }),
  br: async (body) => promisify(brotliDecompress)(body, { maxOutputLength: bodyBytesMax }),
  zstd: async (body) => promisify(zstdDecompress)(body, { maxOutputLength: bodyBytesMax }),
};

async function bodyOf(c: Context): Promise<Buffer | Response> {
  const encoding = (c.req.header('content-encoding') ?? 'identity').toLowerCase();
  const unpacked = unpack[encoding];
  if (unpacked === undefined) {
    return problem(c, 415, 'unsupported_encoding', `Content-Encoding is none of ${Object.keys(unpack).join(', ')}`);
  }
  const tooLarge = `the body has more than ${bodyBytesMax} bytes; send it in parts`;
  const packed: Uint8Array[] = [];
  let bytes = 0;
  // Counted while it comes: a header may lie about the length, or be absent.
  for await (const chunk of c.req.raw.body ?? []) {
    bytes += chunk.length;
    if (bytes > bodyBytesMax) return problem(c, 413, 'too_large', tooLarge);
    packed.push(chunk);
  }
  try {
    return await unpacked(Buffer.concat(packed));
  } catch (error) {
    const large = (error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE';
    return large
      ? problem(c, 413, 'too_large', tooLarge)
      : problem(c, 400, 'invalid_body', `the body is not ${encoding}: ${messageOf(error)}`);
  }
}

/**
 * Where an import says that the body stands in its file: the SHA-256 of the file and the number of the body in it. So
 * records that name no call have the same identity when the file comes again. Null without the header.
 */
function originOf(header: string | undefined): Origin | null | undefined {
  if (header === undefined) return null;
  const match = /^([\da-f]{64})\/(\d{1,15})$/.exec(header);
  if (match === null) return undefined;
  return { stream: `file/${match[1]}`, sequence_number: Number(match[2]), record_index: 0 };
}

type ProblemStatus = 400 | 401 | 403 | 404 | 413 | 415 | 503;

/** RFC 9457, with the types of the API. */
function problem(c: Context, status: ProblemStatus, type: string, detail: string): Response {
  const body = { type: `urn:gatemeter:problem:${type}`, title: type.replaceAll('_', ' '), status, detail };
  const instance = `urn:uuid:${c.req.header('x-request-id') ?? randomUUID()}`;
  return c.json({ ...body, instance }, status, {
    'content-type': 'application/problem+json',
    // The rest of the request may not have been read, and the next one on its connection would fail.
    connection: 'close',
  });
}
