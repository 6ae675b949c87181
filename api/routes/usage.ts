import { usage } from '#clickhouse/views.ts';
import { groupedRoute } from '../question.ts';
import type { App } from '../route.ts';
import type { Setting } from '../setting.ts';

/** Who used what. */
export function usageRoute(app: App, setting: Setting): void {
  groupedRoute(app, setting, {
    path: '/v1/usage',
    summary: 'Calls and tokens',
    description:
      'Calls and disjoint kinds of tokens that add up to total_tokens: input_tokens are uncached, output_tokens are without reasoning. The *_usage_calls say how the tokens are known.',
    roles: ['viewer', 'finance', 'on_call', 'admin'],
    view: usage,
    groups: [],
    keys: [],
  });
}
