import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Message } from '../../alerts/message.ts';
import { guard } from '../../alerts/outgoing.ts';
import { post, repeat } from '../../alerts/post.ts';
import { exampleMessage } from '../alerts/message.ts';
import { type ReceiverServer, startReceiver } from '../alerts/receiver.ts';
import { deliveryOf } from '../alerts/stage.ts';

/*
 * What our channel says to the real Alertmanager of Debian, and what comes of it: the notifications that it sends on to a
 * webhook of ours.
 */
const program = 'prometheus-alertmanager';
const loopback = guard(['127.0.0.0/8']);
let directory: string;
let port: number;
let hook: ReceiverServer;
let process: ChildProcess;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gatemeter-alertmanager-'));
  hook = await startReceiver();
  port = await freePort();
  await writeFile(
    join(directory, 'config.yml'),
    `route: { receiver: hook, group_by: [tenant_id], group_wait: 1s, group_interval: 1s, repeat_interval: 1h }
receivers: [{ name: hook, webhook_configs: [{ url: '${hook.url}', send_resolved: true }] }]
`,
  );
  await begin();
});
afterAll(async () => {
  await end();
  await hook.close();
  await rm(directory, { recursive: true, force: true });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function begin(): Promise<void> {
  const flags = [
    `--config.file=${directory}/config.yml`,
    `--storage.path=${directory}/data`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--cluster.listen-address=',
  ];
  process = spawn(program, flags, { stdio: 'ignore' });
  await until(async () =>
    fetch(`http://127.0.0.1:${port}/-/ready`).then(
      (answer) => answer.ok,
      () => false,
    ),
  );
}

async function end(): Promise<void> {
  const ended = once(process, 'exit');
  process.kill('SIGTERM');
  await ended;
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error('it did not come to pass in 20 s');
    await pause(50);
  }
}

/** As many group intervals as make sure that nothing more comes. */
async function nothingMore(): Promise<void> {
  const before = hook.received.length;
  await pause(3_000);
  expect(hook.received.length).toBe(before);
}

function alertmanager(): Parameters<typeof repeat>[0] {
  const { receivers } = deliveryOf({
    receivers: [{ name: 'am', channel: 'alertmanager', url: `http://127.0.0.1:${port}` }],
  });
  const one = receivers.get('am');
  if (one?.channel !== 'alertmanager') throw new Error('no Alertmanager');
  return one;
}

async function say(message: Message): Promise<void> {
  expect(await post(alertmanager(), message, new Date(), loopback)).toMatchObject({ kind: 'delivered' });
}

function firing(tenant_id: string, deployment: string): Message {
  return exampleMessage({ labels: { tenant_id, deployment }, fired_at: new Date(Date.now() - 1_000).toISOString() });
}

function over(message: Message): Message {
  return { ...message, action: 'resolve', resolved_at: new Date().toISOString() };
}

async function known(tenant: string): Promise<unknown[]> {
  const answer = await fetch(`http://127.0.0.1:${port}/api/v2/alerts?filter=tenant_id%3D${tenant}`);
  return answer.json() as Promise<unknown[]>;
}

/** Notifications of one tenant: their status and how many alerts of each. */
function notified(tenant: string): string[] {
  return hook.received
    .map(
      ({ body }) =>
        JSON.parse(body) as { groupLabels: { tenant_id?: string }; status: string; alerts: { status: string }[] },
    )
    .filter(({ groupLabels }) => groupLabels.tenant_id === tenant)
    .map(
      ({ status, alerts }) =>
        `${status} ${alerts
          .map((alert) => alert.status)
          .toSorted()
          .join(',')}`,
    );
}

test('said four times, an alert is told once; it is over when we say so', async () => {
  const alert = firing('deduped', 'gpt-4o');
  for (let times = 0; times < 4; times++) await say(alert);
  await until(() => notified('deduped').length === 1);
  await repeat(alertmanager(), [alert], new Date(), loopback);
  await nothingMore();
  await say(over(alert));
  await until(() => notified('deduped').length === 2);
  expect(notified('deduped')).toEqual(['firing firing', 'resolved resolved']);
});

test('two deployments of one tenant are one notification, and one that is over is told with the other', async () => {
  const [a, b] = [firing('grouped', 'a'), firing('grouped', 'b')];
  await repeat(alertmanager(), [a, b], new Date(), loopback);
  await until(() => notified('grouped').length === 1);
  await say(over(a));
  await until(() => notified('grouped').length === 2);
  await say(over(b));
  await until(() => notified('grouped').length === 3);
  expect(notified('grouped').slice(0, 2)).toEqual(['firing firing,firing', 'firing firing,resolved']);
  expect(notified('grouped')[2]).toContain('resolved');
});

test('what is silenced there is not told', async () => {
  const run = promisify(execFile);
  await run('amtool', [
    `--alertmanager.url=http://127.0.0.1:${port}`,
    'silence',
    'add',
    '--comment=test',
    '--duration=1h',
    'tenant_id=silenced',
  ]);
  await say(firing('silenced', 'gpt-4o'));
  await nothingMore();
  expect(notified('silenced')).toEqual([]);
});

test('restarted, it has forgotten all alerts: repetition brings them back, nobody is told again, and it is over when we say so', async () => {
  const alert = firing('restarted', 'gpt-4o');
  await say(alert);
  await until(() => notified('restarted').length === 1);
  await end();
  await begin();
  expect(await known('restarted')).toEqual([]);
  await repeat(alertmanager(), [alert], new Date(), loopback);
  expect(await known('restarted')).toHaveLength(1);
  await nothingMore();
  await say(over(alert));
  await until(() => notified('restarted').length === 2);
  expect(notified('restarted')).toEqual(['firing firing', 'resolved resolved']);
});
