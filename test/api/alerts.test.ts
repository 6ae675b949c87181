import { afterAll, beforeAll, expect, test } from 'vitest';
import type { App } from '../../api/route.ts';
import type { Evaluator } from '../../alerts/evaluator.ts';
import { type ReceiverServer, startReceiver } from '../alerts/receiver.ts';
import { advance, deliveryOf, evaluatorOf, find, preparePretended, round } from '../alerts/stage.ts';
import { instant } from '../../alerts/instant.ts';
import type { Message } from '../../alerts/message.ts';
import { type CallRecord, type Ledger, openLedger } from './ledger.ts';

const minute = 60_000;
const begin = Date.parse('2026-10-01T00:00:00Z');
const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
type Data = Record<string, unknown>;

let ledger: Ledger;
let app: App;
let hook: ReceiverServer;
let evaluator: Evaluator;
const keys: Record<string, string> = {};
beforeAll(async () => {
  ledger = await openLedger();
  hook = await startReceiver();
  app = ledger.api(() => new Date());
  await preparePretended(ledger.db);
  for (const role of ['on_call', 'admin', 'finance'] as const) keys[role] = await ledger.key({ role });
  keys['retail'] = await ledger.key({ role: 'viewer', name: 'retail', tenants: ['retail'] });
  const receivers = [{ name: 'hook', channel: 'webhook', url: hook.url, secret }];
  evaluator = evaluatorOf(ledger.db, deliveryOf({ receivers }));
  const labels = { deployment: 'gpt-4o' };
  const evidence = { windows: [5, 15] };
  await find(
    ledger.db,
    { labels: { tenant_id: 'retail', ...labels }, evidence, costPerHour: '1.25', from: begin, to: begin + 9 * minute },
    { labels: { tenant_id: 'travel', ...labels }, severity: 'ticket', from: begin, to: begin + 9 * minute },
  );
  await advance(ledger.db, begin);
  await round(evaluator);
});
afterAll(async () => {
  await hook.close();
  await ledger.close();
});

async function call(
  role: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; json: Data & { data: Data & Data[] } }> {
  const response = await app.request(path, {
    method,
    headers: { authorization: `Bearer ${keys[role]}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, json: (await response.json()) as Data & { data: Data & Data[] } };
}

async function alertOf(tenant: string): Promise<Data> {
  const { json } = await call('on_call', 'GET', `/v1/alerts?tenant_id=${tenant}`);
  return json.data[0] ?? {};
}

function told(): string[] {
  return hook.received.map(({ body }) => {
    const { type, data } = JSON.parse(body) as { type: string; data: { labels: Data } };
    return `${type} ${String(data.labels['tenant_id'])}`;
  });
}

test('an alert says what, how much against what, since when, what it costs and whom it concerns, with money as text', async () => {
  expect(await alertOf('retail')).toMatchObject({
    rule: 'at_once',
    title: 'At once',
    severity: 'page',
    status: 'firing',
    labels: { tenant_id: 'retail', deployment: 'gpt-4o' },
    started_at: '2026-10-01T00:00:00.000Z',
    observed: 90,
    expected: 10,
    cost_per_hour: '1.25',
    affected: ['app-1'],
    evidence: { windows: [5, 15] },
    runbook: 'at_once',
    evaluated_at: '2026-10-01T00:00:00.000Z',
  });
  const csv = await app.request('/v1/alerts?format=csv', { headers: { authorization: `Bearer ${keys['on_call']}` } });
  expect((await csv.text()).split('\n')).toHaveLength(4);
});

test('a viewer sees the alerts of its tenants; those of others do not exist; who may not handle is refused', async () => {
  const { json } = await call('retail', 'GET', '/v1/alerts');
  expect(json.data.map((row) => (row['labels'] as Data)['tenant_id'])).toEqual(['retail']);
  const other = String((await alertOf('travel'))['alert_id']);
  expect((await call('retail', 'GET', `/v1/alerts/${other}`)).status).toBe(404);
  expect((await call('retail', 'POST', `/v1/alerts/${other}/feedback`, { verdict: 'noise' })).status).toBe(404);
  const own = String((await alertOf('retail'))['alert_id']);
  expect((await call('retail', 'POST', `/v1/alerts/${own}/acknowledge`, {})).status).toBe(403);
  expect((await call('finance', 'GET', '/v1/alerts')).status).toBe(403);
  expect((await call('on_call', 'POST', '/v1/alert-routes', { matchers: [], receivers: ['hook'] })).status).toBe(403);
});

test('a route over the API tells a receiver of what fires already; one to a receiver that does not exist is refused', async () => {
  const refused = await call('admin', 'POST', '/v1/alert-routes', {
    matchers: ['severity="page"'],
    receivers: ['nobody'],
  });
  expect([refused.status, refused.json['detail']]).toEqual([
    400,
    'receivers: nobody is not in the file of the evaluator; it has: hook',
  ]);
  const made = await call('admin', 'POST', '/v1/alert-routes', { matchers: ['severity="page"'], receivers: ['hook'] });
  expect(made.status).toBe(200);
  await round(evaluator);
  expect(told()).toEqual(['alert.trigger retail']);
  const listed = await call('on_call', 'GET', '/v1/alert-routes');
  expect(listed.json.data.map((row) => row['receivers'])).toEqual([['hook']]);
  expect(JSON.stringify(listed.json)).not.toContain(hook.url);
});

test('acknowledging tells receivers, is in the history with every delivery, and is refused for what is over', async () => {
  const id = String((await alertOf('retail'))['alert_id']);
  const answer = await call('on_call', 'POST', `/v1/alerts/${id}/acknowledge`, { comment: 'looking' });
  expect(answer.json.data).toEqual({ alert_id: id, acknowledged_by: 'on_call' });
  await round(evaluator);
  expect(told()).toEqual(['alert.trigger retail', 'alert.acknowledge retail']);
  expect((await call('retail', 'POST', `/v1/alerts/${id}/feedback`, { verdict: 'useful' })).status).toBe(200);
  const { json } = await call('on_call', 'GET', `/v1/alerts/${id}`);
  expect(json.data['acknowledged_by']).toBe('on_call');
  expect(json.data['feedback']).toBe('useful');
  const history = json.data['history'] as Data[];
  expect(new Set(history.map((row) => `${String(row['kind'])}: ${String(row['what'])}`))).toEqual(
    new Set([
      'turn: pending, firing',
      'notification: trigger',
      'delivery: trigger delivered',
      'acknowledgement: on_call',
      'turn: acknowledged',
      'notification: acknowledge',
      'delivery: acknowledge delivered',
      'feedback: retail: useful',
    ]),
  );
  await advance(ledger.db, begin + 9 * minute);
  await round(evaluator);
  expect((await call('on_call', 'POST', `/v1/alerts/${id}/acknowledge`, {})).status).toBe(409);
  expect((await call('on_call', 'GET', '/v1/alerts?status=firing')).json.data).toEqual([]);
});

test('a silence is made, listed, heeded and withdrawn; every problem of one is named', async () => {
  const wrong = await call('on_call', 'POST', '/v1/silences', {
    matchers: ['tenant'],
    ends_at: 'tomorrow',
    comment: '',
    colour: 'red',
  });
  expect(wrong.status).toBe(400);
  expect((wrong.json['errors'] as Data[]).map((fault) => String(fault['parameter'])).toSorted()).toEqual([
    'colour',
    'comment',
    'ends_at',
    'matchers.0',
  ]);
  const past = await call('on_call', 'POST', '/v1/silences', {
    matchers: ['a=b'],
    starts_at: '2020-01-01T00:00:00Z',
    ends_at: '2020-01-02T00:00:00Z',
    comment: 'x',
  });
  expect(past.json['detail']).toBe('ends_at: is in the past');
  const ends_at = new Date(Date.now() + 60 * minute).toISOString();
  const made = await call('on_call', 'POST', '/v1/silences', {
    matchers: ['tenant_id="late"'],
    ends_at,
    comment: 'a change',
  });
  const id = String(made.json.data['silence_id']);
  expect(made.json.data).toMatchObject({ author: 'on_call', comment: 'a change', withdrawn: false });
  await find(ledger.db, { labels: { tenant_id: 'late' }, from: begin + 10 * minute, to: begin + 20 * minute });
  await advance(ledger.db, begin + 10 * minute);
  await round(evaluator);
  expect((await alertOf('late'))['silenced_by']).toEqual([id]);
  expect(told()).not.toContain('alert.trigger late');
  expect((await call('on_call', 'DELETE', `/v1/silences/${id}`)).json.data['state']).toBe('withdrawn');
  await round(evaluator);
  expect(told()).toContain('alert.trigger late');
  expect((await call('on_call', 'DELETE', '/v1/silences/none')).status).toBe(404);
});

/** So many calls of a consumer to one deployment from an instant (ms) on, with a status. */
function called(consumer_id: string, calls: number, at: number, status: number): CallRecord[] {
  return Array.from({ length: calls }, (_, index) => ({
    call_id: `gw/${consumer_id}-${at}-${status}-${index}`,
    started_at: at + index * 100,
    consumer_id,
    deployment: 'gpt-4o',
    provider_name: 'azure.ai.openai',
    response_model: 'gpt-4o-2024-11-20',
    http_response_status_code: status,
    // Which explains its own failures always, and is no answer to who it was.
    error_type: status < 500 ? '' : 'timeout',
  }));
}

function priceLine(model: string, at: number): string {
  return `('azure', 'azure.ai.openai', '${model}', 2.5, 1000000, '2026-01-01 00:00:00.000', '${instant(at)}', 'ada', 'list of October')`;
}

test('an alert says who explains it and what was changed before it, as they were when it fired, wherever it is asked', async () => {
  const from = begin + 40 * minute;
  const yesterday = from - 1_440 * minute;
  await ledger.attribute(
    ['app-large', 'app-broken'].map((consumer_id) => ({
      consumer_id,
      tenant_id: 'bank',
      valid_from: 0,
      valid_to: null,
    })),
  );
  const calls = [
    ...called('app-large', 60, from, 200),
    ...called('app-large', 20, from, 500),
    ...called('app-broken', 50, from, 500),
    ...called('app-large', 60, yesterday, 200),
    ...called('app-large', 18, yesterday, 500),
    ...called('app-broken', 50, yesterday, 200),
  ];
  await ledger.store(calls, 'import/calls/0');
  const labels = { tenant_id: 'bank', deployment: 'gpt-4o' };
  await find(ledger.db, { rule: 'error_burst', labels, from: from + 5 * minute, to: from + 30 * minute });
  await ledger.db.command(
    `INSERT INTO attributions (consumer_id, tenant_id, valid_from, known_from, author, reason) VALUES ('app-broken', 'bank', '2026-01-01 00:00:00.000', '${instant(from - 30 * minute)}', 'ada', 'moved')`,
  );
  const prices = ['gpt-4o', 'gpt-5'].map((model) => priceLine(model, from - 20 * minute));
  await ledger.db.command(
    `INSERT INTO prices (price_list, provider_name, model, list_unit_price, pricing_quantity, valid_from, known_from, author, reason) VALUES ${prices.join(', ')}`,
  );
  for (const now of [4, 5, 6, 9]) {
    await advance(ledger.db, from + now * minute);
    await round(evaluator);
  }
  const alert = await alertOf('bank');
  // Of yesterday's 128 calls 18 failed, and as if of 100 more half a one: so many of today's are nobody's doing.
  const usual = 18.5 / 228;
  expect(Object.entries(alert['contributors'] as Record<string, number>)[0]).toEqual([
    'consumer_id app-broken',
    expect.closeTo((50 - usual * 50) / (70 - usual * 130), 6),
  ]);
  // The other model's price concerns another deployment.
  expect(alert['recent_changes']).toEqual([
    expect.stringMatching(/price: gpt-4o by ada \(list of October\)$/),
    expect.stringMatching(/attribution: app-broken to bank by ada \(moved\)$/),
  ]);
  const message = hook.received.map(({ body }) => JSON.parse(body) as { data: Message }).at(-1)?.data;
  expect(message?.contributors[0]).toMatchObject({ what: 'consumer_id app-broken' });
  expect(message?.recent_changes).toEqual(alert['recent_changes']);
});

test('what a receiver did not take is listed, and delivered again when asked for', async () => {
  hook.answer = () => ({ status: 400 });
  await find(ledger.db, { labels: { tenant_id: 'lost' }, from: begin + 50 * minute, to: begin + 70 * minute });
  await advance(ledger.db, begin + 50 * minute);
  await round(evaluator);
  const dead = await call('on_call', 'GET', '/v1/deliveries?outcome=dead');
  expect(dead.json.data).toMatchObject([
    { receiver: 'hook', action: 'trigger', attempts: 1, status_code: 400, detail: 'refused' },
  ]);
  hook.answer = () => ({ status: 200 });
  expect((await call('on_call', 'POST', '/v1/deliveries/replay', {})).json.data).toEqual({ replayed: 1 });
  await round(evaluator);
  expect((await call('on_call', 'GET', '/v1/deliveries?outcome=dead')).json.data).toEqual([]);
  expect((await call('on_call', 'POST', '/v1/deliveries/replay', {})).json.data).toEqual({ replayed: 0 });
  expect(told().filter((one) => one === 'alert.trigger lost')).toHaveLength(2);
});

test('all of it is in the OpenAPI document', async () => {
  const document = (await (await app.request('/openapi.json')).json()) as {
    paths: Record<string, Record<string, unknown>>;
  };
  const found = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  );
  for (const route of [
    'get /v1/alerts',
    'get /v1/alerts/{alert_id}',
    'post /v1/alerts/{alert_id}/acknowledge',
    'post /v1/alerts/{alert_id}/feedback',
    'get /v1/silences',
    'post /v1/silences',
    'delete /v1/silences/{silence_id}',
    'get /v1/alert-routes',
    'post /v1/alert-routes',
    'delete /v1/alert-routes/{route_id}',
    'get /v1/deliveries',
    'post /v1/deliveries/replay',
  ])
    expect(found).toContain(route);
});
