import { z } from '@hono/zod-openapi';
import { anomalyEpisodes, coldStartAnswers } from '#clickhouse/detection.ts';
import { detectionFeedback } from '#clickhouse/detection_tables.ts';
import { ProblemError } from '../problem.ts';
import { type App, registerWriting } from '../route.ts';
import type { Setting } from '../setting.ts';
import { argument } from '../window.ts';
import { classes } from './cold_starts.ts';

const body = {
  verdict: z.enum(['useful', 'noise']),
  comment: z.string().max(1_000).default('').describe('For those who read of it later'),
};
const ok = { description: 'Stored', content: { 'application/json': { schema: z.object({ data: z.unknown() }) } } };
const roles = ['viewer', 'on_call', 'admin'] as const;
const description = 'The verdicts are what detectors are judged by. The last one counts.';
const none = 'there is no such finding, or it is not visible to this key';

/** Whether what was found deserved to be looked at: of an anomaly, and of a cold start. */
export function detectionFeedbackRoutes(app: App, setting: Setting): void {
  const store = async (kind: string, id: string, at: Date, said: readonly [string, string, string]): Promise<void> => {
    const [fingerprint = ''] = id.split('-');
    await setting.db.insert(detectionFeedback, JSON.stringify([kind, fingerprint, argument(at), ...said]));
  };
  const ofAnomaly = {
    method: 'post',
    path: '/v1/anomalies/{anomaly_id}/feedback',
    summary: 'Whether an anomaly was worth telling',
    description,
    roles,
    body,
    params: { anomaly_id: idOf(10, 'anomaly_id of /v1/anomalies') },
    ok,
  } as const;
  registerWriting(app, ofAnomaly, async (c, { verdict, comment }, { anomaly_id }) => {
    const { name, visibleTenants } = c.get('principal');
    const at = new Date(1_000 * Number(anomaly_id.split('-')[1]));
    const window = { from: argument(new Date(at.getTime() - 1)), to: argument(at) };
    const filters = { visible_tenants: [...visibleTenants], tenant_id: [], rule: [] };
    const found = await setting.db.read(anomalyEpisodes, { ...window, ...filters }, { columns: ['anomaly_id'] });
    if (!found.some((one) => one.anomaly_id === anomaly_id)) throw new ProblemError('not_found', none);
    await store('anomaly', anomaly_id, at, [verdict, name, comment]);
    return c.json({ data: { anomaly_id, verdict } });
  });
  const ofColdStart = {
    method: 'post',
    path: '/v1/cold-starts/{cold_start_id}/feedback',
    summary: 'Whether a cold start was one, and worth telling',
    description,
    roles,
    body,
    params: { cold_start_id: idOf(13, 'cold_start_id of /v1/cold-starts') },
    ok,
  } as const;
  registerWriting(app, ofColdStart, async (c, { verdict, comment }, { cold_start_id }) => {
    const { name, visibleTenants } = c.get('principal');
    const at = new Date(Number(cold_start_id.split('-')[1]));
    const window = { from: argument(at), to: argument(new Date(at.getTime() + 1)) };
    // Every class by name, because none means all but the tails.
    const filters = { visible_tenants: [...visibleTenants], tenant_id: [], deployment: [], class: [...classes] };
    const found = await setting.db.read(coldStartAnswers, { ...window, ...filters }, { columns: ['cold_start_id'] });
    if (!found.some((one) => one.cold_start_id === cold_start_id)) throw new ProblemError('not_found', none);
    await store('cold_start', cold_start_id, at, [verdict, name, comment]);
    return c.json({ data: { cold_start_id, verdict } });
  });
}

function idOf(digits: number, where: string): z.ZodString {
  return z
    .string()
    .regex(new RegExp(`^[0-9a-f]{16}-[0-9]{${digits}}$`), `is not an id; it is the ${where}`)
    .describe(where);
}
