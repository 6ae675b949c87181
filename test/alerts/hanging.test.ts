import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSchema, type Schema } from '../ingest/schema.ts';
import { type ReceiverServer, startReceiver } from './receiver.ts';
import { advance, deliveryOf, evaluatorOf, find, preparePretended, round } from './stage.ts';

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

test('a receiver that hangs holds up itself alone: others are told meanwhile, and then it is told too', async () => {
  const { db } = schema;
  const begin = Date.parse('2026-10-01T00:00:00Z');
  const held: ServerResponse[] = [];
  let hanging = true;
  const slow = createServer((request, response) => {
    request.resume();
    if (hanging) held.push(response);
    else response.end();
  });
  await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve));
  const { port } = slow.address() as AddressInfo;
  const hook = { channel: 'webhook', secret };
  const both = deliveryOf({
    receivers: [
      { ...hook, name: 'slow', url: `http://127.0.0.1:${port}` },
      { ...hook, name: 'pager', url: pager.url },
    ],
    routes: [{ receivers: ['slow', 'pager'] }],
  });
  const evaluator = evaluatorOf(db, both);
  for (const [index, tenant_id] of ['first', 'second'].entries()) {
    await find(db, { labels: { tenant_id }, from: begin + index * minute, to: begin + 9 * minute });
    await advance(db, begin + index * minute);
    await round(evaluator);
    expect(pager.received.at(-1)?.body).toContain(`"tenant_id":"${tenant_id}"`);
  }
  // Nobody has waited for its timeout.
  expect(held.length).toBeGreaterThan(0);
  expect(held.every((response) => !response.destroyed)).toBe(true);
  hanging = false;
  for (const response of held) response.end();
  await evaluator.rest();
  while (evaluator.dispatcher.waiting > 0) await evaluator.deliver();
  slow.closeAllConnections();
  slow.close();
});
