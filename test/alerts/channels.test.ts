import { Webhook } from 'standardwebhooks';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Receiver } from '../../alerts/config.ts';
import type { Message } from '../../alerts/message.ts';
import { guard } from '../../alerts/outgoing.ts';
import { heartbeat, post, repeat } from '../../alerts/post.ts';
import { exampleMessage } from './message.ts';
import { type Received, type ReceiverServer, startReceiver } from './receiver.ts';
import { deliveryOf } from './stage.ts';

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const loopback = guard(['127.0.0.0/8']);
const now = new Date('2026-10-01T00:03:00.000Z');
let server: ReceiverServer;
beforeEach(async () => {
  server = await startReceiver();
});
afterEach(async () => server.close());

function receiver(settings: Record<string, unknown>): Receiver {
  const found = deliveryOf({ receivers: [{ name: 'r', ...settings }] }).receivers.get('r');
  if (found === undefined) throw new Error('no receiver');
  return found;
}

async function told(
  settings: Record<string, unknown>,
  more: Partial<Message> = {},
): Promise<Received & { json: unknown }> {
  const verdict = await post(receiver(settings), exampleMessage(more), now, loopback);
  expect(verdict).toEqual({ kind: 'delivered', status: 200 });
  const one = server.received.at(-1);
  if (one === undefined) throw new Error('nothing came');
  expect(one.method).toBe('POST');
  expect(one.headers['content-type']).toBe('application/json');
  return { ...one, json: JSON.parse(one.body) as unknown };
}

test('Standard Webhooks: the published vector is reproduced, and what is posted verifies with the official library', async () => {
  const at = new Date(1_614_265_330 * 1_000);
  expect(new Webhook(secret).sign('msg_p5jXN8AQM9LWM0D4loKWxJek', at, '{"test": 2432232314}')).toBe(
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  );
  const settings = { channel: 'webhook', url: `${server.url}/hook`, secret };
  const fresh = new Date();
  await post(receiver(settings), exampleMessage(), fresh, loopback);
  await post(receiver(settings), exampleMessage(), new Date(fresh.getTime() + 5_000), loopback);
  const [first, second] = server.received;
  for (const one of [first, second]) {
    const headers = one?.headers as Record<string, string>;
    expect(new Webhook(secret).verify(one?.body ?? '', headers)).toMatchObject({
      type: 'alert.trigger',
      data: exampleMessage(),
    });
    expect(headers['webhook-id']).toBe(exampleMessage().key);
  }
  // The id stays over attempts, the timestamp is the attempt's.
  expect(second?.headers['webhook-timestamp']).not.toBe(first?.headers['webhook-timestamp']);
  expect(() =>
    new Webhook(`whsec_${Buffer.alloc(24, 1).toString('base64')}`).verify(
      first?.body ?? '',
      first?.headers as Record<string, string>,
    ),
  ).toThrow('No matching signature found');
});

test('PagerDuty Events v2: trigger, acknowledge and resolve of one episode have one dedup_key', async () => {
  const settings = { channel: 'pagerduty', url: `${server.url}/v2/enqueue`, routing_key: 'R'.repeat(32) };
  const trigger = await told(settings);
  expect(trigger.path).toBe('/v2/enqueue');
  expect(trigger.json).toMatchObject({
    routing_key: 'R'.repeat(32),
    event_action: 'trigger',
    dedup_key: '0011223344556677-mg0',
    client: 'Gatemeter',
    payload: {
      summary: exampleMessage().summary,
      source: 'gpt-4o',
      severity: 'critical',
      timestamp: '2026-10-01T00:00:00.000Z',
      class: 'error_burst',
      group: 'retail',
      custom_details: { cost_per_hour: '42.5', observed: 90, expected: 10 },
    },
  });
  const short = { routing_key: 'R'.repeat(32), dedup_key: '0011223344556677-mg0' };
  expect((await told(settings, { action: 'acknowledge' })).json).toEqual({ ...short, event_action: 'acknowledge' });
  expect((await told(settings, { action: 'resolve' })).json).toEqual({ ...short, event_action: 'resolve' });
  const long = await told(settings, { summary: 'x'.repeat(5_000) });
  expect((long.json as { payload: { summary: string } }).payload.summary).toHaveLength(1_024);
});

test('Slack: blocks within its limits, and a label can neither mention anybody nor be a link', async () => {
  const settings = { channel: 'slack', webhook_url: `${server.url}/services/T/B/x` };
  const { json, path } = await told(settings, {
    summary: `<!channel> & <http://evil|x> ${'y'.repeat(9_000)}`,
    title: 'T'.repeat(500),
  });
  expect(path).toBe('/services/T/B/x');
  const { text, blocks } = json as {
    text: string;
    blocks: { type: string; text?: { text: string }; fields?: { text: string }[] }[];
  };
  expect(text).toContain('&lt;!channel&gt; &amp; &lt;http://evil|x&gt;');
  expect(JSON.stringify(blocks)).not.toContain('<!channel>');
  expect(blocks.map((block) => block.type)).toEqual(['header', 'section', 'section', 'section', 'context']);
  expect(blocks[0]?.text?.text.length).toBeLessThanOrEqual(150);
  expect(blocks[2]?.fields?.length).toBeLessThanOrEqual(10);
  for (const block of blocks) expect((block.text?.text ?? '').length).toBeLessThanOrEqual(3_000);
  expect(JSON.stringify(blocks)).toContain('<https://gatemeter.example/runbook#error_burst|Runbook>');
});

test('Slack counts entities as they are written: a name of nothing but them is cut, and no entity in two', async () => {
  const { json } = await told(
    { channel: 'slack', webhook_url: server.url },
    {
      summary: '<'.repeat(5_000),
      affected: ['&'.repeat(900)],
      recent_changes: ['>'.repeat(900)],
      links: { ...exampleMessage().links, grafana: `https://g.example/d/x?var-tenant=${'%3C'.repeat(1_024)}` },
    },
  );
  type Text = { text: string };
  const { text, blocks } = json as { text: string; blocks: { text?: Text; fields?: Text[] }[] };
  const sections = blocks.flatMap((block) => (block.text === undefined ? [] : [block.text.text]));
  const fields = blocks.flatMap((block) => (block.fields ?? []).map((field) => field.text));
  for (const one of [text, ...sections]) expect(one.length).toBeLessThanOrEqual(3_000);
  for (const one of fields) expect(one.length).toBeLessThanOrEqual(2_000);
  const written = [text, ...sections.filter((one) => !one.includes('|Alert>')), ...fields];
  for (const one of written) expect(one).not.toMatch(/&(?!amp;|lt;|gt;)/);
});

test('Teams: names are no Markdown wherever they stand, and the longest in any script fit into 28 KB', async () => {
  const settings = { channel: 'teams', webhook_url: server.url };
  const link = '[reset your key](https://evil.example)';
  const { body: linked } = await told(settings, { summary: link, affected: [link], recent_changes: [link] });
  expect(linked.split('reset your key')).toHaveLength(4);
  expect(linked).not.toContain('[reset your key]');
  const name = '量'.repeat(1_024);
  const { body } = await told(settings, {
    summary: `Errors: ${name} / ${name}`,
    affected: Array.from({ length: 20 }, () => name),
    contributors: [{ what: name, share: 0.9 }],
    recent_changes: [name],
    evidence: { example: name },
    links: { ...exampleMessage().links, grafana: `https://g.example/d/x?var-tenant=${encodeURIComponent(name)}` },
  });
  expect(Buffer.byteLength(body)).toBeLessThanOrEqual(28_000);
  expect(body).toContain('Acknowledge');
});

test('Teams: one Adaptive Card in a message, with buttons that open addresses, within 28 KB', async () => {
  const settings = { channel: 'teams', webhook_url: `${server.url}/workflows/x` };
  const { json, body } = await told(settings, {
    affected: Array.from({ length: 20 }, () => 'a'.repeat(500)),
    recent_changes: ['c'.repeat(9_000)],
  });
  expect(Buffer.byteLength(body)).toBeLessThan(28_000);
  expect(json).toMatchObject({
    type: 'message',
    attachments: [
      {
        contentType: 'application/vnd.microsoft.card.adaptive',
        contentUrl: null,
        content: { type: 'AdaptiveCard', version: '1.4' },
      },
    ],
  });
  const { content } = (
    json as { attachments: [{ content: { actions: { type: string; title: string }[]; body: { type: string }[] } }] }
  ).attachments[0];
  expect(content.actions.every((action) => action.type === 'Action.OpenUrl')).toBe(true);
  expect(content.actions.map((action) => action.title)).toEqual([
    'Alert',
    'Runbook',
    'Grafana',
    'Acknowledge',
    'Silence',
  ]);
  expect(content.body.some((part) => part.type === 'FactSet')).toBe(true);
});

test('Opsgenie and Jira Service Management: the episode is the alias by which it is acknowledged and closed', async () => {
  const settings = { channel: 'opsgenie', url: `${server.url}/v2/alerts`, api_key: 'the-key' };
  const trigger = await told(settings);
  expect(trigger.path).toBe('/v2/alerts');
  expect(trigger.headers.authorization).toBe('GenieKey the-key');
  expect(trigger.json).toMatchObject({
    alias: '0011223344556677-mg0',
    priority: 'P1',
    entity: 'gpt-4o',
    tags: ['error_burst', 'page'],
  });
  expect((trigger.json as { message: string }).message.length).toBeLessThanOrEqual(130);
  expect((await told(settings, { action: 'acknowledge', acknowledged_by: 'ada' })).path).toBe(
    '/v2/alerts/0011223344556677-mg0/acknowledge?identifierType=alias',
  );
  expect((await told(settings, { action: 'resolve' })).path).toBe(
    '/v2/alerts/0011223344556677-mg0/close?identifierType=alias',
  );
});

test('Opsgenie refuses what is too long: the longest names are cut to its limits', async () => {
  const settings = { channel: 'opsgenie', url: `${server.url}/v2/alerts`, api_key: 'the-key' };
  const long = 'n'.repeat(1_024);
  const { json } = await told(settings, { labels: { deployment: long, tenant_id: long } });
  expect((json as { entity: string }).entity.length).toBeLessThanOrEqual(512);
  const acknowledged = await told(settings, { action: 'acknowledge', acknowledged_by: long });
  expect((acknowledged.json as { user: string }).user.length).toBeLessThanOrEqual(100);
});

test('Alertmanager v2: labels identify, endsAt is ahead while it fires and past when it is over; acknowledging says nothing', async () => {
  const settings = { channel: 'alertmanager', url: server.url };
  const trigger = await told(settings);
  expect(trigger.path).toBe('/api/v2/alerts');
  expect(trigger.json).toMatchObject([
    {
      labels: {
        alertname: 'error_burst',
        severity: 'page',
        tenant_id: 'retail',
        deployment: 'gpt-4o',
        job: 'gatemeter',
      },
      startsAt: '2026-10-01T00:02:00.000Z',
      endsAt: '2026-10-01T00:08:00.000Z',
      generatorURL: exampleMessage().links.page,
    },
  ]);
  const over = await told(settings, { action: 'resolve', resolved_at: '2026-10-01T00:02:30.000Z' });
  expect(over.json).toMatchObject([{ endsAt: '2026-10-01T00:02:30.000Z' }]);
  expect(await post(receiver(settings), exampleMessage({ action: 'acknowledge' }), now, loopback)).toEqual({
    kind: 'delivered',
    status: null,
  });
  expect(server.received).toHaveLength(2);
  // Nothing of ours takes the place of what tells two alerts apart.
  const gateways = ['kong', 'apim'].map((source) => exampleMessage({ rule: 'silent_source', labels: { source } }));
  for (const message of gateways) await post(receiver(settings), message, now, loopback);
  const labelled = server.received.slice(2).map(({ body }) => JSON.parse(body) as [{ labels: { source: string } }]);
  expect(labelled.map(([{ labels }]) => labels.source)).toEqual(['kong', 'apim']);
  // A batch that holds one wrong alert is taken in part, so that they are small.
  const many = Array.from({ length: 130 }, (_, index) => exampleMessage({ labels: { tenant_id: `t${index}` } }));
  const one = receiver(settings);
  if (one.channel !== 'alertmanager') throw new Error('not an Alertmanager');
  await repeat(one, many, now, loopback);
  expect(server.received.slice(4).map(({ body }) => (JSON.parse(body) as unknown[]).length)).toEqual([64, 64, 2]);
});

test('the watchdog says to a webhook and to an Alertmanager that alerts are evaluated', async () => {
  const since = new Date('2026-10-01T00:00:00.000Z');
  await heartbeat(receiver({ channel: 'webhook', url: server.url, secret }), since, since, now, loopback);
  await heartbeat(receiver({ channel: 'alertmanager', url: server.url }), since, since, now, loopback);
  expect(JSON.parse(server.received[0]?.body ?? '')).toEqual({
    type: 'watchdog',
    timestamp: '2026-10-01T00:03:00.000Z',
    data: { evaluated_at: '2026-10-01T00:00:00.000Z' },
  });
  expect(JSON.parse(server.received[1]?.body ?? '')).toMatchObject([
    { labels: { alertname: 'watchdog' }, endsAt: '2026-10-01T00:08:00.000Z' },
  ]);
});

test('what is worth another attempt is tried again, when the receiver says; what is not is given up; no redirect is followed', async () => {
  const settings = receiver({ channel: 'webhook', url: server.url, secret });
  const verdicts: unknown[] = [];
  for (const [status, headers] of [
    [429, { 'retry-after': '7' }],
    [503, {}],
    [400, {}],
    [410, {}],
    [307, { location: `${server.url}/elsewhere` }],
  ] as const) {
    server.answer = () => ({ status, headers });
    verdicts.push(await post(settings, exampleMessage(), now, loopback));
  }
  expect(verdicts).toEqual([
    { kind: 'retry', status: 429, reason: 'busy', afterMs: 7_000 },
    { kind: 'retry', status: 503, reason: 'busy', afterMs: null },
    { kind: 'dead', status: 400, reason: 'refused' },
    { kind: 'dead', status: 410, reason: 'refused' },
    { kind: 'dead', status: 307, reason: 'redirect_not_followed' },
  ]);
  expect(server.received.map(({ path }) => path)).toEqual(['/', '/', '/', '/', '/']);
  await server.close();
  expect(await post(settings, exampleMessage(), now, loopback)).toMatchObject({
    kind: 'retry',
    reason: 'econnrefused',
  });
});
