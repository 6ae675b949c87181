import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, startEngine, type TestEngine } from '../support/engine.ts';

let engine: TestEngine;
let client: ReturnType<typeof connect>;
beforeAll(async () => {
  engine = await startEngine();
  client = connect(engine);
});
afterAll(async () => {
  await client.close();
  await engine.stop();
});

let tables = 0;
/** A new empty table; its name. */
async function table(columns = 'a UInt64, b String', order = 'a'): Promise<string> {
  tables += 1;
  const name = `t${tables}`;
  await client.command({ query: `CREATE TABLE ${name} (${columns}) ENGINE = MergeTree ORDER BY ${order}` });
  return name;
}

async function rows(query: string): Promise<unknown[][]> {
  return (await client.query({ query, format: 'JSONCompactEachRow' })).json<unknown[]>();
}

async function post(
  query: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<[status: number, text: string]> {
  const response = await fetch(`${engine.url}/?query=${encodeURIComponent(query)}`, {
    method: 'POST',
    body,
    headers: { 'X-ClickHouse-Key': engine.password, ...headers },
  });
  return [response.status, await response.text()];
}

test('rows of the client arrive in every form it has, and it learns how many were written', async () => {
  const name = await table();
  const forms = [
    client.insert({ table: name, values: [{ a: 1, b: 'x' }], format: 'JSONEachRow' }),
    client.insert({ table: name, values: [[2, 'y']], format: 'JSONCompactEachRow' }),
    client.insert({
      table: name,
      values: [
        ['b', 'a'],
        ['z', 3],
      ],
      format: 'JSONCompactEachRowWithNames',
    }),
    client.insert({ table: name, values: Readable.from(['4,w\n5,', 'v\n'], { objectMode: false }), format: 'CSV' }),
    client.insert({ table: name, columns: ['a'], values: Readable.from([[6], [7]]), format: 'JSONCompactEachRow' }),
    client.insert({ table: name, columns: { except: ['b'] }, values: [[8]], format: 'JSONCompactEachRow' }),
  ];
  const written = (await Promise.all(forms)).map((result) => result.summary?.written_rows);
  expect(written).toEqual(['1', '1', '1', '2', '2', '1']);
  expect((await rows(`SELECT toUInt8(a), b FROM ${name} ORDER BY a`)).join(' ')).toBe('1,x 2,y 3,z 4,w 5,v 6, 7, 8,');
});

test('an INSERT may have its data in the URL, in the body after the statement, or as VALUES', async () => {
  const name = await table();
  for (const [query, body] of [
    [`INSERT INTO ${name} FORMAT CSV\n1,a`, '2,b'],
    ['', `INSERT INTO ${name} (b, a) FORMAT CSV\r\nc,3\n`],
    [
      '',
      `INSERT /* FORMAT */ INTO ${name} (\`b\`, "a") -- FORMAT\nSETTINGS max_threads = 1 FORMAT TabSeparated\nd\t4\n`,
    ],
    [`INSERT INTO ${name} VALUES`, `(5, 'e'), (2 * 3, concat('f', ''))`],
    ['', `insert into ${name} values (7, 'g;\n\n''"'), (8, '\\n')`],
    [`INSERT INTO ${name} SELECT number + 9, 'h' FROM numbers(2)`, ''],
    [`INSERT INTO ${name} FORMAT JSONEachRow`, ''],
  ] as const) {
    expect(await post(query, body)).toEqual([200, '']);
  }
  expect((await rows(`SELECT toUInt8(a), b FROM ${name} ORDER BY a`)).map(String)).toEqual([
    '1,a',
    '2,b',
    '3,c',
    '4,d',
    '5,e',
    '6,f',
    `7,g;\n\n'"`,
    '8,\n',
    '9,h',
    '10,h',
  ]);
});

test('an INSERT whose rows would be passed over is refused, and one whose format no header can name is stored', async () => {
  const name = await table();
  const [status, text] = await post(
    `INSERT INTO ${name} SELECT a, b FROM input('a UInt64, b String') FORMAT CSV`,
    '1,a\n',
  );
  expect([status, text]).toEqual([400, expect.stringContaining('input() is not there')]);
  const stored = await fetch(`${engine.url}/?default_format=%E2%82%AC%0D%0A`, {
    method: 'POST',
    body: `INSERT INTO ${name} VALUES (2, 'input(')`,
    headers: { 'X-ClickHouse-Key': engine.password },
  });
  expect([stored.status, await stored.text()]).toEqual([200, '']);
  expect(await rows(`SELECT toUInt8(a), b FROM ${name}`)).toEqual([[2, 'input(']]);
});

test('a blank line in the data ends no data, and what follows it is never run as SQL', async () => {
  const [name, victim] = [await table(), await table()];
  const evil = `DROP TABLE ${victim}`;
  expect(await post(`INSERT INTO ${name} FORMAT JSONEachRow`, '{"a":1}\n\n{"a":2}\n\n\n{"a":3}')).toEqual([200, '']);
  expect(await post(`INSERT INTO ${name} FORMAT CSV`, `4,"x\n\n${evil}"\n5,y\n`)).toEqual([200, '']);
  const [status] = await post(`INSERT INTO ${name} FORMAT JSONEachRow`, `{"a":6}\n\n;${evil}`);
  expect(status).toBe(400);
  const [stacked] = await post('', `INSERT INTO ${name} SELECT a, '' FROM input('a UInt8') FORMAT CSV\n1\n\n${evil}`);
  expect(stacked).toBe(400);
  const single = await table('s String', 's');
  expect(await post(`INSERT INTO ${single} FORMAT TabSeparated`, `one\n\n\n${evil}\n`)).toEqual([200, '']);
  expect((await rows(`SELECT s FROM ${single} ORDER BY s`)).map(String)).toEqual(['', '', evil, 'one']);
  expect((await rows(`SELECT toUInt8(a) FROM ${name} ORDER BY a`)).map(String)).toEqual(['1', '2', '3', '4', '5']);
  expect(await rows(`EXISTS ${victim}`)).toEqual([[1]]);
});

test('bytes of the data arrive as they are, wherever the request was cut into packets', async () => {
  const name = await table('a UInt64, b String', 'a');
  const text = '€😀ü'.repeat(50);
  const line = Buffer.from(`1\t${text}\n`);
  async function* drops(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < line.length; at += 1) yield line.subarray(at, at + 1);
  }
  await client.insert({ table: name, values: Readable.from(drops(), { objectMode: false }), format: 'TabSeparated' });
  expect(await rows(`SELECT b FROM ${name}`)).toEqual([[text]]);
  const invalid = Uint8Array.from([0x32, 0x09, 0xff, 0xfe, 0x00, 0x80, 0x0a]);
  expect(await post(`INSERT INTO ${name} FORMAT TabSeparated`, invalid)).toEqual([200, '']);
  expect(await rows(`SELECT hex(b) FROM ${name} WHERE a = 2`)).toEqual([['FFFE0080']]);
});

test.each([
  ['gzip', gzipSync],
  ['deflate', deflateSync],
  ['br', brotliCompressSync],
  ['zstd', zstdCompressSync],
] as const)('a body compressed with %s is the body', async (encoding, compress) => {
  const name = await table();
  const body = new Uint8Array(compress(Buffer.from('1,x\n2,y\n')));
  expect(await post(`INSERT INTO ${name} FORMAT CSV`, body, { 'Content-Encoding': encoding })).toEqual([200, '']);
  expect(await rows(`SELECT toUInt8(count()) FROM ${name}`)).toEqual([[2]]);
  const [broken] = await post(`INSERT INTO ${name} FORMAT CSV`, body.slice(0, -4), { 'Content-Encoding': encoding });
  expect(broken).toBe(400);
  expect(await rows(`SELECT toUInt8(count()) FROM ${name}`)).toEqual([[2]]);
});

test('the client can compress what it sends', async () => {
  const name = await table();
  for (const codec of ['gzip', 'zstd', 'br'] as const) {
    const other = connect(engine, { compression: { request: { codec } } });
    await other.insert({ table: name, values: [[1, codec]], format: 'JSONCompactEachRow' });
    await other.close();
  }
  expect(await rows(`SELECT toUInt8(count()) FROM ${name}`)).toEqual([[3]]);
});

test('an unknown encoding and a body beyond the limit are refused by name', async () => {
  const small = await startEngine({ bodyBytesMax: 1_000 });
  const send = (body: Uint8Array<ArrayBuffer>, encoding: string): Promise<Response> =>
    fetch(`${small.url}/?query=SELECT+1`, {
      method: 'POST',
      body,
      headers: { 'X-ClickHouse-Key': small.password, 'Content-Encoding': encoding },
    });
  expect((await send(new Uint8Array(10), 'lzma')).status).toBe(415);
  const bomb = await send(new Uint8Array(gzipSync(Buffer.alloc(10_000_000))), 'gzip');
  expect([bomb.status, await bomb.text()]).toEqual([413, expect.stringContaining('larger than 1000 bytes')]);
  await small.stop();
});

test('one insert of ten thousand rows and 16 MB is one block, and so is one of few long rows', async () => {
  const name = await table();
  const wide = Array.from({ length: 10_000 }, (_, index) => [index, 'x'.repeat(1_600)]);
  await client.insert({ table: name, values: wide, format: 'JSONCompactEachRow' });
  await client.insert({
    table: name,
    values: wide.slice(0, 100).map(([a]) => ({ a, b: 'y'.repeat(160_000) })),
    format: 'JSONEachRow',
  });
  const parts = await rows(
    `SELECT toUInt32(max_block_number - min_block_number), toUInt32(rows) FROM system.parts
     WHERE table = '${name}' AND level = 0 ORDER BY rows`,
  );
  expect(parts).toEqual([
    [0, 100],
    [0, 10_000],
  ]);
});

test('an insert that fails in its last row leaves nothing, neither rows nor files', async () => {
  const name = await table();
  const values = Array.from({ length: 5_000 }, (_, index) => [index === 4_999 ? 'x' : index, 'y']);
  await expect(client.insert({ table: name, values, format: 'JSONCompactEachRow' })).rejects.toMatchObject({
    code: '27',
  });
  expect(await rows(`SELECT toUInt8(count()) FROM ${name}`)).toEqual([[0]]);
  expect(readdirSync(join(engine.directory, 'door-loads'))).toEqual([]);
});

test('settings of an insert hold for it: unknown fields, defaults, and the token against retries', async () => {
  const name = await table("a UInt64, b String DEFAULT 'd'");
  const insert = (value: object, settings = {}): Promise<unknown> =>
    client.insert({ table: name, values: [value], format: 'JSONEachRow', clickhouse_settings: settings });
  await insert({ a: 1, unknown: 1 }, { input_format_skip_unknown_fields: 1 });
  await expect(insert({ a: 1, unknown: 1 }, { input_format_skip_unknown_fields: 0 })).rejects.toMatchObject({
    code: '117',
  });
  await insert({ a: 2 });
  expect((await rows(`SELECT toUInt8(a), b FROM ${name} ORDER BY a`)).map(String)).toEqual(['1,d', '2,d']);
});

test('rows are refused while the disk has less free space than asked for, and reading and dropping go on', async () => {
  const full = await startEngine({ minimumFreeBytes: Number.MAX_SAFE_INTEGER, directory: undefined as never });
  const other = connect(full);
  await expect(other.insert({ table: 't', values: [[1]], format: 'JSONCompactEachRow' })).rejects.toMatchObject({
    code: '243',
    type: 'NOT_ENOUGH_SPACE',
  });
  await expect(other.command({ query: 'INSERT INTO t VALUES (1)' })).rejects.toMatchObject({ code: '243' });
  expect(await (await other.query({ query: 'SELECT 1', format: 'CSV' })).text()).toBe('1\n');
  await other.command({ query: 'DROP TABLE IF EXISTS t' });
  await other.close();
  await full.stop();
});

test('parts are synced before an insert is answered', async () => {
  const settings = await rows(
    "SELECT name, value FROM system.merge_tree_settings WHERE name IN ('fsync_after_insert', 'fsync_part_directory')",
  );
  expect(settings.map(String).sort()).toEqual(['fsync_after_insert,1', 'fsync_part_directory,1']);
});

test('definitions and maintenance work as statements', async () => {
  for (const query of [
    'CREATE DATABASE IF NOT EXISTS ledger ENGINE = Atomic',
    'CREATE TABLE ledger.calls (a UInt64, d Decimal(38, 18)) ENGINE = MergeTree ORDER BY a',
    'CREATE VIEW ledger.of AS SELECT * FROM ledger.calls WHERE a = {a:UInt64}',
    'CREATE MATERIALIZED VIEW ledger.sums ENGINE = SummingMergeTree ORDER BY a AS SELECT a, sum(d) AS d FROM ledger.calls GROUP BY a',
    'INSERT INTO ledger.calls VALUES (1, 0.000000000000000001), (1, 2)',
    'ALTER TABLE ledger.calls ADD COLUMN e UInt8',
    'ALTER TABLE ledger.calls UPDATE e = 1 WHERE 1 SETTINGS mutations_sync = 1',
    'OPTIMIZE TABLE ledger.calls FINAL',
    'SYSTEM RELOAD DICTIONARIES',
  ]) {
    await client.command({ query });
  }
  expect(await rows('SELECT toString(d), e FROM ledger.of(a = 1) ORDER BY d')).toEqual([
    ['0.000000000000000001', 1],
    ['2', 1],
  ]);
  expect(await rows('SELECT toString(d) FROM ledger.sums')).toEqual([['2.000000000000000001']]);
  for (const query of [
    'SHOW TABLES FROM ledger',
    'DESCRIBE ledger.calls',
    'EXPLAIN SELECT 1',
    'SHOW CREATE TABLE ledger.calls',
  ]) {
    expect((await rows(query)).length).toBeGreaterThan(0);
  }
});

test('the database that every connection needs cannot be dropped by mistake', async () => {
  for (const query of ['DROP DATABASE default', 'drop database if exists `default`', 'DETACH DATABASE default']) {
    await expect(client.command({ query })).rejects.toMatchObject({ code: '48' });
  }
  expect(await rows('SELECT 1')).toEqual([[1]]);
});
