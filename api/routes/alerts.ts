import { z } from '@hono/zod-openapi';
import { alerts } from '#clickhouse/alerts.ts';
import type { Arguments, Row } from '#clickhouse/view.ts';
import { evidence, nextCursor, rowSchema } from '../answer.ts';
import { exported, formatOf, refuseCursor } from '../export.ts';
import { accepted, type App, listResponse, register } from '../route.ts';
import type { Setting } from '../setting.ts';
import { argument, cursorAfter, severalOf, type Window, windowOf, windowShape } from '../window.ts';

const path = '/v1/alerts';
const limits = { normal: 100, maximum: 1_000 };
const columns = Object.keys(alerts.columns) as (keyof typeof alerts.columns)[];

const several = z
  .union([z.string(), z.array(z.string())])
  .transform((given) => (typeof given === 'string' ? [given] : given))
  .optional();

/** An alert as JSON has it: its evidence is an object and not a text. */
export const alertSchema = rowSchema(alerts.columns).extend({
  evidence,
});

/** What on-call is asked to look at, and what they were. */
export function alertsRoute(app: App, setting: Setting): void {
  const { from, to, limit, cursor, format } = windowShape(limits);
  const filters = {
    status: severalOf(['pending', 'firing', 'resolved', 'dropped']).describe('The default is firing and resolved'),
    severity: severalOf(['page', 'ticket', 'info']).describe('Only of this weight'),
    rule: several.describe('Only of this rule'),
    tenant_id: several.describe('Only of this tenant'),
    deployment: several.describe('Only of this deployment'),
  };
  const meta = z.object({ from: z.iso.datetime(), to: z.iso.datetime(), next_cursor: nextCursor });
  const route = {
    path,
    summary: 'Alerts, newest first',
    description:
      'One row per episode: from when a condition began to hold until it was over. Of the window are all that were not over before it. `evaluated_at` says up to when calls were looked at.',
    roles: ['viewer', 'on_call', 'admin'],
    query: { from, to, limit, cursor, format, ...filters },
    params: {},
    ok: listResponse(alertSchema, meta),
  } as const;
  register(app, route, async (c, given) => {
    const window = accepted(windowOf(path, given, setting.now()));
    const chosen = {
      status: given.status ?? ['firing', 'resolved'],
      severity: given.severity ?? [],
      rule: given.rule ?? [],
      tenant_id: given.tenant_id ?? [],
      deployment: given.deployment ?? [],
    };
    const args = alertArguments(window, c.get('principal').visibleTenants, chosen);
    const orderBy = (['active_at', 'alert_id'] as const).map((column) => ({ column, descending: true }));
    const wanted = formatOf(c, given.format);
    if (wanted !== 'json') {
      refuseCursor(given.cursor);
      const selection = { columns, orderBy, ...(given.limit === undefined ? {} : { limit: given.limit }) };
      return exported(c, setting, {
        name: 'alerts',
        format: wanted,
        view: alerts,
        args,
        selection,
        completeThrough: null,
      });
    }
    const most = given.limit ?? limits.normal;
    const offset = window.position?.offset ?? 0;
    const rows = await setting.db.read(alerts, args, { columns, orderBy, limit: most + 1, offset });
    c.header('Vary', 'Accept');
    return c.json({
      data: rows.slice(0, most).map(shown),
      meta: {
        from: window.from.toISOString(),
        to: window.to.toISOString(),
        next_cursor: rows.length > most ? cursorAfter(window, { offset: offset + most }) : null,
      },
    });
  });
}

/** The arguments of the view; `visible` is the principal's, never the request's. */
export function alertArguments(
  window: Pick<Window, 'from' | 'to'>,
  visible: readonly string[],
  filters: Partial<Record<'alert_id' | 'status' | 'severity' | 'rule' | 'tenant_id' | 'deployment', string[]>>,
): Arguments<(typeof alerts)['parameters']> {
  return {
    from: argument(window.from),
    to: argument(window.to),
    visible_tenants: [...visible],
    alert_id: [],
    rule: [],
    severity: [],
    status: [],
    tenant_id: [],
    deployment: [],
    ...filters,
  };
}

/** With the evidence as the object that its text is. */
export function shown(row: Row<(typeof alerts)['columns']>): Record<string, unknown> {
  try {
    return { ...row, evidence: JSON.parse(row.evidence) as unknown };
  } catch {
    return { ...row, evidence: {} };
  }
}
