import { z } from '@hono/zod-openapi';
import { deliveryReplays } from '#clickhouse/alert_tables.ts';
import { deliveries } from '#clickhouse/alerts.ts';
import { rowSchema } from '../answer.ts';
import { type App, register, registerWriting } from '../route.ts';
import type { Setting } from '../setting.ts';
import { argument } from '../window.ts';

const rememberedMs = 30 * 86_400_000;
const listedMax = 1_000;
const outcomes = ['delivered', 'retry', 'dead', 'skipped', 'replay'] as const;

/** Whether notifications arrive, and a second chance for those that did not. */
export function deliveriesRoutes(app: App, setting: Setting): void {
  const listing = {
    path: '/v1/deliveries',
    summary: 'Where the delivery of each notification stands',
    description:
      'Of the last 30 days, newest first, at most 1,000. `dead` was given up, `skipped` was not attempted because its trigger was given up, `replay` is to be attempted again.',
    roles: ['on_call', 'admin'],
    query: { outcome: z.enum(outcomes).optional(), receiver: z.string().optional() },
    params: {},
    ok: {
      description: 'The deliveries',
      content: { 'application/json': { schema: z.object({ data: z.array(rowSchema(deliveries.columns)) }) } },
    },
  } as const;
  register(app, listing, async (c, given) => {
    const rows = (await known(setting)).filter(
      (row) =>
        (given.outcome === undefined || row.outcome === given.outcome) &&
        (given.receiver === undefined || row.receiver === given.receiver),
    );
    return c.json({ data: rows.slice(0, listedMax) });
  });
  const replaying = {
    method: 'post',
    path: '/v1/deliveries/replay',
    summary: 'Deliver again what was given up',
    description:
      'In the order of its alerts, under the keys that it had. What is for a receiver or of an alert, or all of it. May be repeated: what has arrived is left alone.',
    roles: ['on_call', 'admin'],
    body: {
      receiver: z.string().optional().describe('Only what was for this receiver'),
      alert_id: z.string().optional().describe('Only of this alert'),
    },
    params: {},
    ok: {
      description: 'Asked for',
      content: { 'application/json': { schema: z.object({ data: z.object({ replayed: z.number().int() }) }) } },
    },
  } as const;
  registerWriting(app, replaying, async (c, given) => {
    const wanted = (await known(setting)).filter(
      (row) =>
        (row.outcome === 'dead' || row.outcome === 'skipped') &&
        (given.receiver === undefined || row.receiver === given.receiver) &&
        (given.alert_id === undefined || row.alert_id === given.alert_id),
    );
    const author = c.get('principal').name;
    const lines = wanted.map((row) => JSON.stringify([row.notification_key, row.receiver, author]));
    if (lines.length > 0) await setting.db.insert(deliveryReplays, lines.join('\n'));
    return c.json({ data: { replayed: lines.length } });
  });
}

async function known(setting: Setting) {
  const since = argument(new Date(setting.now().getTime() - rememberedMs));
  return setting.db.read(deliveries, { since }, { orderBy: [{ column: 'last_at', descending: true }] });
}
