import { z } from '@hono/zod-openapi';
import { randomUUID } from 'node:crypto';
import { calendarKnown, detectorParametersKnown } from '#clickhouse/detection.ts';
import { detectionCalendar, detectorParameters } from '#clickhouse/detection_tables.ts';
import { rowSchema } from '../answer.ts';
import { ProblemError, refuse } from '../problem.ts';
import { type App, register, registerWriting } from '../route.ts';
import type { Setting } from '../setting.ts';
import { argument, moment } from '../window.ts';

const longestMs = 366 * 86_400_000;
const reason = z.string().min(1).max(1_000).describe('Why; it is there for those who wonder later');
const roles = ['on_call', 'admin'] as const;

const period = rowSchema(calendarKnown.columns);
const parameter = rowSchema(detectorParametersKnown.columns);

function answer<T extends z.ZodType>(description: string, data: T) {
  return { description, content: { 'application/json': { schema: z.object({ data }) } } } as const;
}

/** What the detectors are told by people: when not to look, and what to compare with. */
export function detectorsRoutes(app: App, setting: Setting): void {
  const listing = {
    path: '/v1/detection-calendar',
    summary: 'Holidays and maintenance, the latest first',
    description: 'Nothing is detected in traffic while they last, and nothing is learned from them.',
    roles,
    query: {},
    params: {},
    ok: answer('The periods, with those that were withdrawn', z.array(period)),
  } as const;
  register(app, listing, async (c) => {
    const orderBy = [{ column: 'starts_at', descending: true }] as const;
    return c.json({ data: await setting.db.read(calendarKnown, {}, { orderBy }) });
  });
  planning(app, setting);
  withdrawing(app, setting);
  parameters(app, setting);
}

function planning(app: App, setting: Setting): void {
  const route = {
    method: 'post',
    path: '/v1/detection-calendar',
    summary: 'Say when traffic is expected to differ',
    description:
      'Of one deployment, one tenant or all. What was found before stays; an alert that fires already is over when its rule says so. At most a year.',
    roles,
    body: {
      kind: z.enum(['holiday', 'maintenance']),
      tenant_id: z.string().max(256).default('').describe('Empty: of all tenants'),
      deployment: z.string().max(256).default('').describe('Empty: all deployments of the tenant'),
      starts_at: moment,
      ends_at: moment,
      reason,
    },
    params: {},
    ok: answer('The period', period),
  } as const;
  registerWriting(app, route, async (c, given) => {
    const { starts_at: starts, ends_at: ends } = given;
    if (ends <= starts) throw refuse('ends_at', 'must be after starts_at');
    if (ends.getTime() - starts.getTime() > longestMs) throw refuse('ends_at', 'is more than a year after starts_at');
    if (given.deployment !== '' && given.tenant_id === '') throw refuse('tenant_id', 'is needed beside a deployment');
    const id = randomUUID();
    const about = [given.tenant_id, given.deployment, given.kind, argument(starts), argument(ends)];
    const row = [id, ...about, false, c.get('principal').name, given.reason];
    await setting.db.insert(detectionCalendar, JSON.stringify(row));
    return c.json({ data: await one(setting, id) });
  });
}

function withdrawing(app: App, setting: Setting): void {
  const route = {
    method: 'delete',
    path: '/v1/detection-calendar/{period_id}',
    summary: 'Withdraw a holiday or a maintenance',
    description: 'From the next tick on its time is looked at like any other.',
    roles,
    body: null,
    params: { period_id: z.string().max(64) },
    ok: answer('The period', period),
  } as const;
  registerWriting(app, route, async (c, _given, { period_id }) => {
    const { tenant_id, deployment, kind, starts_at, ends_at, reason: why } = await one(setting, period_id);
    const row = [period_id, tenant_id, deployment, kind, starts_at, ends_at, true, c.get('principal').name, why];
    await setting.db.insert(detectionCalendar, JSON.stringify(row));
    return c.json({ data: await one(setting, period_id) });
  });
}

async function one(setting: Setting, id: string) {
  const found = (await setting.db.read(calendarKnown, {})).find((row) => row.period_id === id);
  if (found !== undefined) return found;
  throw new ProblemError('not_found', 'there is no such period; /v1/detection-calendar has them');
}

function parameters(app: App, setting: Setting): void {
  const now = () => ({ at: argument(setting.now()) });
  const listing = {
    path: '/v1/detector-parameters',
    summary: 'What the detectors compare with, and why',
    description: 'As it holds now; the unit is in the reason. What each means: docs/detection.md.',
    roles,
    query: {},
    params: {},
    ok: answer('The parameters by name', z.array(parameter)),
  } as const;
  register(app, listing, async (c) => {
    const orderBy = [{ column: 'name', descending: false }] as const;
    return c.json({ data: await setting.db.read(detectorParametersKnown, now(), { orderBy }) });
  });
  const changing = {
    method: 'post',
    path: '/v1/detector-parameters',
    summary: 'Compare with something else from now on',
    description: 'A new version of one parameter. What was found before keeps the version that it was found with.',
    roles: ['admin'],
    body: { name: z.string().max(128), value: z.number().min(0).max(1e12), reason },
    params: {},
    ok: answer('The parameter', parameter),
  } as const;
  registerWriting(app, changing, async (c, { name, value, reason: why }) => {
    const known = (await setting.db.read(detectorParametersKnown, now())).find((row) => row.name === name);
    if (known === undefined) throw refuse('name', 'is no parameter; GET /v1/detector-parameters has them');
    const row = [name, known.version + 1, value, now().at, null, c.get('principal').name, why];
    await setting.db.insert(detectorParameters, JSON.stringify(row));
    const latest = (await setting.db.read(detectorParametersKnown, now())).find((it) => it.name === name);
    return c.json({ data: latest ?? known });
  });
}
