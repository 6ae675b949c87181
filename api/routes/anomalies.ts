import { z } from '@hono/zod-openapi';
import { anomalyEpisodes, contributors, measuredThrough } from '#clickhouse/detection.ts';
import type { Row } from '#clickhouse/view.ts';
import { evidence, nextCursor, rowSchema } from '../answer.ts';
import { exported, formatOf, refuseCursor } from '../export.ts';
import { accepted, type App, listResponse, register } from '../route.ts';
import type { Setting } from '../setting.ts';
import { argument, cursorAfter, windowOf, windowShape } from '../window.ts';

const path = '/v1/anomalies';
const limits = { normal: 50, maximum: 1_000 };
/** Each costs a reading of three windows of calls. */
const explainedMax = 20;

const several = z
  .union([z.string(), z.array(z.string())])
  .transform((given) => (typeof given === 'string' ? [given] : given))
  .optional();

/** What a rule's finding is made of; null where there is nothing to divide among callers. */
const measures: Readonly<Record<string, string>> = {
  request_spike: 'calls',
  token_spike: 'tokens',
  cost_spike: 'tokens',
  error_burst: 'failed',
  throttle_burst: 'throttled',
  silence: 'missing',
};

type Episode = Row<(typeof anomalyEpisodes)['columns']>;

const { from, to, limit, cursor, format } = windowShape(limits);
const contributor = rowSchema(contributors.columns);
const row = rowSchema(anomalyEpisodes.columns).extend({
  evidence,
  contributors: z
    .array(contributor)
    .nullable()
    .describe(
      `What explains at least half of the difference to a day and a week before, the best first; empty where nothing does, null where it was not asked: for rules that nobody contributes to, and beyond the first ${explainedMax} rows`,
    ),
});
const route = {
  path,
  summary: 'What differed from what was expected',
  description:
    'What was found in traffic (spikes, bursts, slowness, silence) and in platform metrics, one row per time that it lasted, the newest first; what the other rules find is in /v1/alerts. They are stored when they are found: of what is later than `evaluated_through` nothing is known yet, and null says that nobody has looked at all.',
  roles: ['viewer', 'on_call', 'admin'],
  query: {
    from,
    to,
    limit,
    cursor,
    format,
    tenant_id: several.describe('Only these tenants; repeat the parameter to allow several'),
    rule: several.describe('Only these rules; repeat the parameter to allow several'),
  },
  params: {},
  ok: listResponse(
    row,
    z.object({
      from: z.iso.datetime(),
      to: z.iso.datetime(),
      evaluated_through: z.iso.datetime().nullable(),
      next_cursor: nextCursor,
    }),
  ),
} as const;

/** What was detected, with what explains it. */
export function anomaliesRoute(app: App, setting: Setting): void {
  register(app, route, async (c, given) => {
    const window = accepted(windowOf(path, given, setting.now()));
    const args = {
      from: argument(window.from),
      to: argument(window.to),
      visible_tenants: [...c.get('principal').visibleTenants],
      tenant_id: given.tenant_id ?? [],
      rule: given.rule ?? [],
    };
    const orderBy = [
      { column: 'last_seen_at', descending: true },
      { column: 'rule', descending: false },
      { column: 'labels', descending: false },
    ] as const;
    const wanted = formatOf(c, given.format);
    if (wanted !== 'json') {
      refuseCursor(given.cursor);
      const columns = Object.keys(anomalyEpisodes.columns) as (keyof typeof anomalyEpisodes.columns)[];
      return exported(c, setting, {
        name: 'anomalies',
        format: wanted,
        view: anomalyEpisodes,
        args,
        selection: { columns, orderBy, ...(given.limit === undefined ? {} : { limit: given.limit }) },
        completeThrough: null,
      });
    }
    const most = given.limit ?? limits.normal;
    const offset = window.position?.offset ?? 0;
    // Before the rows, so that it never promises more than they hold.
    const [measured] = await setting.db.read(measuredThrough, { at: argument(setting.now()) });
    const rows = await setting.db.read(anomalyEpisodes, args, { orderBy, limit: most + 1, offset });
    const told = await Promise.all(
      rows.slice(0, most).map(async (episode, index) =>
        Object.assign(episode, {
          evidence: JSON.parse(episode.evidence) as unknown,
          contributors: index < explainedMax ? await explained(setting, episode) : null,
        }),
      ),
    );
    c.header('Vary', 'Accept');
    const meta = {
      from: window.from.toISOString(),
      to: window.to.toISOString(),
      evaluated_through: measured?.findings ?? null,
      next_cursor: rows.length > most ? cursorAfter(window, { offset: offset + most }) : null,
    };
    return c.json({ data: told, meta });
  });
}

async function explained(setting: Setting, episode: Episode): Promise<Row<(typeof contributors)['columns']>[] | null> {
  const measure = measures[episode.rule];
  if (measure === undefined || episode.tenant_id === '' || episode.deployment === '') return null;
  return setting.db.read(contributors, {
    from: argument(new Date(episode.started_at)),
    to: argument(new Date(episode.last_seen_at)),
    tenant_id: episode.tenant_id,
    deployment: episode.deployment,
    measure,
  });
}
