import { z } from 'zod';
import { channel, cut, factsOf, postJson } from '../channel.ts';
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
  settings: { webhook_url: z.url().describe('Address of the incoming webhook; it is a secret') },
  request: (given, message) =>
    postJson(given.webhook_url, { text: escape(cut(message.summary, 3_000)), blocks: blocksOf(message) }),
});

/** Within Slack's limits: 150 characters of a header, 10 fields of 2,000, 3,000 of a section. */
function blocksOf(message: Message): unknown[] {
  const symbol = message.action === 'trigger' ? (mark[message.severity] ?? ':warning:') : ':white_check_mark:';
  const blocks: unknown[] = [
    { type: 'header', text: { type: 'plain_text', text: cut(message.title, 150) } },
    { type: 'section', text: { type: 'mrkdwn', text: `${symbol} ${escape(cut(message.summary, 2_000))}` } },
  ];
  if (message.action === 'trigger') {
    const fields = factsOf(message)
      .slice(0, 10)
      .map(([name, value]) => ({ type: 'mrkdwn', text: `*${name}*\n${escape(cut(value, 600))}` }));
    blocks.push({ type: 'section', fields });
  }
  const links = [
    ['Alert', message.links.page],
    ['Runbook', message.runbook_url],
    ['Grafana', message.links.grafana],
    ['Acknowledge', message.links.acknowledge],
    ['Silence', message.links.silence],
  ].flatMap(([name, url]) => (url === null ? [] : [`<${url}|${name}>`]));
  blocks.push({ type: 'section', text: { type: 'mrkdwn', text: links.join('  ·  ') } });
  blocks.push({ type: 'context', elements: [{ type: 'mrkdwn', text: `${message.alert_id} · ${message.severity}` }] });
  return blocks;
}

/** Slack's three control characters; a label must not mention a channel. */
function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
