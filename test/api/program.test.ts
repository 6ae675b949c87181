import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { books } from '../../api/book.ts';
import { createKey, parseKeyOptions } from '../../api/keys.ts';
import { start } from '../../api/main.ts';
import { openDatabase, type DatabaseConfig } from '#clickhouse/client.ts';
import { createLog } from '#common/log.ts';
import { startMigratedEngine } from '../support/schema-directory.ts';

type Program = Awaited<ReturnType<typeof start>>;

const log = createLog('test', 'silent');
let database: DatabaseConfig;
let stopEngine: () => Promise<void>;
let program: Program;
let key: string;

beforeAll(async () => {
  ({ config: database, stop: stopEngine } = await startMigratedEngine());
  const db = openDatabase(database, 'test');
  key = await createKey(db, { name: 'test', role: 'admin', tenants: [], expiresAt: null });
  await db.command(
    "INSERT INTO calls (call_id, version, started_at, consumer_id, user_id) SELECT 'gw/' || toString(number), 1, toDateTime64('2026-01-01 00:00:00', 3, 'UTC') + number / 1000, 'bulk', repeat('x', 400) FROM numbers(150000)",
  );
  await db.close();
  program = await start({ database, host: '127.0.0.1', port: 0, log });
});

afterAll(async () => {
  await program.close();
  await stopEngine();
});

async function get(path: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(program.url + path, { headers });
}

type Operation = {
  operationId: string;
  security?: unknown[];
  parameters?: { name: string; in: string; schema: object }[];
  responses: Record<string, { description: string }>;
};
type Document = { openapi: string; paths: Record<string, Record<string, Operation>> };

describe('the program', () => {
  test('does not start on a database that differs from its declarations: its types would lie', async () => {
    const empty = { ...database, database: 'nothing_here' };
    const bootstrap = openDatabase({ ...database, database: 'default' }, 'test');
    await bootstrap.command('CREATE DATABASE nothing_here');
    await bootstrap.close();
    const config = { database: empty, host: '127.0.0.1', port: 0, log };
    await expect(start(config)).rejects.toThrow(/differs[\s\S]*table calls does not exist; run the migrations/);
  });

  test('does not start on a port that is taken, and says so', async () => {
    const port = Number(new URL(program.url).port);
    await expect(start({ database, host: '127.0.0.1', port, log })).rejects.toThrow(/cannot listen/);
  });

  test('is live and ready without a key, and its numbers count requests by the route and not by the path', async () => {
    expect((await get('/healthz')).status).toBe(200);
    expect(await (await get('/readyz')).json()).toEqual({ status: 'ready' });
    await (
      await get('/v1/calls/gw%2Fsecret-id?as_known_at=2026-01-01T00:00:00Z', { authorization: `Bearer ${key}` })
    ).text();
    await (await get('/no/such/path')).text();
    const text = await (await get('/metrics')).text();
    expect(text).toContain(
      'http_server_request_duration_count{http_request_method="GET",http_route="/v1/calls/:call_id",http_response_status_code="404"',
    );
    expect(text).toContain('http_route="none",http_response_status_code="404"');
    expect(text).toMatch(/gatemeter_build_info\{version="\d/);
    expect(text).toContain('nodejs_eventloop_delay_p99{');
    expect(text).toContain('process_memory_usage{');
    expect(text).not.toContain('secret-id');
  });
});

describe('what the program says of itself', () => {
  test('the OpenAPI document is 3.1, names every route once, and every reference in it resolves', async () => {
    const document = (await (await get('/openapi.json')).json()) as Document;
    expect(document.openapi).toMatch(/^3\.1\./);
    const routes = [
      'usage spend spend/rerated commitments/allocated budgets/status latency errors calls calls/{call_id} pipeline',
      'rejected rejected/replay intake/{source} anomalies anomalies/{anomaly_id}/feedback',
      'cold-starts cold-starts/{cold_start_id}/feedback alert-routes alert-routes/{route_id} deliveries',
      'deliveries/replay silences silences/{silence_id} alerts alerts/{alert_id} alerts/{alert_id}/acknowledge',
      'alerts/{alert_id}/feedback chargeback/{month} chargeback/{month}/close chargeback/{month}/corrections',
      'chargeback/{month}/reconciliation detection-calendar detection-calendar/{period_id} detector-parameters',
    ].flatMap((line) => line.split(' '));
    const v1 = [...routes, ...books.map((book) => book.name)].map((route) => `/v1/${route}`);
    expect(Object.keys(document.paths).sort()).toEqual([...v1, '/healthz', '/readyz', '/metrics'].sort());
    const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.values(methods).map((operation) => ({ path, operation })),
    );
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { path, operation } of operations) {
      expect(Object.keys(operation.responses).filter((status) => /^20[0124]$/.test(status))).toHaveLength(1);
      if (path.startsWith('/v1/')) expect(operation.security).toEqual([{ key: [] }]);
      for (const parameter of operation.parameters ?? []) expect(parameter.schema).toBeTypeOf('object');
    }
    const usage = document.paths['/v1/usage']?.['get']?.parameters ?? [];
    const schema = (name: string): unknown => usage.find((p) => p.name === name)?.schema;
    expect(schema('tenant_id')).toMatchObject({ type: 'array', items: { type: 'string' } });
    expect(schema('limit')).toMatchObject({ type: 'integer', maximum: 100_000 });
    expect(schema('from')).toMatchObject({ type: 'string', format: 'date-time' });
    for (const [, ref] of JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)) {
      const found = String(ref)
        .split('/')
        .reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], document);
      expect(found).toBeDefined();
    }
  });

  test('the pages load nothing from elsewhere, and run no script that is not theirs', async () => {
    for (const path of ['/', '/docs']) {
      const response = await get(path);
      const html = await response.text();
      const policy = response.headers.get('content-security-policy') ?? '';
      expect(policy).toContain("default-src 'none'");
      expect(policy).not.toMatch(/script-src[^;]*unsafe/);
      expect(html).not.toMatch(/(src|href)="(https?:)?\/\//);
      const linked = [...html.matchAll(/(?:src|href)="([^"#]+)"/g)].map((found) => String(found[1]));
      for (const link of linked) expect([link, (await get(link)).status]).toEqual([link, 200]);
    }
  });

  test('every question that the first page shows is answered', async () => {
    const html = await (await get('/')).text();
    const questions = [...html.matchAll(/data-path="([^"]+)"/g)].map((found) => String(found[1]));
    expect(questions.length).toBeGreaterThanOrEqual(7);
    for (const question of questions) {
      const path = question
        .replaceAll('&amp;', '&')
        .replace('{month}', '2026-01-01T00:00:00Z')
        .replace('{next_month}', '2026-02-01T00:00:00Z')
        .replace('{call_id}', 'gw%2F7');
      const response = await get(path, { authorization: `Bearer ${key}` });
      const text = await response.text();
      // The calls of this test have no records, so a single one is not found; its route is.
      expect([question, response.status]).toEqual([question, question.includes('{call_id}') ? 404 : 200]);
      expect(text).not.toContain('there is nothing at this path');
    }
  });

  test('every answer forbids caching and sniffing, and JSON may run nothing', async () => {
    for (const path of ['/healthz', '/v1/usage', '/nothing']) {
      const { headers } = await get(path, { 'x-request-id': 'forged' });
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('content-security-policy')).toContain("default-src 'none'");
      expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    }
  });
});

describe('a key on the command line', () => {
  test('a viewer without tenants, tenants on a role that sees all, and * are refused', () => {
    for (const line of [
      '--name n --role viewer',
      '--name n --role admin --tenants a',
      '--name n --role viewer --tenants *',
    ]) {
      expect(() => parseKeyOptions(line.split(' '))).toThrow(/usage: node api\/main.ts key/);
    }
    for (const line of [
      '--role admin',
      '--name n --role root',
      '--name n --role admin --expires tomorrow',
      '--nmae n',
    ]) {
      expect(() => parseKeyOptions(line.split(' '))).toThrow(/usage/);
    }
  });

  test('what is asked for is what is stored', () => {
    const wanted = parseKeyOptions('--name n --role viewer --tenants a,b --expires 2027-01-01T00:00:00Z'.split(' '));
    expect(wanted).toEqual({
      name: 'n',
      role: 'viewer',
      tenants: ['a', 'b'],
      expiresAt: new Date('2027-01-01T00:00:00Z'),
    });
  });
});

// Last, because the engine does not come back.
describe('when the database dies', () => {
  test('an export that has begun breaks: its client can never take it for whole', async () => {
    const path = '/v1/calls?from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z&format=csv';
    const response = await get(path, { authorization: `Bearer ${key}` });
    expect(response.status).toBe(200);
    const body = response.body?.getReader();
    await body?.read();
    await stopEngine();
    const rest = async (): Promise<void> => {
      while ((await body?.read())?.done === false);
    };
    await expect(rest()).rejects.toThrow();
  });

  test('a question is a 503 with Retry-After, never an empty list, and the program is live but not ready', async () => {
    const response = await get('/v1/usage', { authorization: `Bearer ${key}` });
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '5']);
    expect(await response.json()).toMatchObject({ type: 'urn:gatemeter:problem:unavailable' });
    expect((await get('/healthz')).status).toBe(200);
  });
});
