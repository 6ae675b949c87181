import { errors } from '#clickhouse/views.ts';
import { groupedRoute } from '../question.ts';
import type { App } from '../route.ts';
import type { Setting } from '../setting.ts';

/** How well. */
export function errorsRoute(app: App, setting: Setting): void {
  groupedRoute(app, setting, {
    path: '/v1/errors',
    summary: 'Calls by status class, error rates, throttling',
    description:
      'Calls by class of HTTP status; group_by may also name error_type. A call whose log has no status is in status_unknown and in no rate; a rate is null where no call has one. `retried` are calls for which a back end was asked again, `retries` how often, where the gateway logs it.',
    roles: ['viewer', 'finance', 'on_call', 'admin'],
    view: errors,
    groups: ['error_type'],
    keys: [],
  });
}
