import type { Message } from '../../alerts/message.ts';

/** A message with every field set. */
export function exampleMessage(more: Partial<Message> = {}): Message {
  return {
    key: '0011223344556677-mg0:trigger:pager',
    action: 'trigger',
    alert_id: '0011223344556677-mg0',
    fingerprint: '0011223344556677',
    rule: 'error_burst',
    version: 3,
    title: 'Errors',
    severity: 'page',
    status: 'firing',
    flapping: false,
    summary:
      'Errors: retail / gpt-4o: 90 calls, 9 times the usual 10, since 2026-10-01T00:00:00.000Z, 42.50 USD per hour',
    labels: { tenant_id: 'retail', deployment: 'gpt-4o' },
    started_at: '2026-10-01T00:00:00.000Z',
    fired_at: '2026-10-01T00:02:00.000Z',
    resolved_at: null,
    observed: 90,
    expected: 10,
    unit: 'calls',
    ratio: 9,
    score: 12.5,
    confidence: 0.9,
    cost_per_hour: '42.5',
    affected: ['app-1', 'app-2'],
    contributors: [{ what: 'app-1', share: 0.93 }],
    recent_changes: ['2026-09-30T23:00:00.000Z price: gpt-4o by ada (list of October)'],
    evidence: { windows: [5, 15] },
    acknowledged_by: '',
    runbook_url: 'https://gatemeter.example/runbook#error_burst',
    links: {
      page: 'https://gatemeter.example/alerts#0011223344556677-mg0',
      grafana: 'https://grafana.example/d/usage?from=1&to=2',
      acknowledge: 'https://gatemeter.example/alerts#0011223344556677-mg0/acknowledge',
      silence: 'https://gatemeter.example/alerts#0011223344556677-mg0/silence',
    },
    ...more,
  };
}
