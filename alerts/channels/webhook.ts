import { Webhook } from 'standardwebhooks';
import { z } from 'zod';
import { address, channel, type Outgoing } from '../channel.ts';

const settings = {
  url: address.describe('Where to post'),
  secret: z
    .string()
    .regex(/^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/)
    .describe('whsec_ and 24 to 64 random bytes in base64'),
};

type Settings = z.output<z.ZodObject<typeof settings>>;

/**
 * https://www.standardwebhooks.com, version 1: the id is the same for every attempt, the timestamp is the attempt's, and
 * both are signed with the body, so that a receiver can tell a repetition from a forgery.
 */
export const webhook = channel({
  name: 'webhook',
  settings,
  request: (given, message, now) =>
    signed(given, message.key, now, { type: `alert.${message.action}`, timestamp: now.toISOString(), data: message }),
});

/** The dead man's switch: its receiver should raise the alarm when none has come for some minutes. */
export function webhookHeartbeat(given: Settings, id: string, now: Date, evaluatedAt: string): Outgoing {
  return signed(given, id, now, {
    type: 'watchdog',
    timestamp: now.toISOString(),
    data: { evaluated_at: evaluatedAt },
  });
}

function signed(given: Settings, id: string, now: Date, content: unknown): Outgoing {
  const body = JSON.stringify(content);
  return {
    method: 'POST',
    url: given.url,
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(now.getTime() / 1_000)),
      'webhook-signature': new Webhook(given.secret).sign(id, now, body),
    },
    body,
  };
}
