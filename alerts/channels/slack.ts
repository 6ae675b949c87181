import { address, channel, cut, factsOf, postJson } from '../channel.ts';
import type { Message } from '../message.ts';

const mark: Readonly<Record<string, string>> = {
  page: ':rotating_light:',
  ticket: ':warning:',
  info: ':information_source:',
};

/**
 * An incoming webhook (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks). Slack merges nothing:
 * a message that had to be sent again is there twice, with the same id in its last line.
 */
export const slack = channel({
  name: 'slack',
  settings: { webhook_url: address.describe('Address of the incoming webhook; it is a secret') },
  request: (given, message) =>
    postJson(given.webhook_url, { text: escaped(message.summary, 3_000), blocks: blocksOf(message) }),
});

/** Within Slack's limits: 150 characters of a header, 10 fields of 2,000, 3,000 of a section. */
function blocksOf(message: Message): unknown[] {
  const symbol = message.action === 'trigger' ? (mark[message.severity] ?? ':warning:') : ':white_check_mark:';
  const blocks: unknown[] = [
    { type: 'header', text: { type: 'plain_text', text: cut(message.title, 150) } },
    { type: 'section', text: { type: 'mrkdwn', text: `${symbol} ${escaped(message.summary, 2_000)}` } },
  ];
  if (message.action === 'trigger') {
    const fields = factsOf(message)
      .slice(0, 10)
      .map(([name, value]) => ({ type: 'mrkdwn', text: `*${name}*\n${escaped(value, 600)}` }));
    blocks.push({ type: 'section', fields });
  }
  const links = [
    ['Alert', message.links.page],
    ['Runbook', message.runbook_url],
    ['Grafana', message.links.grafana],
    ['Acknowledge', message.links.acknowledge],
    ['Silence', message.links.silence],
  ].flatMap(([name, url]) => (url === null ? [] : [`<${url}|${name}>`]));
  // A link is whole or not there: the dashboard's names what the alert is of, in as many characters as that has.
  const fitting = links.filter((link) => link.length <= 1_000);
  blocks.push({ type: 'section', text: { type: 'mrkdwn', text: fitting.join('  ·  ') } });
  blocks.push({ type: 'context', elements: [{ type: 'mrkdwn', text: `${message.alert_id} · ${message.severity}` }] });
  return blocks;
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };

/**
 * Slack's three control characters are written as entities, so that a label mentions no channel. It counts them as they
 * are written and refuses a message that is too long, so that what is cut is what was written.
 */
function escaped(text: string, characters: number): string {
  let written = '';
  for (const character of text) {
    const next = entities[character] ?? character;
    if (written.length + next.length > characters - 1) return `${written}…`;
    written += next;
  }
  return written;
}
