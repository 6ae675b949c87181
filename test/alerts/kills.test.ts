import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Message } from '../../alerts/message.ts';
import { openSchema, type Schema } from '../ingest/schema.ts';
import { type ReceiverServer, startReceiver } from './receiver.ts';
import { advance, find, preparePretended } from './stage.ts';

const minute = 60_000;
const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
let schema: Schema;
let pager: ReceiverServer;
beforeAll(async () => {
  schema = await openSchema();
  await preparePretended(schema.db);
  pager = await startReceiver();
});
afterAll(async () => {
  await pager.close();
  await schema.close();
});

/**
 * Runs evaluators in a process of its own: one that finishes what was begun before, then, after `meanwhile`, one that
 * evaluates up to an instant or dies at a step; true when it died.
 */
async function run(through: number, killAtStep: number, meanwhile: () => Promise<void>): Promise<boolean> {
  const delivery = {
    receivers: [{ name: 'pager', channel: 'webhook', url: pager.url, secret }],
    routes: [{ receivers: ['pager'] }],
  };
  const asked = JSON.stringify({ database: schema.config, delivery, through, killAtStep });
  const child = fork(fileURLToPath(new URL('evaluator-child.ts', import.meta.url)), [asked]);
  const ended = once(child, 'exit') as Promise<[number | null, string | null]>;
  expect((await once(child, 'message'))[0]).toBe('recovered');
  await meanwhile();
  child.send('go on');
  const [code, signal] = await ended;
  if (signal !== 'SIGKILL') expect([code, signal]).toEqual([0, null]);
  return signal === 'SIGKILL';
}

/** Types and keys of what was told of a tenant's alert, in order. */
function told(tenant: string): { type: string; id: string }[] {
  return pager.received
    .map(({ headers, body }) =>
      Object.assign({ id: String(headers['webhook-id']) }, JSON.parse(body) as { type: string; data: Message }),
    )
    .filter(({ data }) => data.labels['tenant_id'] === tenant)
    .map(({ type, id }) => ({ type, id }));
}

function expectToldInOrder(step: number): void {
  const all = told(`step-${step}`);
  const keys = [...new Set(all.map(({ type, id }) => `${type} ${id}`))];
  expect(
    keys.map((key) => key.split(' ')[0]),
    `killed at step ${step}`,
  ).toEqual(['alert.trigger', 'alert.resolve']);
  // Repetitions of a trigger come before the first resolve as well.
  const types = all.map(({ type }) => type);
  expect(types.lastIndexOf('alert.trigger'), `killed at step ${step}`).toBeLessThan(types.indexOf('alert.resolve'));
}

test('killed at every step and started again: each alert is told and resolved, under one key each, the trigger first', async () => {
  let begin = Date.parse('2026-10-05T00:00:00Z');
  await advance(schema.db, begin);
  let kills = 0;
  for (let step = 1, died = true; died; step++) {
    begin += 3 * minute;
    const { db } = schema;
    const from = begin;
    // Fires with the first of three minutes that are evaluated, and is over with the second.
    died = await run(begin + 2 * minute, step, async () => {
      // What the kill before this one left was finished by the process that came after it.
      if (step > 1) expectToldInOrder(step - 1);
      await find(db, { labels: { tenant_id: `step-${step}` }, from, to: from + minute });
      await advance(db, from + 2 * minute);
    });
    if (died) kills += 1;
    else expectToldInOrder(step);
  }
  console.log(`kills.test.ts: killed at each of ${kills} steps, ${pager.received.length} requests`);
  // Claim, heartbeat, receivers, ticks and deliveries: two steps each, and one before each request.
  expect(kills).toBeGreaterThan(15);
  const twice = await schema.db.query(
    "SELECT notification_key FROM alert_events WHERE kind = 'notification' GROUP BY notification_key HAVING count() > 1",
  );
  expect(twice).toEqual([]);
}, 240_000);
