import { address, channel, cut, factsOf, type Outgoing, postJson } from '../channel.ts';
import type { Message } from '../message.ts';

const colour: Readonly<Record<string, string>> = { page: 'Attention', ticket: 'Warning', info: 'Accent' };

/**
 * A Teams workflow "when a Teams webhook request is received"
 * (https://learn.microsoft.com/connectors/teams/#microsoft-teams-webhook). Its 202 says that the flow took the card, not
 * that somebody sees it; a message has at most 28 KB, and of buttons only those that open an address work.
 */
export const teams = channel({
  name: 'teams',
  settings: { webhook_url: address.describe('Address of the workflow; it is a secret') },
  request: (given, message) => {
    // What is too long is taken with a 202 and shown to nobody, so it is cut until it fits.
    const tried = lengths.map((characters) => posted(given.webhook_url, message, characters));
    const fitting = tried.find(({ body }) => Buffer.byteLength(body) <= bytesMax);
    return fitting ?? posted(given.webhook_url, { ...message, links: { ...message.links, grafana: null } }, 100);
  },
});

const bytesMax = 28_000;
const lengths = [800, 400, 200, 100] as const;

function posted(url: string, message: Message, characters: number): Outgoing {
  return postJson(url, {
    type: 'message',
    attachments: [
      {
        contentType: 'application/vnd.microsoft.card.adaptive',
        contentUrl: null,
        content: cardOf(message, characters),
      },
    ],
  });
}

/** `characters` is the most of one fact. */
function cardOf(message: Message, characters: number): unknown {
  const facts = factsOf(message).map(([title, value]) => ({ title, value: plain(cut(value, characters)) }));
  const actions = [
    ['Alert', message.links.page],
    ['Runbook', message.runbook_url],
    ['Grafana', message.links.grafana],
    ['Acknowledge', message.links.acknowledge],
    ['Silence', message.links.silence],
  ].flatMap(([title, url]) => (url === null ? [] : [{ type: 'Action.OpenUrl', title, url }]));
  return {
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    type: 'AdaptiveCard',
    version: '1.4',
    msteams: { width: 'full' },
    body: [
      {
        type: 'TextBlock',
        text: cut(message.title, 200),
        size: 'Large',
        weight: 'Bolder',
        wrap: true,
        color: message.action === 'trigger' ? (colour[message.severity] ?? 'Warning') : 'Good',
      },
      { type: 'TextBlock', text: plain(cut(message.summary, 2.5 * characters)), wrap: true },
      ...(message.action === 'trigger' ? [{ type: 'FactSet', facts }] : []),
      {
        type: 'TextBlock',
        text: `${message.alert_id} · ${message.severity}`,
        isSubtle: true,
        size: 'Small',
        wrap: true,
      },
    ],
    actions,
  };
}

/** Text blocks and facts read some Markdown; names of tenants and models are not meant as such. */
function plain(text: string): string {
  return text.replaceAll(/([\\`*_[\]])/g, '\\$1');
}
