import { readFileSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib';
import { ClickHouseError } from '@clickhouse/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, startEngine, type TestEngine } from '../support/engine.ts';

let engine: TestEngine;
beforeAll(async () => {
  engine = await startEngine();
});
afterAll(() => engine.stop());

const lateFailure = 'SELECT number, throwIf(number = 300000) FROM numbers(400000) SETTINGS max_block_size = 10000';

/** The raw answer, without a client that helps. */
async function raw(query: string, parameters = '', headers: Record<string, string> = {}): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      `${engine.url}/?${parameters}`,
      { method: 'POST', headers: { 'X-ClickHouse-Key': engine.password, ...headers } },
      resolve,
    );
    outgoing.on('error', reject);
    outgoing.end(query);
  });
}

/** The most memory that the engine's process ever had, in bytes. */
function peakMemory(): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${engine.pid}/status`, 'utf8'))?.[1]) * 1024;
}

async function running(mark: string): Promise<number> {
  const client = connect(engine);
  const result = await client.query({
    query:
      'SELECT toUInt32(count()) FROM system.processes WHERE query LIKE {mark:String} AND query NOT LIKE {own:String}',
    query_params: { mark: `%${mark}%`, own: '%system.processes%' },
    format: 'JSONCompactEachRow',
  });
  const [row] = await result.json<[number]>();
  await client.close();
  return row?.[0] ?? 0;
}

test('a failure after the first byte reaches the client as the error that it is', async () => {
  const client = connect(engine);
  for (const compression of [{}, { compression: { response: true } }]) {
    const other = connect(engine, compression);
    const result = await other.query({ query: lateFailure, format: 'JSONEachRow' });
    const failed = await result.json().then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failed).toBeInstanceOf(ClickHouseError);
    expect(failed).toMatchObject({ code: '395', type: 'FUNCTION_THROW_IF_VALUE_IS_NON_ZERO' });
    await other.close();
  }
  await client.close();
});

test.each(['', 'gzip', 'zstd', 'br', 'deflate'])(
  'an answer that failed half-way never looks complete, not even to a reader that knows no mark (%s)',
  async (encoding) => {
    const answer = await raw(`${lateFailure} FORMAT CSV`, 'enable_http_compression=1', { 'Accept-Encoding': encoding });
    expect(answer.statusCode).toBe(200);
    await expect(buffer(answer)).rejects.toThrow(/aborted/);
    expect(answer.complete).toBe(false);
  },
);

test('with wait_end_of_query the status tells the truth about the whole query', async () => {
  const answer = await raw(`${lateFailure} FORMAT CSV`, 'wait_end_of_query=1');
  expect(answer.statusCode).toBe(500);
  expect((await buffer(answer)).toString()).toContain('Code: 395');
  const good = await raw('SELECT number FROM numbers(200000) FORMAT CSV', 'wait_end_of_query=1');
  expect(good.statusCode).toBe(200);
  expect((await buffer(good)).toString().split('\n').length).toBe(200_001);
});

test.each([
  ['gzip', gunzipSync],
  ['deflate', inflateSync],
  ['br', brotliDecompressSync],
  ['zstd', zstdDecompressSync],
] as const)(
  'an answer is compressed with %s when the request allows it, and only then',
  async (encoding, decompress) => {
    const query = 'SELECT number FROM numbers(100000) FORMAT CSV';
    const plain = await buffer(await raw(query));
    const unasked = await raw(query, '', { 'Accept-Encoding': encoding });
    expect(unasked.headers['content-encoding']).toBeUndefined();
    expect((await buffer(unasked)).equals(plain)).toBe(true);
    const small = await raw(query, 'enable_http_compression=1', { 'Accept-Encoding': encoding });
    expect(small.headers['content-encoding']).toBe(encoding);
    expect(decompress(await buffer(small)).equals(plain)).toBe(true);
  },
);

test.each([
  ['CSVWithNames', 1],
  ['CSVWithNamesAndTypes', 2],
  ['TabSeparatedWithNamesAndTypes', 2],
  ['JSONCompactEachRowWithNamesAndTypes', 2],
  ['JSONEachRow', 0],
  ['JSONCompactEachRow', 0],
] as const)('%s has its header once, however many chunks the answer has', async (format, headers) => {
  const answer = await raw(
    `SELECT number AS "odd\n""name" , toString(number) AS s FROM numbers(300000) FORMAT ${format}`,
  );
  const text = (await buffer(answer)).toString();
  const inNames = format.startsWith('CSV') ? 1 : 0;
  expect(text.trimEnd().split('\n').length).toBe(300_000 + headers + inNames);
});

test.each([
  'RowBinaryWithNamesAndTypes',
  'RowBinaryWithNames',
  'RowBinary',
  'Native',
  'Parquet',
  'JSON',
  'ArrowStream',
])('%s of many chunks can be read back by the engine itself', async (format) => {
  const body = await buffer(
    await raw(`SELECT number AS a, toString(number) AS b FROM numbers(300000) FORMAT ${format}`),
  );
  const table = `copy_${format.toLowerCase()}`;
  await buffer(await raw(`CREATE TABLE ${table} (a UInt64, b String) ENGINE = MergeTree ORDER BY a`));
  const client = connect(engine);
  const response = await fetch(`${engine.url}/?query=${encodeURIComponent(`INSERT INTO ${table} FORMAT ${format}`)}`, {
    method: 'POST',
    body,
    headers: { 'X-ClickHouse-Key': engine.password },
  });
  expect([response.status, await response.text()]).toEqual([200, '']);
  const sums = await client.query({
    query: `SELECT toString(sum(a)), toString(sum(length(b))) FROM ${table}`,
    format: 'CSV',
  });
  expect(await sums.text()).toBe('"44999850000","1688890"\n');
  await client.close();
});

test('a character of several bytes survives wherever a chunk ends', async () => {
  const answer = await raw("SELECT repeat('€😀ü', 1 + number % 7) AS s FROM numbers(300000) FORMAT TabSeparated");
  const text = new TextDecoder('utf-8', { fatal: true }).decode(await buffer(answer));
  expect(text.replaceAll(/€😀ü|\n/g, '')).toBe('');
});

test.skipIf(process.platform !== 'linux')(
  'a large answer to a slow reader does not grow the memory of the engine',
  async () => {
    await buffer(await raw('SELECT number FROM numbers(1000000) FORMAT CSV'));
    const before = peakMemory();
    const answer = await raw("SELECT number, repeat('x', 100) FROM numbers(5000000) FORMAT CSV");
    let size = 0;
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      size += chunk.length;
      // Giving the loop away makes this reader slower than the engine, so that chunks would pile up.
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(size).toBeGreaterThan(500_000_000);
    expect(peakMemory() - before).toBeLessThan(250_000_000);
  },
);

test.each([
  ['while it streams', "SELECT number, 'mark1' FROM numbers(100000000000) FORMAT CSV", 'mark1', true],
  ['before its first row', "SELECT sum(sipHash64(number)), 'mark2' FROM numbers(1000000000000)", 'mark2', false],
  [
    'while it is planned',
    "SELECT (SELECT sum(sipHash64(number)) FROM numbers(1000000000000)), 'mark3'",
    'mark3',
    false,
  ],
])('a query whose reader leaves %s stops', async (_when, query, mark, waitForHead) => {
  const outgoing = httpRequest(`${engine.url}/`, { method: 'POST', headers: { 'X-ClickHouse-Key': engine.password } });
  outgoing.on('error', () => undefined);
  const head = new Promise<IncomingMessage>((resolve) => outgoing.on('response', resolve));
  outgoing.end(query);
  if (waitForHead) (await head).once('data', () => undefined);
  while ((await running(mark)) === 0);
  outgoing.destroy();
  const deadline = performance.now() + 10_000;
  while ((await running(mark)) > 0 && performance.now() < deadline);
  expect(await running(mark)).toBe(0);
});

test('the head tells progress while a long query runs, and the client still reads the answer', async () => {
  const client = connect(engine, { max_response_headers_size: 1_000_000 });
  const settings = { send_progress_in_http_headers: 1, http_headers_progress_interval_ms: '20' } as const;
  const query =
    'SELECT toString(count()) AS n FROM (SELECT sleepEachRow(0.05) AS s FROM numbers(20)) WHERE s = 0 SETTINGS max_block_size = 1';
  const result = await client.query({ query, format: 'JSONEachRow', clickhouse_settings: settings });
  const told = String(result.response_headers['x-clickhouse-progress']);
  expect(told.split('}, {').length).toBeGreaterThan(5);
  expect(told).toMatch(/"read_rows":"[1-9]/);
  expect(await result.json()).toEqual([{ n: '20' }]);
  const failing = `${query}, max_execution_time = 0.3`;
  await expect(client.query({ query: failing, clickhouse_settings: settings })).rejects.toMatchObject({ code: '159' });
  const late = await client.query({
    query: `SELECT sleep(0.2), * FROM (${lateFailure})`,
    format: 'JSONEachRow',
    clickhouse_settings: settings,
  });
  await expect(late.json()).rejects.toThrow();
  await client.close();
});
