import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Database } from '#clickhouse/client.ts';
import { events } from '#clickhouse/tables.ts';
import { insertLines, messageRows } from '../../ingest/rows.ts';
import { seal } from '../../ingest/seal.ts';
import { openSchema, type Schema } from './schema.ts';

/*
 * A call goes through Kong, then API Management, then to a model on Azure Machine Learning, and five logs mention it:
 * Kong's, API Management's two diagnostic logs and its policy event, and Azure ML's traffic log.
 */

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000_000);
console.log(`one-call.test.ts runs with SEED=${seed}`);

let schema: Schema;
let db: Database;

beforeAll(async () => {
  schema = await openSchema();
  db = schema.db;
});
afterAll(async () => schema.close());

const hex = (n: number): string => n.toString(16).padStart(12, '0');
const correlation = (n: number): string => `0f3c6f8a-6f5e-4d5e-9c6a-${hex(n)}`;
const kongId = (n: number): string => `5f3c6f8a6f5e4d5e9c6a${hex(n)}`;
const time = '2026-08-20T09:15:31.446Z';
const resource = '/SUBSCRIPTIONS/S/RESOURCEGROUPS/R/PROVIDERS/MICROSOFT.APIMANAGEMENT/SERVICE/APIM-CONTOSO';

/** What each log writes of call `n`. */
const mentions: Readonly<Record<string, (n: number) => unknown>> = {
  kong: (n) => ({
    request: {
      id: kongId(n),
      method: 'POST',
      uri: '/chat',
      url: 'https://kong.contoso.com/chat',
      size: 700,
      headers: {},
    },
    response: { status: 200, size: 1_900, headers: { 'content-type': 'application/json' } },
    latencies: { request: 2_210, kong: 9, proxy: 2_150, receive: 51 },
    tries: [{ balancer_start: 1_787_217_331_450, ip: '203.0.113.7', port: 443 }],
    consumer: { id: 'c0ffee00-0000-4000-8000-000000000001', username: 'kong-retail' },
    service: { id: 'svc-1', name: 'apim' },
    route: { id: 'route-1', name: 'chat' },
    client_ip: '81.2.69.144',
    started_at: Date.parse(time) - 12,
    upstream_status: '200',
    workspace_name: 'default',
  }),
  gateway: (n) => ({
    category: 'GatewayLogs',
    correlationId: correlation(n),
    time,
    resourceId: resource,
    location: 'West Europe',
    durationMs: 2_180,
    properties: {
      apiId: 'score-api',
      apimSubscriptionId: 'retail-app',
      responseCode: 200,
      backendResponseCode: 200,
      backendTime: 2_120,
      backendUrl: 'https://fraud-ep.westeurope.inference.ml.azure.com/score',
      requestHeaders: { 'X-Kong-Request-Id': kongId(n) },
    },
  }),
  usage: (n) => ({
    category: 'GatewayLlmLogs',
    correlationId: correlation(n),
    time,
    resourceId: resource,
    properties: {
      sequenceNumber: 0,
      deploymentName: 'gpt-4o',
      modelName: 'gpt-4o-2024-11-20',
      requestId: `chatcmpl-${n}`,
      promptTokens: 120,
      completionTokens: 34,
      totalTokens: 154,
      promptCachedTokens: 20,
    },
  }),
  policy: (n) => ({
    schema: 'gatemeter.call.v1',
    time,
    requestId: correlation(n),
    gateway: 'apim-contoso',
    apiId: 'score-api',
    subscriptionId: 'retail-app',
    productId: 'ai-retail',
    requestModel: 'gpt-4o',
    status: 200,
    stream: false,
    elapsedMs: 2_179,
    serviceTier: 'standard',
    // The policy saw the answer of one attempt, without the cached tokens that the gateway's own log has.
    usage: { prompt_tokens: 120, completion_tokens: 34, total_tokens: 154 },
  }),
  backend: (n) => ({
    category: 'AmlOnlineEndpointTrafficLog',
    time,
    resourceId:
      '/SUBSCRIPTIONS/S/RESOURCEGROUPS/R/PROVIDERS/MICROSOFT.MACHINELEARNINGSERVICES/WORKSPACES/MLW/ONLINEENDPOINTS/FRAUD-EP',
    properties: {
      method: 'POST',
      path: '/score',
      endpointName: 'fraud-ep',
      deploymentName: 'blue',
      responseCode: 200,
      modelStatusCode: 200,
      totalDurationMs: 2_110,
      responseDurationMs: 640,
      xMSClientRequestId: correlation(n),
      xRequestId: `aml-${n}`,
    },
  }),
};

function permutations<T>(items: readonly T[]): T[][] {
  let orders: T[][] = [[]];
  for (const item of items) {
    orders = orders.flatMap((order) =>
      Array.from({ length: order.length + 1 }, (_, at) => order.toSpliced(at, 0, item)),
    );
  }
  return orders;
}

/** A small generator of whole numbers, so that a seed gives the same partitions again. */
function random(from: number): (below: number) => number {
  let state = from >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

test('five logs of one call are one call with the best of each, in every order of arrival and split over any partitions', async () => {
  const orders = permutations(Object.keys(mentions));
  expect(orders.length).toBe(120);
  const next = random(seed);
  const ends = new Map<string, number>();
  for (let step = 0; step < 5; step += 1) {
    const from = new Map(ends);
    const batches = new Map<string, ReturnType<typeof messageRows>[]>();
    for (const [n, order] of orders.entries()) {
      const stream = `test/hub/${next(4)}`;
      const sequence_number = (ends.get(stream) ?? -1) + 1;
      ends.set(stream, sequence_number);
      const body = Buffer.from(JSON.stringify(mentions[String(order[step])]?.(n)));
      const enqueued_at_ms = Date.parse(time) + 60_000 + step;
      const rows = messageRows({ stream, sequence_number, enqueued_at_ms, body });
      expect(
        rows.rows.map(({ kind }) => kind),
        rows.rows[0]?.content,
      ).not.toContain('rejected');
      batches.set(stream, [...(batches.get(stream) ?? []), rows]);
    }
    for (const [stream, batch] of batches) await db.insert(events, insertLines(batch, from.get(stream) ?? -1));
    await seal(
      db,
      [...ends].map(([stream, through]) => ({ stream, after: from.get(stream) ?? -1, through })),
    );
  }
  const calls = await db.query<Record<string, unknown>>(
    'SELECT * EXCEPT (version, is_deleted, last_enqueued_at, call_ids, call_id, response_id) FROM calls FINAL',
  );
  expect(calls.length).toBe(120);
  expect(new Set(calls.map((call) => JSON.stringify(call))).size).toBe(1);
  expect(calls[0]).toMatchObject({
    records: 5,
    duplicates: 0,
    sources: ['apim_gateway', 'apim_llm', 'apim_policy', 'azureml_traffic', 'kong'],
    source: 'apim_gateway',
    gateway: 'apim-contoso',
    consumer_id: 'retail-app',
    product_id: 'ai-retail',
    request_model: 'gpt-4o',
    response_model: 'gpt-4o-2024-11-20',
    service_tier: 'standard',
    duration_ms: 2_180,
    backend_ms: 2_120,
    time_to_first_token_ms: 640,
    client_network: '81.2.69.0/24',
    attempts: 1,
    usage_input_tokens: '100',
    usage_cache_read_input_tokens: '20',
    usage_output_tokens: '34',
    usage_total_tokens: '154',
    usage_quality: 'exact',
    usage_disagrees: false,
  });
  const ids = await db.query<{ id: string; n: string }>('SELECT call_id AS id, length(call_ids) AS n FROM calls FINAL');
  expect(ids.map(({ id }) => id).sort()).toEqual(orders.map((_, n) => correlation(n)).sort());
  expect(new Set(ids.map(({ n }) => n))).toEqual(new Set(['2']));
});
