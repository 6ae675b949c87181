import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, startEngine, type TestEngine } from '../support/engine.ts';

// Each trap of the embedded engine is first provoked on the bare engine, then shown to be harmless behind the door.
let engine: TestEngine;
beforeAll(async () => {
  engine = await startEngine();
});
afterAll(() => engine.stop());

async function values(query: string, settings: Record<string, string | number> = {}): Promise<unknown[]> {
  const client = connect(engine);
  const result = await client.query({ query, format: 'JSONCompactEachRow', clickhouse_settings: settings });
  const rows = await result.json<unknown[]>();
  await client.close();
  return rows.map((row) => row[0]);
}

async function command(query: string, settings: Record<string, string | number> = {}): Promise<void> {
  const client = connect(engine);
  await client.command({ query, clickhouse_settings: settings });
  await client.close();
}

test('the bare engine has every trap that the door is there for', async () => {
  const script = fileURLToPath(new URL('../support/engine-traps.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [script]);
  expect(JSON.parse(stdout)).toEqual({
    'a failed query leaves its rows to the next one': true,
    'a deduplication token stays and swallows the next insert': true,
    'data after a blank line is run as SQL': true,
    'stacked statements run': true,
    'readonly stays': true,
    'readonly reads files': true,
    'files are tables': true,
    'a streamed JSON answer is several documents': true,
    'a streamed CSV answer repeats its header': true,
    'planning a stream holds the thread': true,
  });
});

test.each(['JSONEachRow', 'JSON', 'CSV', 'TabSeparated', 'Native', 'Parquet'] as const)(
  'a query that fails after rows in %s leaves none of them to any later query',
  async (format) => {
    const failing = 'SELECT number, throwIf(number = 150000) FROM numbers(200000) SETTINGS max_block_size = 1000';
    const url = `${engine.url}/?query=${encodeURIComponent(`${failing} FORMAT ${format}`)}`;
    const response = await fetch(url, { headers: { 'X-ClickHouse-Key': engine.password } });
    const failed = response.ok ? await response.arrayBuffer().catch(() => 'cut') : 'refused';
    expect(failed).toBeTypeOf('string');
    for (let round = 0; round < 15; round += 1) expect(await values("SELECT 'own'")).toEqual(['own']);
  },
);

test('a setting of one request does not hold for the next', async () => {
  const settings = { max_threads: 1, max_block_size: '1234', session_timezone: 'Asia/Tokyo' };
  expect(await values("SELECT getSetting('max_block_size') || '/' || timezone()", settings)).toEqual([
    '1234/Asia/Tokyo',
  ]);
  for (let round = 0; round < 20; round += 1) {
    const [other] = await values("SELECT toString(getSetting('max_block_size')) || '/' || timezone()");
    expect(other).not.toContain('1234');
    expect(other).not.toContain('Tokyo');
  }
});

test('a deduplication token of one insert does not swallow the next insert, and its own retry is swallowed', async () => {
  await command(
    'CREATE TABLE tokens (a UInt64) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 100',
  );
  const client = connect(engine);
  const insert = (a: number, token?: string): Promise<unknown> =>
    client.insert({
      table: 'tokens',
      values: [[a]],
      format: 'JSONCompactEachRow',
      ...(token === undefined ? {} : { clickhouse_settings: { insert_deduplication_token: token } }),
    });
  await insert(1, 'first');
  await insert(1, 'first');
  for (let a = 2; a < 30; a += 1) await insert(a);
  expect(await values('SELECT toString(count()) FROM tokens')).toEqual(['29']);
  await client.close();
});

test('a readonly request does not make the next request readonly', async () => {
  for (const readonly of [1, 2]) {
    expect(await values('SELECT 1', { readonly })).toEqual([1]);
    await command(`CREATE TABLE readonly_${readonly} (a UInt8) ENGINE = Memory`);
  }
});

test.each([
  'SELECT 1; DROP TABLE victim',
  'SELECT 1;DROP TABLE victim;',
  "SELECT ';'; DROP TABLE victim",
  'SELECT 1 /* ; */ -- ;\n; DROP TABLE victim',
  'SELECT $a$;$a$; DROP TABLE victim',
  'SELECT `a;b` FROM victim; DROP TABLE victim',
  'SELECT 1 FORMAT JSON; DROP TABLE victim',
  'INSERT INTO victim VALUES (1); DROP TABLE victim',
  'INSERT INTO victim SELECT 1; DROP TABLE victim',
  'CREATE TABLE other (a UInt8) ENGINE = Memory; DROP TABLE victim',
  'SET max_threads = 1; DROP TABLE victim',
])('a stacked statement is refused with code 62 and does nothing: %s', async (query) => {
  await command('CREATE TABLE IF NOT EXISTS victim (a UInt8, `a;b` UInt8 DEFAULT 0) ENGINE = MergeTree ORDER BY a');
  await expect(command(query)).rejects.toMatchObject({ code: '62' });
  await expect(values(query)).rejects.toMatchObject({ code: '62' });
  expect(await values('SELECT toString(count()) FROM victim')).toEqual(['0']);
});

test.each(["SELECT ';'", 'SELECT 1;', 'SELECT 1 -- ; DROP TABLE victim', 'SELECT 1 /* ; */ ;; ', 'SELECT $x$;$x$'])(
  'a semicolon that ends nothing or stands in a text is no second statement: %s',
  async (query) => {
    const response = await fetch(`${engine.url}/`, {
      method: 'POST',
      body: query,
      headers: { 'X-ClickHouse-Key': engine.password },
    });
    expect([response.status, await response.text()]).toEqual([200, expect.stringMatching(/^[1;]\n$/)]);
  },
);

test('a value or a name of a setting is never run as SQL', async () => {
  await command('CREATE TABLE IF NOT EXISTS precious (a UInt8) ENGINE = Memory');
  const evil = ["x\\'; DROP TABLE precious; --", "x'; DROP TABLE precious; --", "x\\\\'; DROP TABLE precious"];
  for (const value of evil) {
    expect(
      await values("SELECT getSetting('insert_deduplication_token')", { insert_deduplication_token: value }),
    ).toEqual([value]);
  }
  for (const name of ['a = 1; DROP TABLE precious; SET b', 'max_threads=1,max_block_size', "x'", 'a b', 'öl']) {
    await expect(values('SELECT 1', { [name]: '1' })).rejects.toMatchObject({ code: '115' });
  }
  await expect(values('SELECT 1', { database: 'nope`; DROP TABLE precious' })).rejects.toMatchObject({ code: '81' });
  expect(await values('EXISTS TABLE precious')).toEqual([1]);
});

test('sessions run side by side: slow queries with parameters hold up neither another one nor each other', async () => {
  const client = connect(engine);
  const started = performance.now();
  let finished = 0;
  const slow = Array.from({ length: 6 }, async () => {
    const query = 'SELECT sleep({seconds:Float64})';
    await (await client.query({ query, query_params: { seconds: 3 } })).text();
    finished += 1;
  });
  const quick = await client.query({ query: 'SELECT {a:UInt8}', query_params: { a: 7 }, format: 'CSV' });
  expect([await quick.text(), finished]).toEqual(['7\n', 0]);
  await Promise.all(slow);
  expect(performance.now() - started).toBeLessThan(9_000);
  await client.close();
});

test('a query whose planning takes long does not hold up a ping or another query', async () => {
  const client = connect(engine);
  const slow = values('SELECT (SELECT sleep(2)) + 1');
  let planned = false;
  const ended = slow.then((rows) => {
    planned = true;
    return rows;
  });
  expect(await client.ping()).toEqual({ success: true });
  expect(await values('SELECT 2')).toEqual([2]);
  expect(planned).toBe(false);
  expect(await ended).toEqual([1]);
  await client.close();
});
