import { z } from '@hono/zod-openapi';
import { rejected, rejectedRecords } from '#clickhouse/views.ts';
import { rowSchema } from '../answer.ts';
import { exported, formatOf } from '../export.ts';
import { accepted, type App, listResponse, register } from '../route.ts';
import type { Setting } from '../setting.ts';
import { argument, windowOf, windowShape } from '../window.ts';

const path = '/v1/rejected';
const limits = { normal: 100, maximum: 1_000 };

const several = z
  .union([z.string(), z.array(z.string())])
  .transform((given) => (typeof given === 'string' ? [given] : given))
  .optional();

/** What was not understood, by reason, and the records themselves. */
export function rejectedRoute(app: App, setting: Setting): void {
  const { from, to, limit, format } = windowShape(limits);
  const meta = z.object({
    from: z.iso.datetime(),
    to: z.iso.datetime(),
    records: z
      .array(rowSchema(rejectedRecords.columns))
      .describe('The newest of them, as they are kept: without message text, keys and query strings'),
  });
  const route = {
    path,
    summary: 'What was not understood, by decoder and reason',
    description:
      'Rejected records are kept until a decoder learns them: POST /v1/rejected/replay then makes calls of them. The window is by the time of receipt.',
    roles: ['on_call', 'admin'],
    query: {
      from,
      to,
      limit,
      format,
      reason: several.describe('Only records rejected for this; repeat the parameter to allow several'),
      source: several.describe('Only records of this decoder; repeat the parameter to allow several'),
    },
    params: {},
    ok: listResponse(rowSchema(rejected.columns), meta),
  } as const;
  register(app, route, async (c, given) => {
    const window = accepted(windowOf(path, given, setting.now()));
    const args = {
      from: argument(window.from),
      to: argument(window.to),
      reason: given.reason ?? [],
      source: given.source ?? [],
    };
    const wanted = formatOf(c, given.format);
    if (wanted !== 'json') {
      const columns = Object.keys(rejected.columns) as (keyof typeof rejected.columns)[];
      const selection = { columns, orderBy: [{ column: 'records', descending: true }] as const };
      return exported(c, setting, {
        name: 'rejected',
        format: wanted,
        view: rejected,
        args,
        selection,
        completeThrough: null,
      });
    }
    const [reasons, records] = await Promise.all([
      setting.db.read(rejected, args, { orderBy: [{ column: 'records', descending: true }] }),
      setting.db.read(rejectedRecords, args, {
        orderBy: [{ column: 'enqueued_at', descending: true }],
        limit: given.limit ?? limits.normal,
      }),
    ]);
    c.header('Vary', 'Accept');
    return c.json({ data: reasons, meta: { from: window.from.toISOString(), to: window.to.toISOString(), records } });
  });
}
