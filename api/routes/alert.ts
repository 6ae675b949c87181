import { z } from '@hono/zod-openapi';
import { acknowledgements, alertFeedback } from '#clickhouse/alert_tables.ts';
import { alertHistory, alerts } from '#clickhouse/alerts.ts';
import type { Row } from '#clickhouse/view.ts';
import { rowSchema } from '../answer.ts';
import { ProblemError } from '../problem.ts';
import { type App, type AskedContext, register, registerWriting } from '../route.ts';
import type { Setting } from '../setting.ts';
import { alertArguments, alertSchema, shown } from './alerts.ts';

const alertId = z
  .string()
  .regex(/^[0-9a-f]{16}-[0-9a-z]{1,12}$/, 'is not the id of an alert; /v1/alerts has them')
  .describe('alert_id of /v1/alerts')
  .openapi({ example: '8f14e45fceea167a-mh2x4c00' });
const comment = z.string().max(1_000).default('').describe('For those who read of it later');
const done = { description: 'Stored', content: { 'application/json': { schema: z.object({ data: z.unknown() }) } } };

/** One alert with all that happened to it, and the two things that people say of it. */
export function alertRoutes(app: App, setting: Setting): void {
  const history = z
    .array(rowSchema(alertHistory.columns))
    .describe('Turns, notifications and every attempt to deliver');
  const route = {
    path: '/v1/alerts/{alert_id}',
    summary: 'One alert with its history and its delivery log',
    description: 'An alert of another tenant answers like one that does not exist.',
    roles: ['viewer', 'on_call', 'admin'],
    query: {},
    params: { alert_id: alertId },
    ok: {
      description: 'The alert',
      content: { 'application/json': { schema: z.object({ data: alertSchema.extend({ history }) }) } },
    },
  } as const;
  register(app, route, async (c, _given, { alert_id }) => {
    const alert = await visibleAlert(c, setting, alert_id);
    const rows = await setting.db.read(alertHistory, { alert_id }, { orderBy: [{ column: 'at', descending: false }] });
    return c.json({ data: { ...shown(alert), history: rows } });
  });
  acknowledging(app, setting);
  judging(app, setting);
}

function acknowledging(app: App, setting: Setting): void {
  const route = {
    method: 'post',
    path: '/v1/alerts/{alert_id}/acknowledge',
    summary: 'Somebody looks at it',
    description:
      'Receivers that know the word are told within seconds, and nobody else is. It holds for this episode; the next is a new alert. The first acknowledgement counts.',
    roles: ['on_call', 'admin'],
    body: { comment },
    params: { alert_id: alertId },
    ok: done,
  } as const;
  registerWriting(app, route, async (c, given, { alert_id }) => {
    const alert = await visibleAlert(c, setting, alert_id);
    if (alert.status !== 'firing') {
      throw new ProblemError('conflict', `this alert is ${alert.status}; only one that fires can be acknowledged`);
    }
    const author = c.get('principal').name;
    await setting.db.insert(acknowledgements, JSON.stringify([alert_id, author, given.comment]));
    return c.json({ data: { alert_id, acknowledged_by: author } });
  });
}

function judging(app: App, setting: Setting): void {
  const route = {
    method: 'post',
    path: '/v1/alerts/{alert_id}/feedback',
    summary: 'Whether it deserved its notification',
    description: 'The verdicts are what detectors are judged by. The last one of an alert counts.',
    roles: ['viewer', 'on_call', 'admin'],
    body: { verdict: z.enum(['useful', 'noise']), comment },
    params: { alert_id: alertId },
    ok: done,
  } as const;
  registerWriting(app, route, async (c, given, { alert_id }) => {
    await visibleAlert(c, setting, alert_id);
    const author = c.get('principal').name;
    await setting.db.insert(alertFeedback, JSON.stringify([alert_id, given.verdict, author, given.comment]));
    return c.json({ data: { alert_id, verdict: given.verdict } });
  });
}

async function visibleAlert(c: AskedContext, setting: Setting, id: string): Promise<Row<(typeof alerts)['columns']>> {
  const ever = { from: new Date(86_400_000), to: new Date(Date.UTC(2105, 0)) };
  const args = alertArguments(ever, c.get('principal').visibleTenants, { alert_id: [id] });
  const [found] = await setting.db.read(alerts, args);
  if (found === undefined)
    throw new ProblemError('not_found', 'there is no such alert, or it is not visible to this key');
  return found;
}
