import { z } from 'zod';
import { address, channel, cut, postJson } from '../channel.ts';
import type { Message } from '../message.ts';

const actions = { trigger: 'trigger', acknowledge: 'acknowledge', resolve: 'resolve' } as const;
const severityOf: Readonly<Record<string, string>> = { page: 'critical', ticket: 'warning', info: 'info' };

/** https://developer.pagerduty.com/docs/send-alert-event: the episode's id is the key that events are merged by. */
export const pagerduty = channel({
  name: 'pagerduty',
  settings: {
    routing_key: z.string().length(32).describe('Integration key of an Events API v2 integration'),
    url: address
      .default('https://events.pagerduty.com/v2/enqueue')
      .describe('https://events.eu.pagerduty.com/v2/enqueue for the European service region'),
  },
  request: (given, message) => {
    const { action, alert_id } = message;
    const event = { routing_key: given.routing_key, event_action: actions[action], dedup_key: alert_id };
    return postJson(given.url, action === 'trigger' ? { ...event, ...described(message) } : event);
  },
});

function described(message: Message): Record<string, unknown> {
  const { links } = message;
  return {
    client: 'Gatemeter',
    client_url: links.page,
    links: [
      { href: message.runbook_url, text: 'Runbook' },
      ...(links.grafana === null ? [] : [{ href: links.grafana, text: 'Grafana' }]),
      { href: links.acknowledge, text: 'Acknowledge' },
      { href: links.silence, text: 'Silence' },
    ],
    payload: {
      summary: cut(message.summary, 1_024),
      source: message.labels['deployment'] ?? message.labels['gateway'] ?? 'gatemeter',
      severity: severityOf[message.severity] ?? 'error',
      timestamp: message.started_at,
      component: message.labels['deployment'] ?? '',
      group: message.labels['tenant_id'] ?? '',
      class: message.rule,
      custom_details: {
        labels: message.labels,
        started_at: message.started_at,
        observed: message.observed,
        expected: message.expected,
        unit: message.unit,
        ratio: message.ratio,
        cost_per_hour: message.cost_per_hour,
        affected: message.affected,
        contributors: message.contributors,
        recent_changes: message.recent_changes,
        evidence: message.evidence,
        confidence: message.confidence,
        rule: `${message.rule} version ${message.version}`,
      },
    },
  };
}
