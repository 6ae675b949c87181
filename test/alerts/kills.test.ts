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

/** Runs the evaluator in a process of its own until all is told, or until it dies; the steps it took, or null. */
async function run(through: number, killAtStep: number): Promise<number | null> {
  const delivery = {
    receivers: [{ name: 'pager', channel: 'webhook', url: pager.url, secret }],
    routes: [{ receivers: ['pager'] }],
  };
  const asked = JSON.stringify({ database: schema.config, delivery, through, killAtStep });
  const child = fork(fileURLToPath(new URL('evaluator-child.ts', import.meta.url)), [asked]);
  let steps: number | null = null;
  child.on('message', (message) => (steps = (message as { steps: number }).steps));
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  if (signal !== 'SIGKILL') expect(code).toBe(0);
  return steps;
}

test('killed at every step and started again: each alert is told and resolved, under one key each, the trigger first', async () => {
  let begin = Date.parse('2026-10-05T00:00:00Z');
  await advance(schema.db, begin);
  await run(begin, 0);
  let kills = 0;
  for (let step = 1; ; step++) {
    begin += 3 * minute;
    const tenant_id = `step-${step}`;
    // Fires with the first of three minutes that are evaluated, and is over with the second.
    await find(schema.db, { labels: { tenant_id }, from: begin, to: begin + minute });
    await advance(schema.db, begin + 2 * minute);
    const first = await run(begin + 2 * minute, step);
    if (first === null) {
      kills += 1;
      await run(begin + 2 * minute, 0);
    }
    const told = pager.received
      .map(({ headers, body }) =>
        Object.assign({ id: headers['webhook-id'] }, JSON.parse(body) as { type: string; data: Message }),
      )
      .filter(({ data }) => data.labels['tenant_id'] === tenant_id);
    const keys = [...new Set(told.map(({ type, id }) => `${type} ${String(id)}`))];
    expect(
      keys.map((key) => key.split(' ')[0]),
      `killed at step ${step}`,
    ).toEqual(['alert.trigger', 'alert.resolve']);
    // Repetitions of a trigger come before the first resolve as well.
    const types = told.map(({ type }) => type);
    expect(types.lastIndexOf('alert.trigger'), `killed at step ${step}`).toBeLessThan(types.indexOf('alert.resolve'));
    if (first !== null) break;
  }
  console.log(`kills.test.ts: killed at each of ${kills} steps`);
  // Claim, heartbeat, receivers, ticks and deliveries: two steps each, and one before each request.
  expect(kills).toBeGreaterThan(15);
  const twice = await schema.db.query(
    "SELECT notification_key FROM alert_events WHERE kind = 'notification' GROUP BY notification_key HAVING count() > 1",
  );
  expect(twice).toEqual([]);
}, 240_000);
