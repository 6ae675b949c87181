import { type AddressInfo, createServer } from 'node:net';
import { SMTPServer } from 'smtp-server';
import { afterEach, expect, test } from 'vitest';
import type { Receiver } from '../../alerts/config.ts';
import type { Message } from '../../alerts/message.ts';
import type { Verdict } from '../../alerts/channel.ts';
import { guard } from '../../alerts/outgoing.ts';
import { post } from '../../alerts/post.ts';
import { exampleMessage } from './message.ts';
import { deliveryOf } from './stage.ts';

type Mail = { from: string; to: string[]; text: string; secure: boolean; user: string };

let server: SMTPServer | null = null;
afterEach(async () => new Promise<void>((resolve) => (server === null ? resolve() : server.close(() => resolve()))));

/** A real SMTP server on loopback; `refuse` is the code that it answers a recipient with. */
async function startMail(refuse: number | null): Promise<{ port: number; mails: Mail[] }> {
  const mails: Mail[] = [];
  server = new SMTPServer({
    allowInsecureAuth: true,
    authOptional: true,
    logger: false,
    onAuth: (auth, _session, callback) => callback(null, { user: `${auth.username}:${auth.password}` }),
    onRcptTo: (_address, _session, callback) =>
      callback(refuse === null ? null : Object.assign(new Error('no'), { responseCode: refuse })),
    onData: (stream, session, callback) => {
      let text = '';
      stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope;
        mails.push({
          from: mailFrom === false ? '' : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          text,
          secure: session.secure,
          user: String(session.user ?? ''),
        });
        callback();
      });
    },
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', () => resolve());
  await promise;
  return { port: (server.server.address() as AddressInfo).port, mails };
}

async function send(port: number, message: Message, settings: Record<string, unknown> = {}): Promise<Verdict> {
  const file = {
    name: 'mail',
    channel: 'email',
    host: '127.0.0.1',
    port,
    security: 'none',
    from: 'gatemeter@example.com',
    to: ['a@example.com', 'b@example.com'],
    ...settings,
  };
  const receiver = deliveryOf({ receivers: [file] }).receivers.get('mail') as Receiver;
  return post(receiver, message, new Date(), guard(['127.0.0.0/8']));
}

test('a mail by SMTP: to all, as text, with a Message-ID that a repetition has too, in the thread of its alert', async () => {
  const { port, mails } = await startMail(null);
  const evil = { ...exampleMessage(), summary: 'Errors\r\nBcc: evil@example.com' };
  expect(await send(port, evil, { user: 'me', password: 'hidden' })).toEqual({ kind: 'delivered', status: 250 });
  await send(port, evil);
  await send(port, exampleMessage({ action: 'resolve', key: 'another' }));
  expect(mails[0]).toMatchObject({
    from: 'gatemeter@example.com',
    to: ['a@example.com', 'b@example.com'],
    user: 'me:hidden',
  });
  const ids = mails.map(({ text }) => /^Message-ID: (.*)$/im.exec(text)?.[1]?.trim());
  expect(ids[0]).toBe(ids[1]);
  expect(ids[2]).not.toBe(ids[0]);
  // A label cannot add a header, and so no reader of the mail.
  expect(mails[0]?.text.split('\r\n\r\n')[0]).not.toMatch(/^Bcc:/im);
  expect(mails[0]?.text).toMatch(/^Subject: \[page\] Errors Bcc: evil@example\.com/im);
  expect(mails[2]?.text).toMatch(/^In-Reply-To: <0011223344556677-mg0@gatemeter>/im);
  expect(mails[0]?.text).toContain('Cost per hour: 42.5');
});

test('a mail server that is busy is asked again, one that refuses is not, and none is spoken to in the open where TLS is required', async () => {
  const busy = await startMail(451);
  expect(await send(busy.port, exampleMessage())).toMatchObject({ kind: 'retry', status: 451 });
  server?.close(() => {});
  const never = await startMail(550);
  expect(await send(never.port, exampleMessage())).toMatchObject({ kind: 'dead', status: 550 });
  server?.close(() => {});
  const tls = await startMail(null);
  // The server's certificate is nobody's: STARTTLS fails, and nothing is sent without it.
  expect(await send(tls.port, exampleMessage(), { security: 'starttls' })).toMatchObject({ kind: 'retry' });
  expect(tls.mails).toEqual([]);
});

test('a mail server that is named by its address is spoken to by TLS, whose names no address may be', async () => {
  const first: unknown[] = [];
  const listening = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (chunk) => {
      first.push(chunk[0]);
      socket.destroy();
    });
  });
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  const { port } = listening.address() as AddressInfo;
  expect(await send(port, exampleMessage(), { security: 'tls' })).toMatchObject({ kind: 'retry' });
  // The first byte of a handshake (RFC 8446, 5.1).
  expect(first).toEqual([0x16]);
  await new Promise<void>((resolve) => listening.close(() => resolve()));
});
