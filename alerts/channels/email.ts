import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { createTransport } from 'nodemailer';
import { z } from 'zod';
import { factsOf, type Verdict } from '../channel.ts';
import type { Message } from '../message.ts';

const timeoutMs = 10_000;

export const email = {
  name: 'email',
  settings: {
    host: z.string().min(1).describe('SMTP server'),
    port: z.number().int().min(1).max(65_535).default(587),
    security: z
      .enum(['starttls', 'tls', 'none'])
      .default('starttls')
      .describe('starttls is required where it is set; none is for a server on this machine'),
    user: z.string().optional(),
    password: z.string().optional(),
    from: z.email(),
    to: z.array(z.email()).min(1),
  },
} as const;

type Settings = z.output<z.ZodObject<typeof email.settings>>;

/**
 * One message by SMTP, to an address that was checked before. Each attempt has the same Message-ID, by which servers
 * and readers recognise a repetition, and all of one alert are one thread.
 */
export async function sendEmail(given: Settings, message: Message, address: string): Promise<Verdict> {
  const transport = createTransport({
    host: address,
    port: given.port,
    secure: given.security === 'tls',
    requireTLS: given.security === 'starttls',
    ignoreTLS: given.security === 'none',
    // An address is no name that TLS could ask for: then the certificate must be the address's.
    tls: isIP(given.host) === 0 ? { servername: given.host } : {},
    ...(given.user === undefined ? {} : { auth: { user: given.user, pass: given.password ?? '' } }),
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  try {
    await transport.sendMail(mailOf(given, message));
    return { kind: 'delivered', status: 250 };
  } catch (error) {
    return verdictOf(error as { responseCode?: number; code?: string });
  } finally {
    transport.close();
  }
}

function mailOf(given: Settings, message: Message): Parameters<ReturnType<typeof createTransport>['sendMail']>[0] {
  const thread = `<${message.alert_id}@gatemeter>`;
  const id = createHash('sha256').update(message.key).digest('hex').slice(0, 32);
  return {
    from: given.from,
    to: given.to,
    messageId: `<${id}@gatemeter>`,
    ...(message.action === 'trigger' ? {} : { inReplyTo: thread }),
    references: thread,
    subject: `[${message.action === 'trigger' ? message.severity : message.action}] ${message.summary}`.replaceAll(
      /\s+/g,
      ' ',
    ),
    text: textOf(message),
    headers: { 'Auto-Submitted': 'auto-generated', 'X-Gatemeter-Alert': message.alert_id },
  };
}

/** Text alone: what is in labels can then be neither markup nor a picture that tells who reads it. */
function textOf(message: Message): string {
  const { links } = message;
  return [
    message.summary,
    '',
    ...factsOf(message).map(([name, value]) => `${name}: ${value}`),
    '',
    `Alert:       ${links.page}`,
    `Runbook:     ${message.runbook_url}`,
    ...(links.grafana === null ? [] : [`Grafana:     ${links.grafana}`]),
    `Acknowledge: ${links.acknowledge}`,
    `Silence:     ${links.silence}`,
  ].join('\n');
}

/** A server's 4xx is "not now", its 5xx is "never" (RFC 5321, 4.2.1); without a number it was not reached. */
function verdictOf(error: { responseCode?: number; code?: string }): Verdict {
  const status = error.responseCode ?? null;
  const reason = (error.code ?? 'failed').toLowerCase();
  if (status !== null && status >= 500) return { kind: 'dead', status, reason };
  return { kind: 'retry', status, reason, afterMs: null };
}
