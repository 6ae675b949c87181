import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Alert, newAlert } from '../../alerts/alert.ts';
import { guard } from '../../alerts/outgoing.ts';
import { type LastTick, Repeater } from '../../alerts/repeater.ts';
import { exampleMessage } from './message.ts';
import { type ReceiverServer, startReceiver } from './receiver.ts';
import { deliveryOf } from './stage.ts';

const minute = 60_000;
const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const begin = Date.parse('2026-10-01T00:00:00Z');
let server: ReceiverServer;
let now = begin;
let isSettled = true;
let said: string[] = [];
beforeEach(async () => {
  server = await startReceiver();
  now = begin;
  isSettled = true;
  said = [];
});
afterEach(async () => server.close());

function repeater(): Repeater {
  const delivery = deliveryOf({
    receivers: [
      { name: 'am', channel: 'alertmanager', url: `${server.url}/am` },
      { name: 'beat', channel: 'webhook', url: `${server.url}/beat`, secret },
    ],
    watchdog: [{ receiver: 'beat', every_seconds: 60 }],
  });
  return new Repeater({
    delivery,
    guard: guard(delivery.private_addresses),
    notify: (notice) => said.push(notice),
    now: () => now,
    dispatcher: { settled: () => isSettled },
  });
}

function alertOf(status: 'firing' | 'inactive', resolvedAt: number | null): Alert {
  const found = {
    rule: 'latency',
    version: 1,
    labels: { tenant_id: 'retail' },
    state: 'firing',
    severity: 'page',
    started_at: '2026-10-01T00:00:00.000Z',
    observed: 1,
    expected: 1,
    unit: '',
    score: 1,
    cost_per_hour: null,
    affected: [],
    evidence: '{}',
    confidence: 1,
  };
  const fresh = newAlert(found, '0011223344556677');
  return { ...fresh, id: 'a', notified: ['am'], state: { ...fresh.state, status, firedAt: begin, resolvedAt } };
}

async function rounds(alert: Alert, minutes: number, last: () => LastTick): Promise<number> {
  const one = repeater();
  for (let passed = 0; passed < minutes; passed++) {
    await one.round([alert], () => exampleMessage(), last());
    // Rounds come more often than anything is to be said.
    await one.round([alert], () => exampleMessage(), last());
    now += minute;
  }
  return server.received.filter(({ path }) => path.startsWith('/am')).length;
}

const fresh = (): LastTick => ({ evaluatedAt: now - minute, recordedAt: now });

test('an Alertmanager hears of what fires once a minute, and of what is over for a quarter of an hour', async () => {
  expect(await rounds(alertOf('firing', null), 20, fresh)).toBe(20);
  server.received.length = 0;
  expect(await rounds(alertOf('inactive', now), 20, fresh)).toBe(15);
});

test('nothing is repeated that was not told yet, or that is told to somebody else: a repetition overtakes nothing', async () => {
  isSettled = false;
  expect(await rounds(alertOf('firing', null), 3, fresh)).toBe(0);
  isSettled = true;
  expect(await rounds({ ...alertOf('firing', null), notified: ['beat'] }, 3, fresh)).toBe(0);
});

test('the watchdog says once a minute that alerts are evaluated, and is silent when they are not', async () => {
  const standing = { evaluatedAt: begin, recordedAt: begin };
  await rounds(alertOf('firing', null), 3, fresh);
  expect(server.received.filter(({ path }) => path === '/beat')).toHaveLength(3);
  server.received.length = 0;
  now = begin;
  // The last evaluation that is stored was at the beginning: after three minutes nothing is said any more.
  await rounds(alertOf('firing', null), 10, () => standing);
  expect(server.received.filter(({ path }) => path === '/beat')).toHaveLength(4);
  expect(new Set(said)).toEqual(new Set(['watchdog_withheld']));
});

test('a watchdog or an Alertmanager that does not answer is said so, and asked again the next minute', async () => {
  server.answer = () => ({ status: 503 });
  await rounds(alertOf('firing', null), 2, fresh);
  expect(said).toEqual(['repeat_failed', 'watchdog_failed', 'repeat_failed', 'watchdog_failed']);
});
