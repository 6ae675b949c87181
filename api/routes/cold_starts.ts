import { z } from '@hono/zod-openapi';
import { coldStartAnswers, measuredThrough } from '#clickhouse/detection.ts';
import { evidence, nextCursor, rowSchema } from '../answer.ts';
import { exported, formatOf, refuseCursor } from '../export.ts';
import { accepted, type App, listResponse, register } from '../route.ts';
import type { Setting } from '../setting.ts';
import { argument, cursorAfter, severalOf, windowOf, windowShape } from '../window.ts';

const path = '/v1/cold-starts';

const several = z
  .union([z.string(), z.array(z.string())])
  .transform((given) => (typeof given === 'string' ? [given] : given))
  .optional();

/** What made callers wait, in the order in which the view looks for it. */
export const classes = [
  'cold_from_zero',
  'cold_scaleout',
  'overload',
  'upstream_slow',
  'throttled',
  'isolated_tail',
  'slow',
];

/** When callers waited for back ends that had to start, or for something else, and which. */
export function coldStartsRoute(app: App, setting: Setting): void {
  const { from, to, limit, cursor, format } = windowShape({ normal: 1_000, maximum: 10_000 });
  const route = {
    path,
    summary: 'When callers waited for a back end to start',
    description:
      'Episodes that began in the window, also those of other causes, told by `class`. Times are compared with what a call of that size takes on the same back end when it is warm. `confirmed` says that a lifecycle event of the deployment was logged around it; else the class is inferred, with its confidence. Of what is later than `evaluated_through` nothing is known yet; a call that is held is logged when it ends.',
    roles: ['viewer', 'on_call', 'admin'],
    query: {
      from,
      to,
      limit,
      cursor,
      format,
      tenant_id: several.describe('Only those in which callers of these tenants waited'),
      deployment: several.describe('Only these deployments; repeat the parameter to allow several'),
      class: severalOf(classes).describe('Default: all but isolated_tail, which is one or two slow calls'),
    },
    params: {},
    ok: listResponse(
      rowSchema(coldStartAnswers.columns).extend({ evidence }),
      z.object({
        from: z.iso.datetime(),
        to: z.iso.datetime(),
        evaluated_through: z.iso.datetime().nullable(),
        next_cursor: nextCursor,
      }),
    ),
  } as const;
  register(app, route, async (c, given) => {
    const window = accepted(windowOf(path, given, setting.now()));
    const args = {
      from: argument(window.from),
      to: argument(window.to),
      visible_tenants: [...c.get('principal').visibleTenants],
      tenant_id: given.tenant_id ?? [],
      deployment: given.deployment ?? [],
      class: given.class ?? [],
    };
    const orderBy = (['started_at', 'deployment', 'backend'] as const).map((column) => ({ column, descending: false }));
    const wanted = formatOf(c, given.format);
    if (wanted !== 'json') {
      refuseCursor(given.cursor);
      const columns = Object.keys(coldStartAnswers.columns) as (keyof typeof coldStartAnswers.columns)[];
      return exported(c, setting, {
        name: 'cold-starts',
        format: wanted,
        view: coldStartAnswers,
        args,
        selection: { columns, orderBy, ...(given.limit === undefined ? {} : { limit: given.limit }) },
        completeThrough: null,
      });
    }
    const most = given.limit ?? 1_000;
    const offset = window.position?.offset ?? 0;
    // Before the rows, so that it never promises more than they hold.
    const [measured] = await setting.db.read(measuredThrough, { at: argument(setting.now()) });
    const rows = await setting.db.read(coldStartAnswers, args, { orderBy, limit: most + 1, offset });
    c.header('Vary', 'Accept');
    return c.json({
      data: rows.slice(0, most).map((row) => Object.assign(row, { evidence: JSON.parse(row.evidence) as unknown })),
      meta: {
        from: window.from.toISOString(),
        to: window.to.toISOString(),
        evaluated_through: measured?.minutes ?? null,
        next_cursor: rows.length > most ? cursorAfter(window, { offset: offset + most }) : null,
      },
    });
  });
}
