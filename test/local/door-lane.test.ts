import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, startEngine, type TestEngine } from '../support/engine.ts';

const mib = 1024 * 1024;
let engine: TestEngine;
beforeAll(async () => {
  engine = await startEngine({ places: 4, memoryBytes: 1_000 * mib });
});
afterAll(() => engine.stop());

async function text(target: TestEngine, query: string): Promise<string> {
  const client = connect(target);
  const answer = await (await client.query({ query, format: 'CSV' })).text();
  await client.close();
  return answer.trim();
}

test('slow reads do not keep rows from getting in, and reads that wait get their turn', async () => {
  const client = connect(engine, { max_open_connections: 30 });
  await client.command({ query: 'CREATE TABLE rows (a UInt64) ENGINE = MergeTree ORDER BY a' });
  let finished = 0;
  const reads = Array.from({ length: 8 }, async () => {
    await (await client.query({ query: 'SELECT sleep(1)' })).text();
    finished += 1;
  });
  for (let a = 0; a < 20; a += 1) {
    await client.insert({ table: 'rows', values: [[a]], format: 'JSONCompactEachRow' });
  }
  expect(finished).toBeLessThan(8);
  await Promise.all(reads);
  expect(await text(engine, 'SELECT count() FROM rows')).toBe('20');
  await client.close();
});

test('a query that needs more memory than it may have fails alone', async () => {
  await expect(
    text(engine, 'SELECT count() FROM (SELECT number, count() FROM numbers(100000000) GROUP BY number)'),
  ).rejects.toMatchObject({ code: '241', type: 'MEMORY_LIMIT_EXCEEDED' });
  expect(await text(engine, 'SELECT 1')).toBe('1');
});

test('a clean stop lets requests end that run already', async () => {
  const other = await startEngine();
  const running = text(other, 'SELECT sleep(1), 7').then((answer) => answer.split(',')[1]);
  const client = connect(other);
  while ((await text(other, "SELECT count() FROM system.processes WHERE query LIKE '%sleep(1), 7%'")) !== '2');
  await client.close();
  const stopped = other.stop();
  expect(await running).toBe('7');
  await stopped;
});

test('what was answered survives kill -9, in the database default and in others, with tables and without', async () => {
  let round = await startEngine();
  const { directory } = round;
  for (let kills = 0; kills < 3; kills += 1) {
    const client = connect(round);
    await client.command({ query: 'CREATE DATABASE IF NOT EXISTS other' });
    if (kills > 0)
      await client.command({ query: 'CREATE TABLE IF NOT EXISTS kept (a UInt8) ENGINE = MergeTree ORDER BY a' });
    await client.command({ query: 'CREATE TABLE IF NOT EXISTS other.kept (a UInt8) ENGINE = MergeTree ORDER BY a' });
    await client.insert({ table: 'other.kept', values: [[kills]], format: 'JSONCompactEachRow' });
    if (kills > 0) await client.insert({ table: 'kept', values: [[kills]], format: 'JSONCompactEachRow' });
    await client.close();
    await round.kill();
    round = await startEngine({ directory });
  }
  expect(await text(round, 'SELECT (SELECT count() FROM kept), (SELECT count() FROM other.kept)')).toBe('2,3');
  expect(await text(round, "SELECT engine FROM system.databases WHERE name = 'default'")).toBe('"Atomic"');
  await round.kill();
  const last = await startEngine({ directory });
  await last.stop();
});

test('a second process on the same directory is refused in words that say what to do', async () => {
  const script = fileURLToPath(new URL('../support/door-child.ts', import.meta.url));
  const second = spawn(process.execPath, [script, JSON.stringify({ dataDirectory: engine.directory, port: 0 })]);
  let errors = '';
  second.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const [code] = (await once(second, 'exit')) as [number];
  expect(code).not.toBe(0);
  expect(errors).toContain(`cannot open ${engine.directory}. Remedy: end the other process`);
  expect(await text(engine, 'SELECT 1')).toBe('1');
});

test('hundreds of requests at once are all answered', async () => {
  const client = connect(engine, { max_open_connections: 200 });
  const answers = await Promise.all(
    Array.from({ length: 400 }, async (_, index) =>
      (await client.query({ query: 'SELECT {n:UInt32}', query_params: { n: index }, format: 'CSV' })).text(),
    ),
  );
  expect(answers.map(Number)).toEqual(Array.from({ length: 400 }, (_, index) => index));
  await client.close();
});
