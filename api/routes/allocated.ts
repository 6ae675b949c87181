import { z } from '@hono/zod-openapi';
import { allocated } from '#clickhouse/money.ts';
import { rowSchema } from '../answer.ts';
import { monthOf } from '../calendar.ts';
import { listed } from '../listing.ts';
import { type App, listResponse, register } from '../route.ts';
import type { Setting } from '../setting.ts';
import { argument, everything, format, knownAt, month, zone } from '../window.ts';

const path = '/v1/commitments/allocated';
const keys = ['commitment_id', 'charge_period_start', 'is_idle', 'tenant_id', 'cost_center'];

/** Who bears which part of provisioned capacity and other fixed cost. */
export function allocatedRoute(app: App, setting: Setting): void {
  const route = {
    path,
    summary: 'Shared cost of one calendar month, by commitment and tenant',
    description:
      'Each commitment of the month, divided by its allocation method: weighted_tokens, peak (the busiest hour of each) or fixed_shares. What nobody used is a line of its own, with is_idle. Ratios of a commitment add up to 1 and costs to its amount, to the last digit. allocated_method_details is as FOCUS has it.',
    roles: ['viewer', 'finance', 'admin'],
    query: { month, tz: zone, as_known_at: knownAt, format },
    params: {},
    ok: listResponse(rowSchema(allocated.columns), z.object({ from: z.iso.datetime(), to: z.iso.datetime() })),
  } as const;
  register(app, route, async (c, given) => {
    const { from, to } = monthOf(given.month, given.tz ?? 'UTC');
    return listed(c, setting, {
      name: 'allocated',
      view: allocated,
      args: {
        from: argument(from),
        to: argument(to),
        as_known_at: given.as_known_at === undefined ? everything : argument(given.as_known_at),
        visible_tenants: [...c.get('principal').visibleTenants],
      },
      columns: Object.keys(allocated.columns),
      keys,
      given,
      meta: { from: from.toISOString(), to: to.toISOString() },
    });
  });
}
