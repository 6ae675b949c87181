import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { acknowledgements, deliveryReplays, silences } from '#clickhouse/alert_tables.ts';
import { alerts } from '#clickhouse/alerts.ts';
import type { Message } from '../../alerts/message.ts';
import { openSchema, type Schema } from '../ingest/schema.ts';
import { type ReceiverServer, startReceiver } from './receiver.ts';
import { advance, deliveryOf, evaluatorOf, find, preparePretended, round } from './stage.ts';

const minute = 60_000;
const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
let schema: Schema;
let pager: ReceiverServer;
let mail: ReceiverServer;
/** Each test has two hours of its own. */
let begin = Date.parse('2026-10-01T00:00:00Z');

beforeAll(async () => {
  schema = await openSchema();
  await preparePretended(schema.db);
});
afterAll(async () => schema.close());
beforeEach(async () => {
  begin += 120 * minute;
  pager = await startReceiver();
  mail = await startReceiver();
});
afterEach(async () => {
  await pager.close();
  await mail.close();
});

function delivery(more: Record<string, unknown> = {}): ReturnType<typeof deliveryOf> {
  return deliveryOf({
    receivers: [
      { name: 'pager', channel: 'webhook', url: pager.url, secret, fallback: 'mail' },
      { name: 'mail', channel: 'webhook', url: mail.url, secret },
    ],
    routes: [{ match: ['severity="page"'], receivers: ['pager'] }],
    ...more,
  });
}

/** What came of one tenant's alert: tests share a database, and one's alert may end in another's time. */
function told(server: ReceiverServer, tenant: string): string[] {
  return server.received.flatMap(({ body }) => {
    const { type, data } = JSON.parse(body) as { type: string; data: Message };
    return data.labels['tenant_id'] === tenant ? [`${type} ${tenant}`] : [];
  });
}

async function listed(tenant: string): Promise<{ alert_id: string; status: string; acknowledged_by: string }[]> {
  const all = {
    from: '2026-01-01 00:00:00.000',
    to: '2100-01-01 00:00:00.000',
    visible_tenants: ['*'],
    alert_id: [],
    rule: [],
    severity: [],
    status: [],
    deployment: [],
  };
  return schema.db.read(
    alerts,
    { ...all, tenant_id: [tenant] },
    { columns: ['alert_id', 'status', 'acknowledged_by'] },
  );
}

test('an alert is told when it fires and when it is over, once each, across restarts, with what on-call needs to know', async () => {
  const { db } = schema;
  const evidence = { window_minutes: '15' };
  await find(db, {
    labels: { tenant_id: 'retail', deployment: 'gpt-4o' },
    costPerHour: '42.5',
    evidence,
    from: begin + minute,
    to: begin + 3 * minute,
  });
  await advance(db, begin);
  await round(evaluatorOf(db, delivery()));
  expect(told(pager, 'retail')).toEqual([]);
  for (const now of [1, 2, 3, 4]) {
    await advance(db, begin + now * minute);
    // Each minute is evaluated by a process that knows only what is stored.
    await round(evaluatorOf(db, delivery()));
  }
  expect(told(pager, 'retail')).toEqual(['alert.trigger retail', 'alert.resolve retail']);
  const message = (JSON.parse(pager.received[0]?.body ?? '') as { data: Message }).data;
  expect(message.summary).toBe(
    `At once: retail / gpt-4o: 90 calls, 9 times the usual 10, since ${new Date(begin + minute).toISOString()}, 42.50 USD per hour`,
  );
  expect(message).toMatchObject({
    severity: 'page',
    ratio: 9,
    cost_per_hour: '42.5',
    affected: ['app-1'],
    evidence: { window_minutes: '15' },
    runbook_url: 'https://gatemeter.example/runbook#at_once',
  });
  expect(message.links.grafana).toContain('var-tenant=retail');
  expect((await listed('retail')).map((row) => row.status)).toEqual(['resolved']);
});

test('missing data holds an alert: it is over when that is known', async () => {
  const { db } = schema;
  const labels = { tenant_id: 'holding' };
  await find(
    db,
    { labels, from: begin, to: begin + minute },
    { labels, state: 'no_data', from: begin + minute, to: begin + 6 * minute },
  );
  for (let now = 0; now < 6; now++) {
    await advance(db, begin + now * minute);
    await round(evaluatorOf(db, delivery()));
  }
  expect(told(pager, 'holding')).toEqual(['alert.trigger holding']);
  expect((await listed('holding')).map((row) => row.status)).toEqual(['firing']);
  await advance(db, begin + 6 * minute);
  await round(evaluatorOf(db, delivery()));
  expect(told(pager, 'holding')).toEqual(['alert.trigger holding', 'alert.resolve holding']);
});

test('a watermark that stands still evaluates nothing: no alert ends because ingest is behind', async () => {
  const { db } = schema;
  await find(db, { labels: { tenant_id: 'behind' }, from: begin, to: begin + minute });
  await advance(db, begin);
  const evaluator = evaluatorOf(db, delivery());
  for (let rounds = 0; rounds < 5; rounds++) await round(evaluator);
  expect((await listed('behind')).map((row) => row.status)).toEqual(['firing']);
  await advance(db, begin + minute);
  await round(evaluator);
  expect((await listed('behind')).map((row) => row.status)).toEqual(['resolved']);
});

test('minutes that passed while nobody evaluated are made up for one by one', async () => {
  const { db } = schema;
  // Rule throttle_burst: one minute of holding before it fires, ten before it ends.
  await find(db, {
    rule: 'throttle_burst',
    labels: { tenant_id: 'late' },
    from: begin + minute,
    to: begin + 3 * minute,
  });
  await advance(db, begin);
  await round(evaluatorOf(db, delivery()));
  await advance(db, begin + 14 * minute);
  await round(evaluatorOf(db, delivery()));
  expect(told(pager, 'late')).toEqual(['alert.trigger late', 'alert.resolve late']);
});

test('a silence keeps a trigger back while it lasts; it is told when the silence is withdrawn; a resolve is told through a silence', async () => {
  const { db } = schema;
  const labels = { tenant_id: 'quiet' };
  const silence = async (withdrawn: boolean): Promise<void> =>
    db.insert(
      silences,
      JSON.stringify([
        's1',
        ['tenant_id=~"qui.*"'],
        new Date(Date.now() - minute).toISOString(),
        new Date(Date.now() + 60 * minute).toISOString(),
        'me',
        'a test',
        withdrawn,
      ]),
    );
  await find(db, { labels, from: begin, to: begin + 2 * minute });
  await silence(false);
  await advance(db, begin);
  const evaluator = evaluatorOf(db, delivery());
  await round(evaluator);
  expect(told(pager, 'quiet')).toEqual([]);
  await silence(true);
  // Handling needs no new minute.
  await round(evaluator);
  expect(told(pager, 'quiet')).toEqual(['alert.trigger quiet']);
  await silence(false);
  await advance(db, begin + 2 * minute);
  await round(evaluator);
  expect(told(pager, 'quiet')).toEqual(['alert.trigger quiet', 'alert.resolve quiet']);
  await silence(true);
});

test('an acknowledgement is told once, and belongs to its episode', async () => {
  const { db } = schema;
  const labels = { tenant_id: 'seen' };
  await find(
    db,
    { labels, from: begin, to: begin + minute },
    { labels, from: begin + 2 * minute, to: begin + 3 * minute },
  );
  await advance(db, begin);
  const evaluator = evaluatorOf(db, delivery());
  await round(evaluator);
  const [first] = await listed('seen');
  await db.insert(acknowledgements, JSON.stringify([first?.alert_id, 'ada', 'looking']));
  await round(evaluator);
  await round(evaluatorOf(db, delivery()));
  expect(told(pager, 'seen')).toEqual(['alert.trigger seen', 'alert.acknowledge seen']);
  await advance(db, begin + minute);
  await round(evaluator);
  await advance(db, begin + 2 * minute);
  await round(evaluatorOf(db, delivery()));
  expect(told(pager, 'seen').slice(2)).toEqual(['alert.resolve seen', 'alert.trigger seen']);
  expect((await listed('seen')).map((row) => row.acknowledged_by).toSorted()).toEqual(['', 'ada']);
});

test('what a receiver refuses for good goes to its fallback, is kept, and can be delivered again in its order', async () => {
  const { db } = schema;
  pager.answer = () => ({ status: 400 });
  await find(db, { labels: { tenant_id: 'refused' }, from: begin, to: begin + minute });
  await advance(db, begin);
  const evaluator = evaluatorOf(db, delivery());
  await round(evaluator);
  await advance(db, begin + minute);
  await round(evaluator);
  // The refused trigger is not followed by a resolve; the fallback has both.
  expect(told(pager, 'refused')).toEqual(['alert.trigger refused']);
  expect(told(mail, 'refused')).toEqual(['alert.trigger refused', 'alert.resolve refused']);
  pager.answer = () => ({ status: 200 });
  const [alert] = await listed('refused');
  for (const action of ['trigger', 'resolve'])
    await db.insert(deliveryReplays, JSON.stringify([`${alert?.alert_id}:${action}:pager`, 'pager', 'ada']));
  await evaluator.deliver();
  expect(told(pager, 'refused')).toEqual(['alert.trigger refused', 'alert.trigger refused', 'alert.resolve refused']);
  const refused = pager.received.filter(({ body }) => body.includes('"refused"'));
  expect(new Set(refused.slice(0, 2).map(({ headers }) => headers['webhook-id'])).size).toBe(1);
  expect(told(mail, 'refused')).toHaveLength(2);
});

test('of two evaluators one is elected; the other goes on when it has left, and no alert is told twice', async () => {
  const { db } = schema;
  await find(db, { labels: { tenant_id: 'shared' }, from: begin, to: begin + minute });
  await advance(db, begin);
  const north = evaluatorOf(db, delivery(), { name: 'north' });
  const south = evaluatorOf(db, delivery(), { name: 'south' });
  // Those of the tests before have gone without a word.
  const before = evaluatorOf(db, delivery());
  await before.round();
  await before.election.release();
  await Promise.all([round(north), round(south)]);
  await Promise.all([round(north), round(south)]);
  expect([north, south].filter((one) => one.election.epoch > 0)).toHaveLength(1);
  const [elected, waiting] = north.election.epoch > 0 ? [north, south] : [south, north];
  await elected.election.release();
  await advance(db, begin + minute);
  await round(waiting);
  expect(told(pager, 'shared')).toEqual(['alert.trigger shared', 'alert.resolve shared']);
  await waiting.election.release();
});

test('of two that both believe to be elected, one writes a tick and the other steps back', async () => {
  const { db } = schema;
  await find(db, { labels: { tenant_id: 'contested' }, from: begin + minute, to: begin + 9 * minute });
  await advance(db, begin);
  const first = evaluatorOf(db, delivery());
  await round(first);
  await advance(db, begin + minute);
  // Elected under the same name, as after a restart, while the first has not noticed.
  const second = evaluatorOf(db, delivery());
  await Promise.all([second.round(), first.round()]);
  await Promise.all([round(first), round(second)]);
  // Both may deliver what one of them has written, in the moment before the first notices: with the same key.
  expect(new Set(told(pager, 'contested'))).toEqual(new Set(['alert.trigger contested']));
  expect(new Set(pager.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
  const rows = await db.query<{ tick: string; evaluators: string }>(
    "SELECT tick, uniqExact(evaluator) AS evaluators FROM alert_events GROUP BY tick HAVING evaluators > 1 OR countIf(kind = 'tick') != 1",
  );
  expect(rows).toEqual([]);
});

test('what is looked at is as old as calls are when they come, by the slowest source: a window that is not full yet is not judged', async () => {
  const { db } = schema;
  await advance(db, begin);
  await round(evaluatorOf(db, delivery()));
  const now = begin + 100 * minute;
  const come = async (source: string, seconds: number, stream = 'test/hub/0'): Promise<number | null> => {
    const started_at = new Date(now - seconds * 1_000).toISOString();
    await advance(db, now, { kind: 'call', source, started_at, stream });
    const evaluator = evaluatorOf(db, delivery());
    await round(evaluator);
    return evaluator.evaluatedAt;
  };
  // An hour of logs that are sent at once; an import is of another time.
  await advance(db, now, { kind: 'call', stream: 'import/file/0', started_at: new Date(begin - 9e8).toISOString() });
  expect(await come('bulk', 3_000)).toBe(now - 50 * minute);
  expect(await come('apim', 200)).toBe(now - 4 * minute);
  // Once looked at is looked at, and what comes at once does not hasten what comes late.
  expect(await come('kong', 2)).toBe(now - 4 * minute);
});
