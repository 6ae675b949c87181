import { once } from 'node:events';
import { connect as connectSocket } from 'node:net';
import { text } from 'node:stream/consumers';
import { ClickHouseError } from '@clickhouse/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, startEngine, type TestEngine } from '../support/engine.ts';

let engine: TestEngine;
let client: ReturnType<typeof connect>;
beforeAll(async () => {
  engine = await startEngine();
  client = connect(engine, { use_multipart_params_auto: true });
});
afterAll(async () => {
  await client.close();
  await engine.stop();
});

async function http(
  path: string,
  init: { method?: string; body?: string; headers?: Record<string, string> } = {},
): Promise<Response> {
  return fetch(`${engine.url}${path}`, { ...init, headers: { 'X-ClickHouse-Key': engine.password, ...init.headers } });
}

async function row(query: string, parameters: Record<string, unknown> = {}, settings = {}): Promise<unknown[]> {
  const result = await client.query({
    query,
    query_params: parameters,
    clickhouse_settings: settings,
    format: 'JSONCompactEachRow',
  });
  const [first] = await result.json<unknown[]>();
  return first ?? [];
}

test('the health checks of clients and Grafana are answered as by a server', async () => {
  for (const path of ['/ping', '/', '/replicas_status']) {
    const response = await fetch(`${engine.url}${path}`);
    expect([path, response.status, await response.text()]).toEqual([path, 200, 'Ok.\n']);
  }
  expect(await client.ping()).toEqual({ success: true });
  expect(await client.ping({ select: true })).toEqual({ success: true });
  expect((await http('/play')).status).toBe(404);
});

test('the answer carries the headers that clients read', async () => {
  const response = await http('/?query=SELECT+1+FORMAT+JSON&query_id=my-id');
  expect(response.headers.get('content-type')).toBe('application/json; charset=UTF-8');
  expect(response.headers.get('x-clickhouse-query-id')).toBe('my-id');
  expect(response.headers.get('x-clickhouse-format')).toBe('JSON');
  expect(response.headers.get('x-clickhouse-timezone')).not.toBeNull();
  expect(response.headers.get('x-clickhouse-server-display-name')).not.toBeNull();
  expect(JSON.parse(response.headers.get('x-clickhouse-summary') ?? '')).toMatchObject({ written_rows: '0' });
  expect(await response.json()).toMatchObject({ data: [{ 1: 1 }], rows: 1 });
});

/** The first line of what is answered to a request for exactly this target, which fetch would tidy up before. */
async function statusLine(target: string): Promise<string> {
  const socket = connectSocket(Number(new URL(engine.url).port), '127.0.0.1');
  await once(socket, 'connect');
  socket.end(`GET ${target} HTTP/1.1\r\nHost: door\r\nConnection: close\r\n\r\n`);
  return (await text(socket)).split('\r\n')[0] ?? '';
}

test.each([
  ['//', 404],
  ['//ping', 404],
  ['//[', 404],
  ['/[', 404],
  ['/%zz', 404],
  ['http://[', 200],
  ['*', 200],
  ['http://door/ping', 200],
])('no target of a request, such as %s, ends the process or is taken for another one', async (target, status) => {
  expect(await statusLine(target)).toContain(` ${status} `);
  expect(await statusLine('/ping')).toBe('HTTP/1.1 200 OK');
});

test('the query may stand in the URL, in the body, or half in each', async () => {
  expect(await (await http('/?query=SELECT+41')).text()).toBe('41\n');
  expect(await (await http('/', { method: 'POST', body: 'SELECT 42' })).text()).toBe('42\n');
  expect(await (await http('/?query=SELECT', { method: 'POST', body: '43' })).text()).toBe('43\n');
  expect((await http('/', { method: 'POST', body: '' })).status).toBe(400);
});

test('the format is that of the statement, else the default of the request, else tab separated', async () => {
  expect(await (await http('/?query=SELECT+1,2')).text()).toBe('1\t2\n');
  expect(await (await http('/?query=SELECT+1,2&default_format=CSV')).text()).toBe('1,2\n');
  expect(await (await http('/?query=SELECT+1,2', { headers: { 'X-ClickHouse-Format': 'CSV' } })).text()).toBe('1,2\n');
  expect(await (await http('/?query=SELECT+1,2+FORMAT+TSKV&default_format=CSV')).text()).toBe('1=1\t2=2\n');
  expect(await (await http('/?query=SELECT+1+format+jsoncompacteachrow+SETTINGS+max_threads=1')).text()).toBe('[1]\n');
  expect((await http('/?query=SELECT+1+FORMAT+Nonsense')).status).toBe(404);
});

test('the database of the request is the one that names are looked up in, and one that is not there is code 81', async () => {
  await client.command({ query: 'CREATE DATABASE IF NOT EXISTS `odd ``name\\\\`' });
  await client.command({ query: 'CREATE TABLE `odd ``name\\\\`.here (a UInt8) ENGINE = Memory' });
  expect(await (await http(`/?query=EXISTS+here&database=${encodeURIComponent('odd `name\\')}`)).text()).toBe('1\n');
  expect(await (await http('/?query=EXISTS+here')).text()).toBe('0\n');
  const missing = connect(engine, { database: 'missing' });
  await expect(missing.query({ query: 'SELECT 1' })).rejects.toMatchObject({ code: '81', type: 'UNKNOWN_DATABASE' });
  await missing.close();
});

test.each([
  ['SELECT * FROM missing', 404, '60', 'UNKNOWN_TABLE'],
  ['SELECT FROM WHERE', 400, '62', 'SYNTAX_ERROR'],
  ["SELECT toDate('x')", 400, '38', 'CANNOT_PARSE_DATE'],
  ['SELECT missing()', 404, '46', 'UNKNOWN_FUNCTION'],
  ['SELECT throwIf(1)', 500, '395', 'FUNCTION_THROW_IF_VALUE_IS_NON_ZERO'],
  ['SELECT {a:String}', 500, '456', 'UNKNOWN_QUERY_PARAMETER'],
  ['CREATE TABLE x (a Nonsense) ENGINE = Memory', 404, '50', 'UNKNOWN_TYPE'],
  [
    'SELECT sum(sipHash64(number)) FROM numbers(100000000000) SETTINGS max_execution_time = 0.2',
    408,
    '159',
    'TIMEOUT_EXCEEDED',
  ],
])('a failure before the first byte has the status and the code of a server: %s', async (query, status, code, type) => {
  const response = await http('/', { method: 'POST', body: query });
  expect(response.status).toBe(status);
  expect(response.headers.get('x-clickhouse-exception-code')).toBe(code);
  expect(await response.text()).toMatch(
    new RegExp(
      String.raw`^Code: ${code}\. DB::Exception: .*\(${type}\) \(version [0-9.]+ \(official build\)\)\n$`,
      's',
    ),
  );
  const failed = await client.query({ query }).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(failed).toBeInstanceOf(ClickHouseError);
  expect(failed).toMatchObject({ code });
});

test('nobody gets in without the password, by whichever way it is given', async () => {
  const strange = { query: 'SELECT 1' };
  for (const password of ['', 'wrong', `${engine.password} `]) {
    const other = connect(engine, { password });
    await expect(other.query(strange)).rejects.toMatchObject({ code: '516', type: 'AUTHENTICATION_FAILED' });
    await expect(other.insert({ table: 't', values: [{ a: 1 }], format: 'JSONEachRow' })).rejects.toMatchObject({
      code: '516',
    });
    await other.close();
  }
  const status = async (path: string, headers = {}): Promise<number> =>
    (await fetch(`${engine.url}${path}`, { headers })).status;
  expect(await status('/?query=SELECT+1')).toBe(403);
  expect(await status('/?query=SELECT+1', { Authorization: `Bearer ${engine.password}` })).toBe(403);
  expect(await status('/?query=SELECT+1', { 'X-ClickHouse-User': 'default', 'X-ClickHouse-Key': 'wrong' })).toBe(403);
  expect(
    await status('/?query=SELECT+1', { 'X-ClickHouse-User': 'default', 'X-ClickHouse-Key': engine.password }),
  ).toBe(200);
  expect(await status(`/?query=SELECT+1&user=default&password=${engine.password}`)).toBe(200);
  expect(await status('/?query=SELECT+1&password=wrong')).toBe(403);
});

test('what the engine cannot do is refused with a reason instead of being ignored', async () => {
  for (const [parameter, reason] of [
    ['session_id=abc', 'Sessions do not exist'],
    ['role=admin', 'Roles do not exist'],
    ['compress=1', 'enable_http_compression'],
    ['decompress=1', 'Content-Encoding'],
  ]) {
    const response = await http(`/?query=SELECT+1&${parameter}`);
    expect(response.status).toBe(501);
    expect(await response.text()).toContain(reason);
  }
  expect((await http('/?query=SELECT+1&nonsense=1')).status).toBe(404);
  expect(await (await http('/?query=SELECT+1&max_threads=many')).text()).toContain('Code: ');
});

const awkward = ["'", '\\', "\\'", 'a\tb\nc\rd', 'nul\0nul', '😀 €', '"`$x$', "'); DROP TABLE t; --", '\\N', '\\0', ''];

test.each(awkward)('a parameter arrives as it was sent, alone and in an array: %j', async (text) => {
  expect(await row('SELECT {a:String}, toString(length({a:String}))', { a: text })).toEqual([
    text,
    String(Buffer.byteLength(text)),
  ]);
  expect(await row('SELECT {a:Array(String)}', { a: [text, 'x', text] })).toEqual([[text, 'x', text]]);
  expect(await row('SELECT {a:Map(String, String)}', { a: { key: text } })).toEqual([{ key: text }]);
});

test('typed parameters keep what their type can hold', async () => {
  const at = new Date('2026-01-02T03:04:05.678Z');
  expect(
    await row(
      `SELECT {u:UInt64}, {i:Int256}, {d:Decimal(38, 18)}, {t:DateTime64(3, 'UTC')}, {n:Nullable(String)}, {b:Bool}`,
      {
        u: 18446744073709551615n,
        i: -(2n ** 200n),
        d: '12345678901234567890.123456789012345678',
        t: at,
        n: null,
        b: true,
      },
      { output_format_json_quote_64bit_integers: 1, output_format_json_quote_decimals: 1 },
    ),
  ).toEqual([
    '18446744073709551615',
    String(-(2n ** 200n)),
    '12345678901234567890.123456789012345678',
    '2026-01-02 03:04:05.678',
    null,
    true,
  ]);
  expect(
    await row('SELECT count() FROM {table:Identifier}', { table: 'one' }, {}).catch(
      (error: ClickHouseError) => error.code,
    ),
  ).toBe('60');
});

test('64-bit integers and decimals are quoted exactly when the request says so', async () => {
  const query = "SELECT toUInt64('18446744073709551615') AS u, toDecimal64('1.10', 2) AS d FORMAT JSONEachRow";
  const text = async (quoted: 0 | 1): Promise<string> =>
    (
      await http(`/?output_format_json_quote_64bit_integers=${quoted}&output_format_json_quote_decimals=${quoted}`, {
        method: 'POST',
        body: query,
      })
    ).text();
  expect(await text(1)).toBe('{"u":"18446744073709551615","d":"1.1"}\n');
  expect(await text(0)).toBe('{"u":18446744073709551615,"d":1.1}\n');
});

test('an array of ten thousand values arrives whole in a multipart body', async () => {
  const many = Array.from({ length: 10_000 }, (_, index) => `tenant-${index}-'\\\t€`);
  expect(
    await row(
      'SELECT toString(length({ids:Array(String)})), {ids:Array(String)}[10000], toString(arrayUniq({ids:Array(String)}))',
      {
        ids: many,
      },
    ),
  ).toEqual(['10000', many.at(-1), '10000']);
});
