import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { readFile } from 'node:fs/promises';
import { expect, onTestFinished, test } from 'vitest';
import { readTrace } from '../../local/trace.ts';
import { trafficMessages } from '../../local/traffic.ts';
import { Stack } from '../support/stack.ts';
import { settled } from '../support/stack-verify.ts';

type Attribute = { key: string; value: { stringValue?: string; intValue?: string | number } };
type Span = { name: string; spanId: string; parentSpanId?: string; attributes: Attribute[] };
type Point = { attributes: Attribute[]; asInt?: string | number; asDouble?: number };
type Metric = { name: string; sum?: { dataPoints: Point[] } };
type Sent = {
  resourceSpans?: { scopeSpans: { spans: Span[] }[] }[];
  resourceMetrics?: { scopeMetrics: { metrics: Metric[] }[] }[];
};

/** A collector that keeps what it is sent. */
async function collector(): Promise<{ url: string; received: Sent[]; texts: string[] }> {
  const received: Sent[] = [];
  const texts: string[] = [];
  const server = createServer();
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const keep = async (): Promise<void> => {
      const body = await text(request);
      texts.push(body);
      received.push(JSON.parse(body) as Sent);
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    };
    void keep();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received, texts };
}

function named(attributes: readonly Attribute[]): Record<string, string> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [key, String(value.stringValue ?? value.intValue ?? '')]),
  );
}

function sum(of: readonly Span[], key: string): number {
  return of.reduce((total, { attributes }) => total + Number(named(attributes)[key]), 0);
}

test("a batch's way is traced without its content, and each named event is counted as often as it is logged", async () => {
  const { url, received, texts } = await collector();
  const stack = await Stack.start();
  onTestFinished(() => stack.close());
  const calls = (await readTrace()).slice(0, 500);
  await stack.send(trafficMessages(calls, { seed: 1, endsAtMs: Date.now(), partitionCount: 4 }));
  const ingest = stack.ingest({ environment: { OTEL_EXPORTER_OTLP_ENDPOINT: url } });
  await settled(stack);
  await ingest.stop();

  const spans = received.flatMap(({ resourceSpans = [] }) =>
    resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)),
  );
  const own = spans.filter(({ name }) => name.startsWith('ingest.'));
  const stores = own.filter(({ name }) => name === 'ingest.store');
  expect(sum(stores, 'messages')).toBe(stack.sentCount);
  const [stored] = await stack.db.query<{ rows: string }>('SELECT count() AS rows FROM events');
  expect(sum(stores, 'rows')).toBe(Number(stored?.rows));
  for (const store of stores) {
    const below = own.filter(({ parentSpanId }) => parentSpanId === store.spanId).map(({ name }) => name);
    expect(below.slice(0, 3)).toEqual(['ingest.decode', 'ingest.insert', 'ingest.verify']);
  }
  expect(own.some(({ name }) => name === 'ingest.seal')).toBe(true);
  const keys = new Set(own.flatMap(({ attributes }) => attributes.map(({ key }) => key)));
  expect([...keys].sort()).toEqual(['messages', 'rows', 'stream', 'streams']);
  expect(texts.some((body) => body.includes('retail-web'))).toBe(false);

  const counted = new Map<string, number>();
  const points = received.flatMap(({ resourceMetrics = [] }) =>
    resourceMetrics.flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics)),
  );
  const last = points.findLast(({ name }) => name === 'gatemeter.ingest.notices');
  for (const { attributes, asInt, asDouble } of last?.sum?.dataPoints ?? []) {
    const event = named(attributes)['event'] ?? '';
    counted.set(event, (counted.get(event) ?? 0) + Number(asInt ?? asDouble));
  }
  const logged = new Map<string, number>();
  for (const [, event = ''] of (await readFile(stack.logFile('first'), 'utf8')).matchAll(/"event":"(\w+)"/g))
    logged.set(event, (logged.get(event) ?? 0) + 1);
  expect(Object.fromEntries(counted)).toEqual(Object.fromEntries(logged));
  expect(logged.get('claimed')).toBe(4);
});
