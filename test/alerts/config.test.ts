import { expect, test } from 'vitest';
import { matchersOf, readDelivery } from '../../alerts/config.ts';
import { matchesAll, parseMatcher } from '#common/matcher.ts';

test('a file with receivers, routes, silences and a watchdog is read, with secrets from the environment', () => {
  const text = `
receivers:
  - { name: pager, channel: pagerduty, routing_key: "\${PAGER_KEY}", fallback: mail }
  - { name: mail, channel: email, host: smtp.example.com, from: g@example.com, to: [a@example.com] }
  - { name: hook, channel: webhook, url: https://example.com/h, secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" }
routes:
  - { match: ['severity="page"', 'tenant_id=~"retail.*"'], receivers: [pager], continue: true }
  - { receivers: [mail] }
silences:
  - { match: ['rule="latency"'], from: 2026-12-24T00:00:00Z, to: 2026-12-27T00:00:00+01:00, comment: holidays }
watchdog: [{ receiver: hook, every_seconds: 30 }]
private_addresses: [10.0.0.0/8]
`;
  const read = readDelivery(text, { PAGER_KEY: 'K'.repeat(32) });
  if (read.kind === 'problems') throw new Error(read.problems.join('\n'));
  expect(read.delivery.receivers.get('pager')).toMatchObject({ routing_key: 'K'.repeat(32), fallback: 'mail' });
  expect(read.delivery.routes.map(({ receivers, goesOn }) => [receivers, goesOn])).toEqual([
    [['pager'], true],
    [['mail'], false],
  ]);
  expect(matchesAll(read.delivery.routes[0]?.matchers ?? [], { severity: 'page', tenant_id: 'retail-eu' })).toBe(true);
  expect(matchesAll(read.delivery.routes[0]?.matchers ?? [], { severity: 'ticket', tenant_id: 'retail-eu' })).toBe(
    false,
  );
});

test('every problem of a file is named at once, with its place and without its values', () => {
  const first = readDelivery(
    `
receivers:
  - { name: Pager, channel: pagerduty, routing_key: topsecret }
  - { name: hook, channel: webhook, url: https://example.com, secret: topsecret, colour: red }
  - { name: x, channel: pigeon }
routes:
  - { match: ['severity page'], receivers: [] }
private_addresses: [10.0.0.0/99]
`,
    {},
  );
  const places = first.kind === 'problems' ? first.problems.map((problem) => problem.split(':')[0]) : [];
  expect(places).toEqual(
    expect.arrayContaining([
      'receivers.0.name',
      'receivers.0.routing_key',
      'receivers.1.secret',
      'receivers.1',
      'receivers.2.channel',
      'routes.0.match.0',
      'routes.0.receivers',
      'private_addresses.0',
    ]),
  );
  expect(JSON.stringify(first)).not.toContain('topsecret');
  const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
  const second = readDelivery(
    JSON.stringify({
      receivers: [
        { name: 'a', channel: 'webhook', url: 'https://example.com/${TOKEN}', secret, fallback: 'b' },
        { name: 'b', channel: 'slack', webhook_url: 'https://example.com', fallback: 'a' },
        { name: 'b', channel: 'slack', webhook_url: 'https://example.com', fallback: 'c' },
      ],
      routes: [{ receivers: ['d'] }],
      watchdog: [{ receiver: 'b' }],
      silences: [{ match: ['a=b'], from: '2026-01-02T00:00:00Z', to: '2026-01-01T00:00:00Z', comment: 'x' }],
    }),
    {},
  );
  expect(second).toEqual({
    kind: 'problems',
    problems: [
      'the environment variable TOKEN is not set',
      'receivers.1.fallback: leads back to b',
      'receivers.2.name: b is there twice',
      'receivers.2.fallback: there is no receiver c',
      'routes.0.receivers: there is no receiver d',
      'silences.0.to: is not after from',
      'watchdog.0.receiver: must be a receiver of the channel webhook or alertmanager',
    ],
  });
  expect(readDelivery('receivers: [', {}).kind).toBe('problems');
});

function holds(text: string, labels: Record<string, string>): boolean {
  return matchesAll(matchersOf([text]), labels);
}

test('matchers are those of Alertmanager: anchored, absent labels are empty; patterns that could stop the evaluator are refused', () => {
  expect(holds('a="x"', { a: 'x' })).toBe(true);
  expect(holds('a!=x', {})).toBe(true);
  expect(holds('a=""', {})).toBe(true);
  expect(holds('a=~"x|y.*"', { a: 'yes' })).toBe(true);
  expect(holds('a=~"x|y.*"', { a: 'xx' })).toBe(false);
  expect(holds('a!~"[0-9].+"', { a: '1x' })).toBe(false);
  expect(holds(String.raw`a="q\"uote"`, { a: 'q"uote' })).toBe(true);
  for (const text of ['a=~"(x+)+"', 'a=~".*.*.*.*"', 'a=~"(?=x)"', 'a', '=x', 'a=~"["', `a="${'x'.repeat(600)}"`])
    expect(parseMatcher(text).kind, text).toBe('refused');
});

test('a secret that no header can carry is told at the start, without repeating it', () => {
  const read = readDelivery(
    JSON.stringify({
      receivers: [
        { name: 'one', channel: 'alertmanager', url: 'https://example.com', authorization: '${TOKEN}' },
        { name: 'two', channel: 'opsgenie', api_key: '${TOKEN}' },
      ],
    }),
    { TOKEN: 'canary\n' },
  );
  const problems = read.kind === 'problems' ? read.problems : [];
  expect(problems.map((problem) => problem.split(':')[0])).toEqual([
    'receivers.0.authorization',
    'receivers.1.api_key',
  ]);
  expect(problems.join()).not.toContain('canary');
});

test('an address that nothing can be posted to is told at the start', () => {
  const read = readDelivery(
    JSON.stringify({
      receivers: [
        { name: 'one', channel: 'slack', webhook_url: 'hooks.slack.com:443/services/T/B/x' },
        { name: 'two', channel: 'alertmanager', url: 'ftp://alertmanager.example' },
        { name: 'three', channel: 'pagerduty', routing_key: 'K'.repeat(32), url: 'mailto:a@example.com' },
      ],
    }),
    {},
  );
  const problems = read.kind === 'problems' ? read.problems : [];
  expect(problems.map((problem) => problem.split(':')[0])).toEqual([
    'receivers.0.webhook_url',
    'receivers.1.url',
    'receivers.2.url',
  ]);
});
