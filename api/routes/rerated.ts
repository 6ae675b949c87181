import { z } from '@hono/zod-openapi';
import { rerated } from '#clickhouse/money.ts';
import { dimensions } from '#clickhouse/question.ts';
import { rowSchema } from '../answer.ts';
import { listed } from '../listing.ts';
import { accepted, type App, listResponse, register } from '../route.ts';
import type { Setting } from '../setting.ts';
import { argument, everything, groupedArguments, groupedShape, instant, stepOf, windowOf } from '../window.ts';

const path = '/v1/spend/rerated';
const groups = [...Object.keys(dimensions), 'cost_center', 'token_kind', 'price_model'];
const optional = new Set(['bucket', ...groups]);
const measures = Object.keys(rerated.columns).filter((name) => !optional.has(name));

/** What a change of the books changes. */
export function reratedRoute(app: App, setting: Setting): void {
  const { as_known_at: _now, compare: _compare, currency, ...shape } = groupedShape(groups, measures);
  const route = {
    path,
    summary: 'What a change of prices or attributions changes, between two instants of knowledge',
    description:
      'The same calls, rated by what was known at known_from and at known_to: the rows that differ, with both amounts and their difference. In a difference an amount that was not known counts as nothing.',
    roles: ['finance', 'admin'],
    query: {
      ...shape,
      currency,
      known_from: instant.describe('Prices, agreements and attributions as known at this instant, the earlier one'),
      known_to: instant.optional().describe('The later instant (default: all that is known)'),
    },
    params: {},
    ok: listResponse(
      rowSchema(rerated.columns, optional),
      z.object({ from: z.iso.datetime(), to: z.iso.datetime(), step: z.string().nullable() }),
    ),
  } as const;
  register(app, route, async (c, given) => {
    const { known_from, known_to, ...rest } = given;
    const asked = { ...rest, as_known_at: known_from };
    const window = accepted(windowOf(path, asked, setting.now()));
    const { step } = accepted(stepOf(asked, window));
    const keys = [...(step === null ? [] : ['bucket']), ...(given.group_by ?? [])];
    return listed(c, setting, {
      name: 'rerated',
      view: rerated,
      args: {
        ...groupedArguments(asked, window, step, c.get('principal').visibleTenants),
        known_from: argument(known_from),
        known_to: known_to === undefined ? everything : argument(known_to),
      },
      columns: [...keys, ...measures],
      keys,
      given,
      meta: { from: window.from.toISOString(), to: window.to.toISOString(), step },
    });
  });
}
