import { createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { readBody } from './door-body.ts';
import { literal } from './door-engine.ts';
import { DoorError } from './door-error.ts';
import { readStatement, StatementError, type Statement } from './door-statement.ts';

/** A request in the terms of ClickHouse, with the connection's preparation as SQL of the door's own making. */
export type Ask = {
  /** Marks the query of this request in the engine. */
  readonly jobId: string;
  readonly statement: Statement;
  readonly setup: readonly string[];
  readonly readonly: 0 | 1 | 2;
  /** The format for an answer whose statement names none. */
  readonly defaultFormat: string | undefined;
  /** Whether the status must tell how the whole query ended. */
  readonly waitsForEnd: boolean;
  /** How often progress is told in headers, in milliseconds. */
  readonly progressMs: number | undefined;
  readonly acceptsEncodings: string | undefined;
  readonly extremes: boolean;
  /** The version of the protocol that the client reads Native in; 0 if it says nothing. */
  readonly protocol: number;
};

/** Parameters of the URL which are no settings. */
const notSettings = new Set(
  `query database default_format query_id user password quota_key stacktrace buffer_size wait_end_of_query
  client_protocol_version readonly log_comment enable_http_compression session_timeout session_check`.split(/\s+/),
);
const refused: Readonly<Record<string, string>> = {
  session_id: 'Sessions do not exist in the embedded engine: each request has its own and nothing stays',
  role: 'Roles do not exist in the embedded engine',
  compress: "ClickHouse's own block compression is not spoken here: use enable_http_compression and Accept-Encoding",
  decompress: "ClickHouse's own block compression is not spoken here: use Content-Encoding",
};
/** In characters; the engine counts bytes and stops at 256 KiB. */
const longStatement = 65_536;
const settingName = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Proves who asks, before anything of the request is read. Throws the failure that a server gives. */
export function authenticate(request: IncomingMessage, url: URL, password: string | undefined): void {
  if (password === undefined) return;
  const given = givenPassword(request, url);
  if (given !== undefined && isSame(given, password)) return;
  throw new DoorError({
    code: 516,
    name: 'AUTHENTICATION_FAILED',
    sentence: 'default: Authentication failed: password is incorrect, or there is no user with such name.',
  });
}

function givenPassword(request: IncomingMessage, url: URL): string | undefined {
  const basic = /^Basic (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (basic !== undefined) {
    const pair = Buffer.from(basic, 'base64').toString('utf8');
    return pair.includes(':') ? pair.slice(pair.indexOf(':') + 1) : '';
  }
  if (request.headers.authorization !== undefined) return undefined;
  const key = request.headers['x-clickhouse-key'];
  if (typeof key === 'string') return key;
  return url.searchParams.get('password') ?? '';
}

/** Hashes have one length, so that the time of the comparison tells nothing about the password. */
function isSame(given: string, wanted: string): boolean {
  const [a, b] = [given, wanted].map((text) => createHash('sha256').update(text).digest()) as [Buffer, Buffer];
  return timingSafeEqual(a, b);
}

/** The name of the request: the sender's or a new one. It is echoed in a header, so it must fit into one. */
export function queryIdOf(url: URL): string {
  const given = url.searchParams.get('query_id') ?? '';
  return given === '' ? randomUUID() : given.replaceAll(/[^\x21-\x7e]/g, '_');
}

/** Reads the request, body included. */
export async function readAsk(
  request: IncomingMessage,
  url: URL,
  jobId: string,
  options: { readonly bodyBytesMax: number; readonly settings: Readonly<Record<string, string>> },
): Promise<Ask> {
  const body = await readBody(request, options.bodyBytesMax);
  const fields = [...url.searchParams, ...body.fields];
  const field = (name: string): string | undefined => fields.findLast(([given]) => given === name)?.[1];
  for (const [name] of fields) {
    const why = refused[name];
    if (why !== undefined && field(name) !== '0' && field(name) !== '') throw notImplemented(why);
  }
  const statement = statementOf(
    fields.filter(([name]) => name === 'query').map(([, text]) => text),
    body.bytes,
  );
  const settings = new Map(Object.entries(options.settings));
  const protocol = Number(field('client_protocol_version') ?? 0) || 0;
  for (const [name, value] of fields) {
    if (notSettings.has(name) || name in refused || name.startsWith('param_')) continue;
    settings.set(name, value);
  }
  settings.set('log_comment', `${field('log_comment') ?? ''} ${jobId}`.trim());
  const parameters = fields.filter(([name]) => name.startsWith('param_'));
  const database = field('database') ?? headerOf(request, 'x-clickhouse-database');
  return {
    jobId,
    statement,
    setup: setupOf(database, [...settings, ...parameters]),
    readonly: readonlyOf(request, field('readonly')),
    defaultFormat: field('default_format') ?? headerOf(request, 'x-clickhouse-format'),
    waitsForEnd: isOn(field('wait_end_of_query')),
    progressMs: isOn(field('send_progress_in_http_headers'))
      ? Math.max(10, Number(field('http_headers_progress_interval_ms') ?? 100) || 100)
      : undefined,
    acceptsEncodings: isOn(field('enable_http_compression')) ? headerOf(request, 'accept-encoding') : undefined,
    extremes: isOn(field('extremes')),
    protocol,
  };
}

function statementOf(queries: readonly string[], body: Uint8Array<ArrayBuffer>): Statement {
  try {
    return readStatement(queries.join(''), body);
  } catch (error) {
    if (!(error instanceof StatementError)) throw error;
    throw new DoorError({ code: 62, name: 'SYNTAX_ERROR', sentence: error.message });
  }
}

/** A GET must not change anything, whatever it says; this is how a server sees it too. */
function readonlyOf(request: IncomingMessage, asked: string | undefined): 0 | 1 | 2 {
  if (asked === '1') return 1;
  if (asked === '2') return 2;
  if (asked !== undefined && asked !== '0') {
    throw new DoorError({ code: 36, name: 'BAD_ARGUMENTS', sentence: 'The setting readonly is 0, 1 or 2' });
  }
  return request.method === 'GET' || request.method === 'HEAD' ? 2 : 0;
}

/** Names must be identifiers and values become literals: nothing of a request becomes SQL. */
function setupOf(database: string | undefined, entries: ReadonlyArray<readonly [string, string]>): string[] {
  const assignments = entries.map(([name, value]) => {
    if (!settingName.test(name)) {
      throw new DoorError({ code: 115, name: 'UNKNOWN_SETTING', sentence: `Unknown setting '${name}'` });
    }
    return `${name} = ${literal(value)}`;
  });
  const use = database === undefined || database === '' ? [] : [`USE ${identifier(database)}`];
  const set = `SET ${assignments.join(', ')}`;
  // A long list as a parameter makes the SET longer than the engine reads by default.
  const longer = set.length > longStatement ? ['SET max_query_size = 1073741824'] : [];
  return [...longer, ...use, set];
}

function identifier(name: string): string {
  return `\`${name.replaceAll('\\', '\\\\').replaceAll('`', '\\`').replaceAll('\0', '\\0')}\``;
}

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function isOn(value: string | undefined): boolean {
  return value === '1' || value === 'true';
}

function notImplemented(sentence: string): DoorError {
  return new DoorError({ code: 48, name: 'NOT_IMPLEMENTED', sentence });
}
