import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { start } from '../../api/main.ts';
import { createLog } from '#common/log.ts';
import { type Ledger, openLedger } from './ledger.ts';

/** A receiver of OTLP/HTTP on loopback, which keeps what it is sent. */
let receiver: Server;
let endpoint: string;
const received: { path: string; type: string; body: string }[] = [];
let ledger: Ledger;
let key: string;

beforeAll(async () => {
  receiver = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const type = String(request.headers['content-type']);
      received.push({ path: String(request.url), type, body: Buffer.concat(chunks).toString() });
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  receiver.listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  endpoint = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
  ledger = await openLedger();
  key = await ledger.key({ role: 'admin' });
});

afterAll(async () => {
  receiver.close();
  await ledger.close();
});

type Value = { stringValue?: string; intValue?: number };
type SpanSent = {
  name: string;
  kind: number;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  attributes: { key: string; value: Value }[];
};

/** Runs the program until it is closed, with one question to it, and gives what was sent meanwhile. */
async function askWith(otlpEndpoint: string | undefined): Promise<typeof received> {
  received.length = 0;
  const log = createLog('test', 'silent');
  const program = await start({ database: ledger.config, host: '127.0.0.1', port: 0, otlpEndpoint, log });
  const path = '/v1/usage?tenant_id=secret-tenant&from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z';
  const response = await fetch(program.url + path, { headers: { authorization: `Bearer ${key}` } });
  expect(response.status).toBe(200);
  await response.text();
  await program.close();
  return [...received];
}

function valueOf(span: SpanSent, name: string): string | number | undefined {
  const value = span.attributes.find((attribute) => attribute.key === name)?.value;
  return value?.stringValue ?? value?.intValue;
}

test('with an endpoint, a request is a span with a child for each question, and nothing in it names a tenant or a key', async () => {
  const sent = await askWith(`${endpoint}/`);
  expect([...new Set(sent.map(({ path }) => path))].sort()).toEqual(['/v1/metrics', '/v1/traces']);
  const text = sent.map(({ body }) => body).join('\n');
  for (const secret of ['secret-tenant', key, 'tenant_id=']) expect(text).not.toContain(secret);

  const spans = sent
    .filter(({ path }) => path === '/v1/traces')
    .flatMap(
      ({ body }) => (JSON.parse(body) as { resourceSpans: { scopeSpans: { spans: SpanSent[] }[] }[] }).resourceSpans,
    )
    .flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans));
  const [request, ...others] = spans.filter(({ kind }) => kind === 2);
  expect(others).toEqual([]);
  expect(request?.name).toBe('GET /v1/usage');
  expect(request === undefined ? null : valueOf(request, 'http.response.status_code')).toBe(200);
  const questions = spans.filter(({ kind }) => kind === 3);
  expect(questions.map((span) => span.name).sort()).toEqual(
    ['api_key', 'pipeline', 'record_counts', 'spend', 'usage'].map((view) => `SELECT ${view}`),
  );
  for (const span of questions) {
    expect([span.traceId, span.parentSpanId]).toEqual([request?.traceId, request?.spanId]);
    expect(valueOf(span, 'db.system.name')).toBe('clickhouse');
  }
  expect(text).toContain('http.server.request.duration');
  expect(text).toContain('gatemeter.build_info');
});

test('without an endpoint nothing is sent anywhere', async () => {
  expect(await askWith(undefined)).toEqual([]);
});
