import { spend } from '#clickhouse/views.ts';
import { groupedRoute } from '../question.ts';
import type { App } from '../route.ts';
import type { Setting } from '../setting.ts';

/** What it costs. */
export function spendRoute(app: App, setting: Setting): void {
  groupedRoute(app, setting, {
    path: '/v1/spend',
    summary: 'Cost at list price',
    description:
      'Exact decimal amounts at the list prices of the time of each call. Tokens without a price are in unpriced_tokens and their models in unpriced_models; list_cost is null where nothing of a row has a price, never 0.',
    roles: ['viewer', 'finance', 'on_call', 'admin'],
    view: spend,
    groups: [],
    keys: [],
  });
}
