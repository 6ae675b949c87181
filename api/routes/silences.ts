import { z } from '@hono/zod-openapi';
import { randomUUID } from 'node:crypto';
import { silences } from '#clickhouse/alert_tables.ts';
import { silencesKnown } from '#clickhouse/alerts.ts';
import { parseMatcher } from '#common/matcher.ts';
import { rowSchema } from '../answer.ts';
import { ProblemError, refuse } from '../problem.ts';
import { type App, register, registerWriting } from '../route.ts';
import type { Setting } from '../setting.ts';
import { moment } from '../window.ts';

const longestMs = 366 * 86_400_000;

/** Conditions on labels, rule and severity, as Alertmanager writes them. */
export const matchers = z
  .array(
    z.string().superRefine((text, context) => {
      const parsed = parseMatcher(text);
      if (parsed.kind === 'refused') context.addIssue({ code: 'custom', message: parsed.reason });
    }),
  )
  .max(20)
  .openapi({ example: ['rule="latency"', 'tenant_id=~"retail|travel"'] });

const silence = z.object({ data: rowSchema(silencesKnown.columns) });
const ok = { description: 'The silence', content: { 'application/json': { schema: silence } } };

/** What on-call does not want to hear of for a while. Nothing is deleted: a withdrawn silence can still be looked up. */
export function silencesRoutes(app: App, setting: Setting): void {
  const listing = {
    path: '/v1/silences',
    summary: 'Silences, newest first',
    description: 'With those that ended within the last day; `expired=true` gives all that there ever were.',
    roles: ['on_call', 'admin'],
    query: { expired: z.enum(['true', 'false']).default('false') },
    params: {},
    ok: {
      description: 'The silences',
      content: { 'application/json': { schema: z.object({ data: z.array(rowSchema(silencesKnown.columns)) }) } },
    },
  } as const;
  register(app, listing, async (c, given) => {
    const orderBy = [{ column: 'created_at', descending: true }] as const;
    return c.json({ data: await setting.db.read(silencesKnown, { expired: given.expired === 'true' }, { orderBy }) });
  });
  making(app, setting);
  withdrawing(app, setting);
}

function making(app: App, setting: Setting): void {
  const route = {
    method: 'post',
    path: '/v1/silences',
    summary: 'Keep the triggers of some alerts back for a while',
    description:
      'Alerts are evaluated and kept all the same. One that fires meanwhile is told when the silence ends; one that was told before is still resolved. At least one matcher, at most a year.',
    roles: ['on_call', 'admin'],
    body: {
      matchers: matchers.min(1),
      starts_at: moment.optional().describe('Default: now'),
      ends_at: moment,
      comment: z.string().min(1).max(1_000).describe('Why; it is there for those who wonder later'),
    },
    params: {},
    ok,
  } as const;
  registerWriting(app, route, async (c, given) => {
    const starts = given.starts_at ?? setting.now();
    const ends = given.ends_at;
    if (ends <= starts) throw refuse('ends_at', 'must be after starts_at');
    if (ends <= setting.now()) throw refuse('ends_at', 'is in the past');
    if (ends.getTime() - starts.getTime() > longestMs) throw refuse('ends_at', 'is more than a year after starts_at');
    const id = randomUUID();
    const author = c.get('principal').name;
    const row = [id, given.matchers, starts.toISOString(), ends.toISOString(), author, given.comment, false];
    await setting.db.insert(silences, JSON.stringify(row));
    return c.json({ data: await one(setting, id) });
  });
}

function withdrawing(app: App, setting: Setting): void {
  const route = {
    method: 'delete',
    path: '/v1/silences/{silence_id}',
    summary: 'End a silence',
    description: 'What it kept back and still fires is told within seconds.',
    roles: ['on_call', 'admin'],
    body: null,
    params: { silence_id: z.string().max(64) },
    ok,
  } as const;
  registerWriting(app, route, async (c, _given, { silence_id }) => {
    const now = await one(setting, silence_id);
    const row = [silence_id, now.matchers, now.starts_at, now.ends_at, c.get('principal').name, now.comment, true];
    await setting.db.insert(silences, JSON.stringify(row));
    return c.json({ data: await one(setting, silence_id) });
  });
}

async function one(setting: Setting, id: string) {
  const found = (await setting.db.read(silencesKnown, { expired: true })).find((row) => row.silence_id === id);
  if (found === undefined) throw new ProblemError('not_found', 'there is no such silence; /v1/silences has them');
  return found;
}
