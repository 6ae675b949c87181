import { z } from '@hono/zod-openapi';
import { randomUUID } from 'node:crypto';
import { alertRoutes as table } from '#clickhouse/alert_tables.ts';
import { alertRoutesKnown, receiversKnown } from '#clickhouse/alerts.ts';
import { rowSchema } from '../answer.ts';
import { ProblemError, refuse } from '../problem.ts';
import { type App, register, registerWriting } from '../route.ts';
import type { Setting } from '../setting.ts';
import { matchers } from './silences.ts';

const route = z.object({ data: rowSchema(alertRoutesKnown.columns) });
const ok = { description: 'The route', content: { 'application/json': { schema: route } } };

/** Who is told of which alert. */
export function alertRoutesRoutes(app: App, setting: Setting): void {
  const listing = {
    path: '/v1/alert-routes',
    summary: 'Who is told of which alert',
    description:
      'In the order in which they are looked at; those of the file of the evaluator come after them. `meta.receivers` are those of the file, without their addresses.',
    roles: ['on_call', 'admin'],
    query: {},
    params: {},
    ok: {
      description: 'The routes',
      content: {
        'application/json': {
          schema: z.object({
            data: z.array(rowSchema(alertRoutesKnown.columns)),
            meta: z.object({ receivers: z.array(rowSchema(receiversKnown.columns)) }),
          }),
        },
      },
    },
  } as const;
  register(app, listing, async (c) => {
    const orderBy = (['position', 'route_id'] as const).map((column) => ({ column, descending: false }));
    const [routes, receivers] = await Promise.all([
      setting.db.read(alertRoutesKnown, {}, { orderBy }),
      setting.db.read(receiversKnown, {}, { orderBy: [{ column: 'receiver', descending: false }] }),
    ]);
    return c.json({ data: routes, meta: { receivers } });
  });
  making(app, setting);
  withdrawing(app, setting);
}

function making(app: App, setting: Setting): void {
  const posting = {
    method: 'post',
    path: '/v1/alert-routes',
    summary: 'Tell a receiver of some alerts',
    description:
      'No matcher matches all alerts. The first route that matches decides, and those after it only where it goes on. Receivers have secrets and stand in the file of the evaluator.',
    roles: ['admin'],
    body: {
      matchers,
      receivers: z.array(z.string()).min(1).max(20),
      goes_on: z.boolean().default(false).describe('Whether later routes are looked at too'),
      position: z.number().int().min(0).max(1_000_000).default(100).describe('Smaller ones are looked at first'),
    },
    params: {},
    ok,
  } as const;
  registerWriting(app, posting, async (c, given) => {
    const known = new Set((await setting.db.read(receiversKnown, {})).map((row) => row.receiver));
    const missing = given.receivers.filter((name) => !known.has(name));
    if (missing.length > 0) {
      throw refuse(
        'receivers',
        `${missing.join(', ')} is not in the file of the evaluator; it has: ${[...known].join(', ')}`,
      );
    }
    const id = randomUUID();
    const author = c.get('principal').name;
    const row = [id, given.matchers, given.receivers, given.goes_on, given.position, author, false];
    await setting.db.insert(table, JSON.stringify(row));
    return c.json({ data: await one(setting, id) });
  });
}

function withdrawing(app: App, setting: Setting): void {
  const deleting = {
    method: 'delete',
    path: '/v1/alert-routes/{route_id}',
    summary: 'Withdraw a route',
    description: 'What was told by it is still resolved.',
    roles: ['admin'],
    body: null,
    params: { route_id: z.string().max(64) },
    ok,
  } as const;
  registerWriting(app, deleting, async (c, _given, { route_id }) => {
    const now = await one(setting, route_id);
    const row = [route_id, now.matchers, now.receivers, now.goes_on, now.position, c.get('principal').name, true];
    await setting.db.insert(table, JSON.stringify(row));
    return c.json({ data: now });
  });
}

async function one(setting: Setting, id: string) {
  const found = (await setting.db.read(alertRoutesKnown, {})).find((row) => row.route_id === id);
  if (found === undefined) throw new ProblemError('not_found', 'there is no such route; /v1/alert-routes has them');
  return found;
}
