import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Detection, newAlert } from '../../alerts/alert.ts';
import { factsOf } from '../../alerts/channel.ts';
import type { Receiver } from '../../alerts/config.ts';
import { compose, type Message } from '../../alerts/message.ts';
import { guard } from '../../alerts/outgoing.ts';
import { post } from '../../alerts/post.ts';
import { type ReceiverServer, startReceiver } from './receiver.ts';
import { deliveryOf } from './stage.ts';

const minute = 60_000;
const begin = Date.parse('2026-10-01T10:00:00Z');
const text = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const rules = [
  ...text('migrations/0009_alert_rules.sql').matchAll(/^\('(\w+)', \d+, '([^']+)'.*?'(?:ledger|wall)', '(\w+)'/gm),
].map(([, rule = '', title = '', runbook = '']) => ({ rule, title, runbook }));
let server: ReceiverServer;
let smtp: SMTPServer;
const mails: string[] = [];
beforeAll(async () => {
  server = await startReceiver();
  smtp = new SMTPServer({
    authOptional: true,
    logger: false,
    onData: (stream, _session, callback) => {
      let mail = '';
      stream.on('data', (chunk: Buffer) => (mail += chunk.toString()));
      stream.on('end', () => {
        mails.push(mail);
        callback();
      });
    },
  });
  await new Promise<void>((resolve) => smtp.listen(0, '127.0.0.1', () => resolve()));
});
afterAll(async () => {
  await server.close();
  await new Promise<void>((resolve) => smtp.close(() => resolve()));
});

const dashboard = 'https://grafana.example/d/usage';

/** An alert as the evaluator has it when it fires, and what it says. */
function told(rule: { rule: string; title: string; runbook: string }, grafana: string = dashboard): Message {
  const found: Detection = {
    rule: rule.rule,
    version: 4,
    labels: { tenant_id: 'retail', deployment: 'gpt-4o-eu' },
    state: 'firing',
    severity: 'page',
    started_at: new Date(begin).toISOString(),
    observed: 9_310,
    expected: 1_024,
    unit: 'kilotokens',
    score: 12,
    cost_per_hour: '42.123456789',
    affected: ['app-checkout', 'app-search'],
    evidence: JSON.stringify({ window_minutes: 15, burn_1h: '18.25' }),
    confidence: 0.93,
  };
  const fresh = newAlert(found, '0011223344556677');
  const state = { ...fresh.state, status: 'firing' as const, activeAt: begin, firedAt: begin + 2 * minute };
  const context = {
    contributors: { 'consumer_id app-checkout': 0.87 },
    recentChanges: ['2026-10-01T09:40:00.000Z price: gpt-4o by ada (list of October)'],
  };
  const places = {
    base: 'https://g.example',
    grafana,
    runbook: 'https://g.example/runbook',
  };
  return compose(
    { ...fresh, id: '0011223344556677-mg0', severity: 'page', state, context },
    'trigger',
    'k',
    rule,
    places,
  );
}

/** Every text and number of a JSON value. */
function texts(value: unknown): string {
  if (typeof value === 'string' || typeof value === 'number') return String(value);
  return typeof value === 'object' && value !== null ? Object.values(value).map(texts).join('\n') : '';
}

async function rendered(settings: Record<string, unknown>, message: Message): Promise<string> {
  const receiver = deliveryOf({ receivers: [{ name: 'r', ...settings }] }).receivers.get('r') as Receiver;
  const verdict = await post(receiver, message, new Date(begin + 3 * minute), guard(['127.0.0.0/8']));
  expect(verdict.kind).toBe('delivered');
  // Quoted-printable breaks lines where it likes.
  if (settings['channel'] === 'email') return (mails.at(-1) ?? '').replaceAll(/=\r\n/g, '').replaceAll('=3D', '=');
  const body = texts(JSON.parse(server.received.at(-1)?.body ?? ''));
  // As a reader of Markdown sees it.
  return settings['channel'] === 'teams' ? body.replaceAll(/\\([\\`*_[\]])/g, '$1') : body;
}

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const channels: readonly (() => Record<string, unknown>)[] = [
  () => ({ channel: 'alertmanager', url: server.url }),
  () => ({ channel: 'pagerduty', url: server.url, routing_key: 'R'.repeat(32) }),
  () => ({ channel: 'slack', webhook_url: server.url }),
  () => ({ channel: 'teams', webhook_url: server.url }),
  () => ({ channel: 'opsgenie', url: server.url, api_key: 'k' }),
  () => ({ channel: 'webhook', url: server.url, secret }),
  () => ({
    channel: 'email',
    host: '127.0.0.1',
    port: (smtp.server.address() as AddressInfo).port,
    security: 'none',
    from: 'a@example.com',
    to: ['b@example.com'],
  }),
];

/** What on-call asks at three in the morning, and where the answer must stand, on whatever channel it comes. */
const answers: Readonly<Record<string, RegExp>> = {
  'what, and where': /Unusual cost: retail \/ gpt-4o-eu/,
  'how much': /9310 kilotokens/,
  'against what': /9\.09 times the usual 1024/,
  'since when': /2026-10-01T10:00:00\.000Z/,
  'what it costs': /42\.12 USD per hour/,
  'who is affected': /app-checkout[^]*app-search/,
  'who does it': /consumer_id app-checkout[^]*(87 %|0\.87)/,
  'what changed': /price: gpt-4o by ada \(list of October\)/,
  'the evidence': /burn_1h[^]*18\.25|18\.25/,
  'what to do': /https:\/\/g\.example\/runbook#cost_spike/,
  'the page': /https:\/\/g\.example\/alerts#0011223344556677-mg0/,
  Grafana: /https:\/\/grafana\.example\/d\/usage\?from=\d+&to=\d+&var-tenant=retail&var-deployment=gpt-4o-eu/,
  acknowledging: /alerts#0011223344556677-mg0\/acknowledge/,
  silencing: /alerts#0011223344556677-mg0\/silence/,
};

test('on every channel an alert answers what, how much against what, since when, at what cost, to whom, by whom, after what, and what now', async () => {
  const rule = rules.find((one) => one.rule === 'cost_spike');
  if (rule === undefined) throw new Error('no rule cost_spike');
  for (const channel of channels) {
    const settings = channel();
    const all = await rendered(settings, told(rule));
    for (const [question, answer] of Object.entries(answers))
      expect(all, `${String(settings['channel'])}: ${question}`).toMatch(answer);
  }
});

test('every rule says its title, leads to its own heading of the runbook, to its page, and to a dashboard whose variables exist', () => {
  expect(rules.length).toBeGreaterThan(20);
  const headings = new Set([...text('docs/runbook.md').matchAll(/^## (\w+)$/gm)].map(([, name]) => name));
  const onCall = JSON.parse(text('dashboards/provisioning/dashboards/json/on-call.json')) as {
    templating: { list: { name: string }[] };
  };
  const variables = new Set(onCall.templating.list.map(({ name }) => name));
  for (const rule of rules) {
    const message = told(rule);
    expect(message.summary, rule.rule).toContain(rule.title);
    expect(headings.has(new URL(message.runbook_url).hash.slice(1)), rule.rule).toBe(true);
    const grafana = new URL(message.links.grafana ?? '');
    for (const name of grafana.searchParams.keys())
      expect(['from', 'to'].includes(name) || variables.has(name.replace(/^var-/, '')), `${rule.rule}: ${name}`).toBe(
        true,
      );
    expect(message.links.page).toContain('/alerts#');
  }
});

test('a dashboard is linked as its own page has it, with an organisation and without the window that was looked at then', () => {
  const [rule] = rules;
  if (rule === undefined) throw new Error('no rule');
  const copied = 'https://grafana.example/d/usage/on-call?orgId=1&from=now-6h&to=now&var-tenant=$__all';
  const link = new URL(told(rule, copied).links.grafana ?? '');
  expect(link.pathname).toBe('/d/usage/on-call');
  expect(link.searchParams.getAll('orgId')).toEqual(['1']);
  expect(link.searchParams.getAll('from')).toEqual([String(begin - 60 * minute)]);
  expect(link.searchParams.getAll('to')).toEqual([String(begin + 62 * minute)]);
  expect(link.searchParams.getAll('var-tenant')).toEqual(['retail']);
});

test('a limit that somebody set is not called usual', () => {
  const summaries = new Map(rules.map((rule) => [rule.rule, told(rule).summary]));
  for (const rule of ['cold_start', 'slo_burn', 'budget_burn', 'pipeline_lag', 'pipeline_rejects'])
    expect(summaries.get(rule), rule).toContain('9.09 times the allowed 1024');
  expect(summaries.get('cost_spike')).toContain('9.09 times the usual 1024');
});

test('numbers are as people read them, and what is empty is not told', () => {
  const [rule] = rules;
  if (rule === undefined) throw new Error('no rule');
  const message = told(rule);
  const odd = {
    ...message,
    expected: 2.0000000000000018,
    contributors: [{ what: 'consumer_id app', share: 1.005 }],
    evidence: { metric: '', series: '1' },
  };
  const facts = new Map(factsOf(odd));
  expect([facts.get('Usual') ?? facts.get('Allowed'), facts.get('Mostly'), facts.get('Evidence')]).toEqual([
    '2',
    'consumer_id app (100 %)',
    'series 1',
  ]);
});
