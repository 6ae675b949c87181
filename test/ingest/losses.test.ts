import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Database } from '#clickhouse/client.ts';
import { losses } from '#clickhouse/pipeline.ts';
import { gaps } from '#clickhouse/tables.ts';
import { Journal } from '../../ingest/journal.ts';
import { ingestMetrics } from '../../ingest/metrics.ts';
import { wireInstant } from '../../ingest/reader.ts';
import { showOrphans } from '../../ingest/seal.ts';
import { openSchema, silent, type Schema } from './schema.ts';

let schema: Schema;
let db: Database;
let journal: Journal;

beforeAll(async () => {
  schema = await openSchema();
  db = schema.db;
});
afterAll(async () => schema.close());
beforeEach(async () => {
  for (const name of ['events', 'calls', 'gaps', 'stream_states']) await db.command(`TRUNCATE TABLE ${name}`);
  journal = new Journal('intake', { db, log: silent, metrics: ingestMetrics(), owner: 'test', rows: {} });
  return async () => journal.close();
});

const now = Date.now();
const id = (n: number): string => `0f3c6f8a-6f5e-4d5e-9c6a-${String(n).padStart(12, '0')}`;
const resourceId = '/SUBSCRIPTIONS/S/RESOURCEGROUPS/R/PROVIDERS/MICROSOFT.APIMANAGEMENT/SERVICE/APIM-CONTOSO';
const common = (n: number): object => ({
  correlationId: id(n),
  time: new Date(now - 60_000).toISOString(),
  resourceId,
});

function gateway(
  n: number,
  more: object = {},
  url = 'https://x.openai.azure.com/openai/deployments/g/chat/completions',
): object {
  return {
    category: 'GatewayLogs',
    ...common(n),
    durationMs: 9,
    ...more,
    properties: { responseCode: 200, backendUrl: url },
  };
}

function llm(n: number, sequenceNumber: number, properties: object): object {
  return { category: 'GatewayLlmLogs', ...common(n), properties: { sequenceNumber, ...properties } };
}

function traffic(n: number): object {
  const properties = { endpointName: 'e', xMSClientRequestId: id(n), responseCode: 200, totalDurationMs: 5 };
  return { category: 'AmlOnlineEndpointTrafficLog', ...common(n), properties };
}

const counts = {
  modelName: 'gpt-4o',
  deploymentName: 'g',
  requestId: 'r',
  promptTokens: 5,
  completionTokens: 2,
  totalTokens: 7,
};
const chunk = { responseMessages: '[' };

/** What is lost of the hour around now, after these records have come. */
async function lost(...records: object[]): Promise<Record<string, string>> {
  if (records.length > 0) await journal.append({ body: Buffer.from(JSON.stringify({ records })) });
  await journal.idle();
  const rows = await db.read(losses, { from: wireInstant(now - 3_600_000), to: wireInstant(now + 3_600_000 / 2) });
  return Object.fromEntries(rows.map((row) => [`${row.loss} ${row.source}`, row.affected]));
}

test('traffic of which nothing is missing has no loss', async () => {
  expect(await lost(gateway(1), llm(1, 0, counts), llm(1, 1, chunk), llm(1, 2, chunk))).toEqual({});
});

test('a call of a model that succeeded and whose tokens no log says is counted; one of another kind is not', async () => {
  expect(await lost(gateway(1), gateway(2), llm(2, 0, counts), gateway(3, {}, 'https://x.example/other'))).toEqual({
    'gateway_without_usage apim_gateway': '1',
  });
});

test('tokens without a caller are counted apart from what back ends log of calls that no gateway had', async () => {
  await lost(llm(1, 0, counts), traffic(2), traffic(3), gateway(4), llm(4, 0, counts), traffic(4));
  await showOrphans(db, wireInstant(now - 3_600_000), wireInstant(now + 3_600_000));
  expect(await lost()).toEqual({
    'usage_without_gateway apim_llm': '1',
    'record_without_gateway azureml_traffic': '2',
  });
});

test('parts of messages that are missing are counted, and calls of which only such parts came', async () => {
  const complete = [gateway(1), llm(1, 0, counts), llm(1, 1, chunk), llm(1, 4, chunk)];
  expect(await lost(...complete, gateway(2), llm(2, 1, chunk))).toEqual({
    'missing_chunks apim_llm': '2',
    'chunks_without_usage apim_llm': '1',
    'gateway_without_usage apim_gateway': '1',
  });
});

test('a record that its gateway cut is counted, understood or not', async () => {
  const cut = `{"category":"GatewayLogs","properties":{"a":"${'x'.repeat(210_000)}`;
  await journal.append({ body: Buffer.from(cut) });
  const all = await lost(gateway(1, { truncated: 1 }), llm(1, 0, counts));
  expect(all).toEqual({ 'truncated apim_gateway': '2' });
});

test('messages that the hub dropped are counted by stream', async () => {
  await db.insert(gaps, JSON.stringify(['ns/hub/3', 10, 14, 'retention']));
  expect(await lost()).toEqual({ 'lost_in_hub ns/hub/3': '5' });
});

test('a source that was heard of and is no more is named, once an hour has passed', async () => {
  await lost(gateway(1), llm(1, 0, counts));
  const later = { from: wireInstant(now), to: wireInstant(now + 2 * 3_600_000) };
  const rows = await db.read(losses, later);
  expect(rows.map((row) => `${row.loss} ${row.source}`).sort()).toEqual(['silent apim_gateway', 'silent apim_llm']);
});
