import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import { createLog } from '#common/log.ts';
import { createKey, start } from '../../api/main.ts';
import { migrate } from '../../migrations/main.ts';
import { openDatabase } from '#clickhouse/client.ts';
import { connect, startEngine, type TestEngine } from '../support/engine.ts';
import { untilTrue } from '../support/stack-until.ts';

/** Far below the half minute after which the door cuts what does not end by itself. */
const soonMs = 5_000;
const big = "SELECT number, repeat('x', 400) AS text FROM numbers(150000)";

async function stopsSoon(engine: TestEngine): Promise<void> {
  const begun = performance.now();
  await engine.stop();
  expect(performance.now() - begun).toBeLessThan(soonMs);
}

async function raw(engine: TestEngine, headers: Record<string, string>): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      `${engine.url}/?enable_http_compression=1`,
      { method: 'POST', headers: { 'X-ClickHouse-Key': engine.password, ...headers } },
      resolve,
    );
    outgoing.on('error', reject);
    outgoing.end(`${big} FORMAT CSV`);
  });
}

test.each([
  ['as it is', {}],
  ['compressed', { 'Accept-Encoding': 'zstd' }],
])('a client that drops an answer midway, %s, does not keep the door from closing', async (_, headers) => {
  const engine = await startEngine();
  const answer = await raw(engine, headers);
  await once(answer, 'data');
  answer.destroy();
  await stopsSoon(engine);
});

test('nor does one that drops the stream of the official client', async () => {
  const engine = await startEngine();
  const client = connect(engine);
  const { stream } = await client.exec({ query: `${big} FORMAT CSV` });
  await once(stream, 'data');
  stream.destroy();
  await stopsSoon(engine);
  await client.close();
});

test.each(['csv', 'parquet'])(
  'nor does one that drops a %s of 150,000 calls from the API, which goes on',
  async (format) => {
    const engine = await startEngine();
    const log = createLog('test', 'silent');
    const database = { url: engine.url, database: 'gatemeter', user: 'default', password: engine.password };
    await migrate({ database, enginePrefix: '', log });
    const db = openDatabase(database, 'test');
    const key = await createKey(db, { name: 'test', role: 'admin', tenants: [], expiresAt: null });
    await db.command(
      "INSERT INTO calls (call_id, version, started_at, consumer_id, user_id) SELECT 'gw/' || toString(number), 1, toDateTime64('2026-01-01 00:00:00', 3, 'UTC') + number / 1000, 'bulk', toString(generateUUIDv4()) || repeat('x', 400) FROM numbers(150000)",
    );
    await db.close();
    const program = await start({ database, host: '127.0.0.1', port: 0, log });
    const headers = { authorization: `Bearer ${key}` };
    const path = `/v1/calls?from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z&format=${format}`;
    const response = await fetch(program.url + path, { headers });
    expect(response.status).toBe(200);
    const body = response.body?.getReader();
    expect((await body?.read())?.done).toBe(false);
    await body?.cancel();
    expect((await fetch(`${program.url}/v1/pipeline`, { headers })).status).toBe(200);
    await stopsSoon(engine);
    await program.close();
  },
);

test('nor does one that goes while its query runs and threads beside it have nothing to do', async () => {
  const engine = await startEngine();
  const client = connect(engine);
  const rows = async (sql: string, signal?: AbortSignal): Promise<unknown[]> =>
    (await client.query({ query: sql, format: 'JSONEachRow', ...(signal && { abort_signal: signal }) })).json();
  await Promise.all(Array.from({ length: 4 }, async () => rows('SELECT sleep(0.1)')));
  const leaving = new AbortController();
  const slow = rows('SELECT sleepEachRow(0.2) FROM numbers(600) SETTINGS max_block_size = 1', leaving.signal);
  await untilTrue('the query runs', async () => {
    const running = await rows("SELECT 1 FROM system.processes WHERE query LIKE '%numbers(600)%'");
    return running.length > 1;
  });
  leaving.abort();
  await expect(slow).rejects.toThrow();
  await stopsSoon(engine);
  await client.close();
});
