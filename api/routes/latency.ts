import { latency } from '#clickhouse/views.ts';
import { groupedRoute } from '../question.ts';
import type { App } from '../route.ts';
import type { Setting } from '../setting.ts';

/** How fast. */
export function latencyRoute(app: App, setting: Setting): void {
  groupedRoute(app, setting, {
    path: '/v1/latency',
    summary: 'Exact latency quantiles',
    description:
      'One row per metric: duration_ms, backend_ms, gateway_ms (what the gateway added), time_to_first_token_ms, ms_per_output_token. Quantiles are exact, over the calls themselves; calls counts those that have the metric.',
    roles: ['viewer', 'finance', 'on_call', 'admin'],
    view: latency,
    groups: [],
    keys: ['metric'],
  });
}
