import { existsSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, startEngine, type TestEngine } from '../support/engine.ts';

let engine: TestEngine;
beforeAll(async () => {
  engine = await startEngine();
  const client = connect(engine);
  await client.command({ query: 'CREATE TABLE kept (a UInt8) ENGINE = MergeTree ORDER BY a' });
  await client.command({ query: 'INSERT INTO kept VALUES (1)' });
  await client.close();
});
afterAll(() => engine.stop());

type Attempt = { status: number; code: string | null; text: string };
async function attempt(query: string, readonly: string, method = 'POST'): Promise<Attempt> {
  const inUrl = method === 'GET' ? `&query=${encodeURIComponent(query)}` : '';
  const response = await fetch(`${engine.url}/?readonly=${readonly}${inUrl}`, {
    method,
    headers: { 'X-ClickHouse-Key': engine.password },
    ...(method === 'GET' ? {} : { body: query }),
  });
  return {
    status: response.status,
    code: response.headers.get('x-clickhouse-exception-code'),
    text: await response.text(),
  };
}

async function post(parameters: string, query: string): Promise<string> {
  const headers = { 'X-ClickHouse-Key': engine.password };
  return (await fetch(`${engine.url}/?${parameters}`, { method: 'POST', body: query, headers })).text();
}

const file = import.meta.filename;
const writing = [
  'INSERT INTO kept VALUES (2)',
  'INSERT INTO kept FORMAT CSV\n2\n',
  'INSERT INTO kept SELECT 2',
  `INSERT INTO FUNCTION file('${file}.out') SELECT 1`,
  'CREATE TABLE other (a UInt8) ENGINE = Memory',
  'CREATE TEMPORARY TABLE other (a UInt8)',
  'DROP TABLE kept',
  'TRUNCATE TABLE kept',
  'ALTER TABLE kept DELETE WHERE 1',
  'OPTIMIZE TABLE kept',
  'RENAME TABLE kept TO lost',
  'DETACH DATABASE default',
  'SYSTEM STOP MERGES',
  'KILL QUERY WHERE 1',
  'SET readonly = 0',
  "BACKUP TABLE kept TO Disk('x')",
  'CREATE FUNCTION f AS x -> x',
];
const readingOutside = [
  `SELECT * FROM file('${file}', 'LineAsString')`,
  `SELECT * FROM FILE('${file}', 'LineAsString')`,
  `SELECT * FROM \`file\`('${file}', 'LineAsString')`,
  `SELECT file('${file}')`,
  `SELECT count() FROM kept WHERE a IN (SELECT length(file('${file}')))`,
  `WITH f AS (SELECT * FROM file('${file}', 'LineAsString')) SELECT * FROM f`,
  `SELECT * FROM (SELECT 1 UNION ALL SELECT 2) AS t, file('${file}', 'LineAsString') FORMAT Null`,
  `DESCRIBE file('${file}', 'LineAsString')`,
  `EXPLAIN SELECT * FROM file('${file}', 'LineAsString')`,
  `SELECT * FROM view(SELECT * FROM file('${file}', 'LineAsString'))`,
  "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
  "SELECT * FROM s3('http://127.0.0.1:1/b', 'CSV')",
  "SELECT * FROM remote('127.0.0.1:1', system.one)",
  "SELECT * FROM remoteSecure('127.0.0.1:1', system.one)",
  "SELECT * FROM mysql('127.0.0.1:1', 'd', 't', 'u', 'p')",
  "SELECT * FROM executable('x.sh', 'TSV', 'a String')",
  "SELECT * FROM sqlite('/tmp/x.db', 't')",
  "EXPLAIN TABLE OVERRIDE mysql('127.0.0.1:1', 'd', 't', 'u', 'p') COLUMNS (a UInt8)",
  `SELECT 1 INTO OUTFILE '${file}.out'`,
];

test.each(writing.flatMap((query) => ['1', '2'].map((level) => [level, query] as const)))(
  'readonly=%s forbids: %s',
  async (level, query) => {
    const { status, code } = await attempt(query, level);
    expect([status >= 400, code]).toEqual([true, expect.stringMatching(/^(164|497|62)$/)]);
    expect((await attempt('SELECT count() FROM kept', level)).text).toBe('1\n');
  },
);

test.each(readingOutside.flatMap((query) => ['1', '2'].map((level) => [level, query] as const)))(
  'readonly=%s reads nothing outside the database: %s',
  async (level, query) => {
    const { status, code, text } = await attempt(query, level);
    expect([status >= 400, code]).toEqual([true, expect.stringMatching(/^(164|497|62)$/)]);
    expect(text).not.toContain('vitest');
    expect(existsSync(`${file}.out`)).toBe(false);
  },
);

test('no file is a table, neither for readonly requests nor for others', async () => {
  for (const readonly of ['0', '1', '2']) {
    for (const name of [`\`${file}\``, `default.\`${file}\``, '`package.json`', 'default.`package.json`']) {
      expect((await attempt(`SELECT * FROM ${name}`, readonly)).code).toBe('60');
      expect((await attempt(`SELECT 1 IN ${name}`, readonly)).code).toMatch(/^(60|47)$/);
    }
    expect((await attempt(`SELECT * FROM merge('default', '.*package.*')`, readonly)).status).toBeGreaterThan(399);
  }
});

test.each(['1', '2'])(
  'readonly=%s still reads: tables, safe table functions, and names like those of unsafe ones',
  async (level) => {
    for (const [query, text] of [
      ['SELECT a FROM kept', '1\n'],
      ['SELECT sum(number) FROM numbers(10)', '45\n'],
      ["SELECT format('{}-{}', 'a', 'b')", 'a-b\n'],
      ['SELECT a AS url FROM kept AS file', '1\n'],
      ["SELECT * FROM values('s String', 'x')", 'x\n'],
      ['SELECT * FROM view(SELECT a FROM kept)', '1\n'],
      ['EXISTS kept', '1\n'],
      ['SHOW TABLES', 'kept\n'],
    ] as const) {
      expect([query, (await attempt(query, level)).text]).toEqual([query, text]);
    }
    expect((await attempt('SELEC 1 FROM', level)).code).toBe('62');
  },
);

test('a GET never writes, whatever it asks for', async () => {
  for (const readonly of ['0', '1', '2']) {
    expect((await attempt('INSERT INTO kept VALUES (3)', readonly, 'GET')).status).toBeGreaterThan(399);
  }
  expect((await attempt('SELECT count() FROM kept', '0', 'GET')).text).toBe('1\n');
});

test('settings go with readonly as on a server: those of the request hold, a query may change them at level 2 only', async () => {
  const value = "SELECT getSetting('max_block_size')";
  expect(await post('readonly=1&max_block_size=77', value)).toBe('77\n');
  expect(await post('readonly=2', `${value} SETTINGS max_block_size = 78`)).toBe('78\n');
  expect(await post('readonly=1', `${value} SETTINGS max_block_size = 79`)).toContain('(READONLY)');
  expect(await post('readonly=2', `${value} SETTINGS readonly = 0`)).toContain('(READONLY)');
  expect(await post('readonly=3', value)).toContain('Code: 36');
});
