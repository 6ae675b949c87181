import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Database } from '#clickhouse/client.ts';
import { backfill } from '../../ingest/backfill.ts';
import { Journal } from '../../ingest/journal.ts';
import { ingestMetrics } from '../../ingest/metrics.ts';
import { startLogs, type LogRow, type LogsServer } from './log-analytics.ts';
import { openSchema, silent, type Schema } from './schema.ts';

const workspace = '0f3c6f8a-6f5e-4d5e-9c6a-00000000a001';
const resource = '/subscriptions/s/resourcegroups/r/providers/microsoft.apimanagement/service/apim-contoso';
const start = Date.UTC(2026, 9, 1);
const hour = 3_600_000;
const now = start + 30 * 24 * hour;

let schema: Schema;
let db: Database;
let logs: LogsServer;
let journal: Journal;

beforeAll(async () => {
  schema = await openSchema();
  db = schema.db;
  logs = await startLogs(workspace);
});
afterAll(async () => {
  await logs.close();
  await schema.close();
});
beforeEach(async () => {
  for (const name of ['events', 'calls', 'stream_states', 'backfills', 'links'])
    await db.command(`TRUNCATE TABLE ${name}`);
  Object.assign(logs, { rowsMax: 500_000 });
  logs.rows.clear();
  logs.asked.length = 0;
  logs.failures.length = 0;
  journal = new Journal('backfill', { db, log: silent, metrics: ingestMetrics(), owner: 'test', rows: {} });
  return async () => journal.close();
});

const id = (n: number): string => `0f3c6f8a-6f5e-4d5e-9c6a-${String(n).padStart(12, '0')}`;

function gatewayRow(n: number, atMs: number): LogRow {
  return {
    TimeGenerated: new Date(atMs).toISOString(),
    CorrelationId: id(n),
    _ResourceId: resource,
    Region: 'West Europe',
    ApiId: 'openai',
    ApimSubscriptionId: 'retail-app',
    ResponseCode: 200,
    TotalTime: 900,
    BackendTime: 850,
  };
}

function usageRow(n: number, atMs: number): LogRow {
  return {
    TimeGenerated: new Date(atMs).toISOString(),
    CorrelationId: id(n),
    _ResourceId: resource,
    SequenceNumber: 0,
    DeploymentName: 'gpt-4o',
    ModelName: 'gpt-4o-2024-11-20',
    RequestId: `chatcmpl-${n}`,
    PromptTokens: 100,
    CompletionTokens: 7,
    TotalTokens: 107,
  };
}

/** `count` calls, spread evenly over the hours. */
function fill(count: number, hours: number): void {
  const at = Array.from({ length: count }, (_, n) => start + Math.floor((n * hours * hour) / count));
  logs.rows.set(
    'ApiManagementGatewayLogs',
    at.map((ms, n) => gatewayRow(n, ms)),
  );
  logs.rows.set(
    'ApiManagementGatewayLlmLog',
    at.map((ms, n) => usageRow(n, ms)),
  );
}

async function run(toHours: number, at: number = now): Promise<number> {
  const window = { fromMs: start, toMs: start + toHours * hour };
  const stored = await backfill({
    db,
    journal,
    logAnalytics: logs.client,
    workspace,
    ...window,
    now: () => at,
    onProgress: () => {},
  });
  await journal.idle();
  return stored;
}

async function totals(): Promise<unknown> {
  const [row] = await db.query(
    'SELECT count() AS calls, sum(usage_input_tokens) AS input, sum(usage_output_tokens) AS output FROM calls FINAL',
  );
  return row;
}

test('both logs of every call in the window become one call each', async () => {
  fill(300, 5);
  expect(await run(4)).toBe(480);
  expect(await totals()).toEqual({ calls: '240', input: '24000', output: '1680' });
});

test('an answer that is not whole is asked for again in halves, until nothing is missing', async () => {
  fill(500, 1);
  logs.rowsMax = 60;
  expect(await run(1)).toBe(1_000);
  expect(await totals()).toMatchObject({ calls: '500' });
  expect(logs.asked.length).toBeGreaterThan(20);
});

test('more rows in one second than an answer holds end the run with the window named, and mark nothing as done', async () => {
  const rows = Array.from({ length: 9 }, (_, n) => gatewayRow(n, start));
  logs.rows.set('ApiManagementGatewayLogs', rows);
  logs.rowsMax = 8;
  await expect(run(1)).rejects.toThrow('ApiManagementGatewayLogs has more rows between 2026-10-01T00:00:00.000Z');
  expect(await db.query('SELECT count() AS n FROM backfills')).toEqual([{ n: '0' }]);
});

test('a second run goes on where the first ended, and reads again what may still grow', async () => {
  fill(120, 6);
  // The last two hours are not settled yet.
  await run(6, start + 6 * hour);
  const first = logs.asked.length;
  await run(6, start + 6 * hour);
  const again = logs.asked.slice(first);
  expect(again.map(({ from }) => from)).toEqual([4, 5, 4, 5].map((n) => start + n * hour));
  expect(await totals()).toEqual({ calls: '120', input: '12000', output: '840' });
});

test('a busy or failing service is asked again; a refusal ends the run at once', async () => {
  fill(10, 1);
  logs.failures.push(429, 503, 500);
  expect(await run(1)).toBe(20);
  logs.failures.push(403, 403, 403, 403);
  await expect(run(2)).rejects.toThrow();
  expect(logs.failures.length).toBe(3);
});

test('what the hub delivered is never overwritten; what it did not is filled in', async () => {
  fill(2, 1);
  const hub = new Journal('intake', { db, log: silent, metrics: ingestMetrics(), owner: 'test', rows: {} });
  const record = {
    category: 'GatewayLogs',
    correlationId: id(0),
    time: new Date(start).toISOString(),
    resourceId: resource.toUpperCase(),
    durationMs: 111,
    properties: { apiId: 'from-the-hub', responseCode: 201 },
  };
  await hub.append({ body: Buffer.from(JSON.stringify({ records: [record] })) });
  await run(1);
  await hub.idle();
  await hub.close();
  const calls = await db.query(
    'SELECT api_id, duration_ms, backend_ms, consumer_id, http_response_status_code AS status, usage_input_tokens AS input FROM calls FINAL ORDER BY call_id',
  );
  expect(calls).toEqual([
    { api_id: 'from-the-hub', duration_ms: 111, backend_ms: 850, consumer_id: 'retail-app', status: 201, input: '100' },
    { api_id: 'openai', duration_ms: 900, backend_ms: 850, consumer_id: 'retail-app', status: 200, input: '100' },
  ]);
});
