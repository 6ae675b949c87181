import { address, channel, cut, factsOf, headerValue, postJson } from '../channel.ts';
import type { Message } from '../message.ts';

const priority: Readonly<Record<string, string>> = { page: 'P1', ticket: 'P3', info: 'P5' };
const path = { acknowledge: 'acknowledge', resolve: 'close' } as const;

/**
 * https://docs.opsgenie.com/docs/alert-api; Jira Service Management takes the same at an address of its own. The
 * episode's id is the alias that alerts are merged by.
 */
export const opsgenie = channel({
  name: 'opsgenie',
  settings: {
    api_key: headerValue.describe('Key of an API integration'),
    url: address
      .default('https://api.opsgenie.com/v2/alerts')
      .describe('https://api.eu.opsgenie.com/v2/alerts, or https://api.atlassian.com/jsm/ops/integration/v2/alerts'),
  },
  request: (given, message) => {
    const base = given.url.replace(/\/$/, '');
    const headers = { authorization: `GenieKey ${given.api_key}` };
    if (message.action === 'trigger') return postJson(base, described(message), headers);
    const alias = encodeURIComponent(message.alert_id);
    const user = message.acknowledged_by === '' ? {} : { user: cut(message.acknowledged_by, 100) };
    const body = { source: 'Gatemeter', note: cut(message.summary, 1_000), ...user };
    return postJson(`${base}/${alias}/${path[message.action]}?identifierType=alias`, body, headers);
  },
});

/** Within Opsgenie's limits: 130 characters of message, 15,000 of description, 8,000 of details, 512 of entity, 20 tags of 50. */
function described(message: Message): unknown {
  const facts = factsOf(message).map(([name, value]) => `${name}: ${cut(value, 1_000)}`);
  const links = [message.links.page, message.runbook_url, message.links.grafana].filter((link) => link !== null);
  return {
    message: cut(message.summary, 130),
    alias: message.alert_id,
    description: cut([message.summary, ...facts, ...links].join('\n'), 15_000),
    priority: priority[message.severity] ?? 'P3',
    source: 'Gatemeter',
    entity: cut(message.labels['deployment'] ?? '', 512),
    tags: [message.rule, message.severity],
    details: Object.fromEntries(
      Object.entries({ ...message.labels, silence: message.links.silence, acknowledge: message.links.acknowledge })
        .slice(0, 30)
        .map(([name, value]) => [name, cut(value, 250)]),
    ),
  };
}
