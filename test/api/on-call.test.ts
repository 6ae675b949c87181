import { afterAll, beforeAll, expect, test } from 'vitest';
import { recentChanges } from '#clickhouse/alerts.ts';
import type { App } from '../../api/route.ts';
import { storeAlerts } from '../alerts/line.ts';
import { at, type Ledger, openLedger } from './ledger.ts';

/* What on-call asks and says by hand: in pages, with words and bodies that may be wrong. */

const minute = 60_000;
const begin = Date.now() - 60 * minute;
type Fault = { parameter: string };
type Told = { data: unknown[]; meta: { next_cursor: string | null }; detail?: string; errors?: Fault[] };

let ledger: Ledger;
let app: App;
let key: string;
beforeAll(async () => {
  ledger = await openLedger();
  await storeAlerts(ledger.db, begin);
  key = await ledger.key({ role: 'on_call' });
  app = ledger.api(() => new Date());
}, 120_000);
afterAll(async () => ledger.close());

async function get(path: string): Promise<{ status: number; json: Told }> {
  const response = await app.request(path, { headers: { authorization: `Bearer ${key}` } });
  return { status: response.status, json: (await response.json()) as Told };
}

test('pages of one alert each are together the whole list, and what is left out of a page is said', async () => {
  const whole = (await get('/v1/alerts')).json;
  expect(whole.meta.next_cursor).toBeNull();
  expect(whole.data).toHaveLength(2);
  const paged: unknown[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const { json } = await get(`/v1/alerts?limit=1${cursor === '' ? '' : `&cursor=${cursor}`}`);
    expect(json.data).toHaveLength(1);
    paged.push(...json.data);
    cursor = json.meta.next_cursor;
  }
  expect(paged).toEqual(whole.data);
  const csv = await app.request('/v1/alerts?limit=1&format=csv', { headers: { authorization: `Bearer ${key}` } });
  expect((await csv.text()).split('\n')).toHaveLength(3);
});

test('a word that is none is refused, because no alert of it is not no alert', async () => {
  for (const [path, field] of [
    ['/v1/alerts?status=fired', 'status'],
    ['/v1/alerts?severity=page&severity=critical', 'severity'],
    ['/v1/cold-starts?class=cold', 'class'],
  ] as const) {
    const { status, json } = await get(path);
    expect([status, json.errors?.[0]?.parameter]).toEqual([400, field]);
    expect(String(json.detail)).toContain('must be one of');
  }
});

test('a body that is no JSON, or is not said to be, is refused with the remedy and never taken for an empty one', async () => {
  const headers = { authorization: `Bearer ${key}` };
  const json = { ...headers, 'content-type': 'application/json' };
  const form = { ...headers, 'content-type': 'application/x-www-form-urlencoded' };
  for (const [given, body] of [
    [json, '{"ends_at":'],
    [json, ''],
    [form, '{"receiver":"hook"}'],
    [headers, '{"receiver":"hook"}'],
  ] as const) {
    for (const path of ['/v1/silences', '/v1/deliveries/replay']) {
      const answer = await app.request(path, { method: 'POST', headers: given, body });
      expect([answer.status, answer.headers.get('content-type')]).toEqual([400, 'application/problem+json']);
      expect(await answer.json()).toMatchObject({ errors: [{ parameter: 'body' }] });
    }
  }
});

test('an instant that the ledger cannot hold is refused', async () => {
  const later = { matchers: ['a="b"'], starts_at: '2400-01-01T00:00:00Z', ends_at: '2400-01-02T00:00:00Z' };
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const sent = JSON.stringify({ ...later, comment: 'x' });
  const answer = await app.request('/v1/silences', { method: 'POST', headers, body: sent });
  const { errors } = (await answer.json()) as Told;
  expect([answer.status, errors?.map(({ parameter }) => parameter)]).toEqual([400, ['starts_at', 'ends_at']]);
});

test('what changed is found for a series that is named by its model, because its log has no deployment', async () => {
  const model = 'claude-haiku-9';
  const call = { provider_name: 'anthropic', response_model: model, consumer_id: 'c' };
  await ledger.store([{ call_id: 'gw/1', started_at: begin, ...call }]);
  const price = `('list', 'anthropic', '${model}', 2.5, 1000000, '2026-01-01 00:00:00.000', '${at(begin - minute)}', 'ada', 'new list')`;
  await ledger.db.command(
    `INSERT INTO prices (price_list, provider_name, model, list_unit_price, pricing_quantity, valid_from, known_from, author, reason) VALUES ${price}`,
  );
  const window = { from: at(begin - 60 * minute), to: at(begin + minute) };
  const rows = await ledger.db.read(recentChanges, { ...window, tenant_id: 'bank', deployment: model });
  expect(rows.map(({ kind, what, reason }) => [kind, what, reason])).toEqual([['price', model, 'new list']]);
});

type Schema = { type?: string | string[]; properties?: Record<string, Schema>; items?: Schema };

test('an answer has the types that its own document says: flags, evidence, and what may be null', async () => {
  const { paths } = (await (await app.request('/openapi.json')).json()) as {
    paths: Record<string, { get: { responses: { 200: { content: { 'application/json': { schema: Schema } } } } } }>;
  };
  const typeOf = (path: string, name: string): unknown =>
    paths[path]?.get.responses[200].content['application/json'].schema.properties?.['data']?.items?.properties?.[name]
      ?.type;
  for (const path of ['/v1/alerts', '/v1/anomalies', '/v1/cold-starts'])
    expect(typeOf(path, 'evidence')).toBe('object');
  expect(typeOf('/v1/spend', 'contracted_cost')).toEqual(['string', 'null']);
  const [alert] = (await get('/v1/alerts')).json.data as Record<string, unknown>[];
  for (const flag of ['no_data', 'flapping', 'demoted'])
    expect([typeOf('/v1/alerts', flag), typeof alert?.[flag]]).toEqual(['boolean', 'boolean']);
  expect(typeof alert?.['evidence']).toBe('object');
});

test('a path that is there says which methods it takes, and one that is not says so', async () => {
  const headers = { authorization: `Bearer ${key}` };
  for (const [method, path, status, allow] of [
    ['POST', '/v1/usage', 405, 'GET, HEAD'],
    ['OPTIONS', '/v1/silences', 405, 'GET, HEAD, POST'],
    ['GET', '/v1/alerts/0011223344556677-a/acknowledge', 405, 'POST'],
    ['GET', '/v1/silences/none', 405, 'DELETE'],
    ['POST', '/v1/nothing', 404, null],
  ] as const) {
    const answer = await app.request(path, { method, headers });
    expect([method, path, answer.status, answer.headers.get('allow')]).toEqual([method, path, status, allow]);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
  }
});
