import { z } from 'zod';
import { address, channel, cut, evidenceOf, headerValue, type Outgoing, postJson } from '../channel.ts';
import type { Message } from '../message.ts';

/** Alertmanager forgets an alert that is not sent again, and ours when it restarts: it gets all of them each minute. */
const aliveMs = 300_000;

const settings = {
  url: address.describe('Address of Alertmanager, without /api/v2/alerts'),
  authorization: headerValue.optional().describe('Value of the header Authorization'),
};

type Settings = z.output<z.ZodObject<typeof settings>>;

/** https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml */
export const alertmanager = channel({
  name: 'alertmanager',
  settings,
  request: (given, message, now) => alertmanagerRequest(given, [message], now),
});

/** Any number of alerts in one request; each replaces what Alertmanager had under its labels. */
export function alertmanagerRequest(given: Settings, messages: readonly Message[], now: Date): Outgoing | null {
  const told = messages.filter((message) => message.action !== 'acknowledge');
  if (told.length === 0) return null;
  return post(
    given,
    told.map((message) => ({
      labels: labelsOf(message),
      annotations: annotationsOf(message),
      startsAt: message.fired_at,
      endsAt: message.resolved_at ?? new Date(now.getTime() + aliveMs).toISOString(),
      generatorURL: message.links.page,
    })),
  );
}

/** The dead man's switch in Alertmanager's own form: an alert that always fires, until nobody sends it any more. */
export function alertmanagerHeartbeat(given: Settings, startedAt: string, now: Date): Outgoing {
  return post(given, [
    {
      labels: { alertname: 'watchdog', severity: 'info', job: 'gatemeter' },
      annotations: { summary: 'Gatemeter evaluates its alerts. That this alert ends is the alarm.' },
      startsAt: startedAt,
      endsAt: new Date(now.getTime() + aliveMs).toISOString(),
    },
  ]);
}

function post(given: Settings, alerts: readonly unknown[]): Outgoing {
  const headers: Record<string, string> =
    given.authorization === undefined ? {} : { authorization: given.authorization };
  return postJson(`${given.url.replace(/\/$/, '')}/api/v2/alerts`, alerts, headers);
}

/**
 * Constant over an episode but for the severity: an alert of the old one ends by itself then. Nothing of ours may take the
 * place of a label that tells two alerts apart, as `source` does.
 */
function labelsOf(message: Message): Record<string, string> {
  const own = Object.entries(message.labels).filter(([name, value]) => /^[a-zA-Z_]\w*$/.test(name) && value !== '');
  return { job: 'gatemeter', ...Object.fromEntries(own), alertname: message.rule, severity: message.severity };
}

function annotationsOf(message: Message): Record<string, string> {
  const all: Record<string, string | null> = {
    summary: cut(message.summary, 1_000),
    alert_id: message.alert_id,
    observed: String(message.observed),
    expected: String(message.expected),
    unit: message.unit,
    cost_per_hour: message.cost_per_hour,
    affected: message.affected.join(', '),
    contributors: message.contributors.map(({ what, share }) => `${what} ${share}`).join(', '),
    recent_changes: message.recent_changes.join('; '),
    started_at: message.started_at,
    evidence: cut(evidenceOf(message), 2_000),
    runbook_url: message.runbook_url,
    dashboard_url: message.links.grafana,
    acknowledge_url: message.links.acknowledge,
    silence_url: message.links.silence,
  };
  return Object.fromEntries(
    Object.entries(all).filter((pair): pair is [string, string] => pair[1] !== null && pair[1] !== ''),
  );
}
