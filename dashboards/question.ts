import type { rated } from '#clickhouse/money.ts';
import { dimensions } from '#clickhouse/views.ts';

type Group = keyof typeof dimensions | 'error_type';

/** The step that the dashboard's variable chooses, one bucket for the whole window, or days whatever is chosen. */
type Step = 'chosen' | 'whole' | 'day';

const unfiltered = Object.fromEntries(Object.keys(dimensions).map((name) => [name, '[]'])) as Record<
  keyof typeof dimensions,
  string
>;

/**
 * The parameters of a question as Grafana fills them in. The window is the dashboard's, half-open inside the view, so a
 * call on a border is in one window only.
 */
export function asked(groupBy: readonly Group[], step: Step): Readonly<Record<keyof typeof rated, string>> {
  return {
    // A parameter is read as text in its own zone, so the macro's instant, which is in the server's, must be in UTC.
    from: `toTimeZone($__fromTime_ms, 'UTC')`,
    to: `toTimeZone($__toTime_ms, 'UTC')`,
    step: steps[step],
    tz: '${tz:singlequote}',
    as_known_at: `now64(3, 'UTC')`,
    // Who may see what is decided by the ClickHouse user of the data source (grants and row policies), not here: who
    // may edit a dashboard may change its SQL.
    visible_tenants: `['*']`,
    ...unfiltered,
    tenant_id: chosen('tenant'),
    deployment: chosen('deployment'),
    currency: `''`,
    group_by: `[${groupBy.map((name) => `'${name}'`).join(', ')}]`,
  };
}

/** As `asked`, without the filters of the variables: for the values that a variable offers. */
export function offered(name: Group): Readonly<Record<keyof typeof rated, string>> {
  return { ...asked([name], 'whole'), tz: `'UTC'`, tenant_id: '[]', deployment: '[]' };
}

/** Grafana makes series only of rows in the order of time. */
export const byTime = { column: 'bucket', descending: false } as const;

/** What the variables `tenant` and `deployment` say for All, with its quotes, because Grafana adds none to it. */
export const allValue = `'*'`;

/** A variable with several values as an array; All is the empty array, so that values of no name are in it too. */
function chosen(variable: string): string {
  const values = '[${' + variable + ':singlequote}]';
  return `if(has(${values}, ${allValue}), [], ${values})`;
}

const chosenStep = '${step:singlequote}';

/** `auto` takes the finest step that leaves a panel readable; Grafana's interval follows the window and the width. */
const steps: Readonly<Record<Step, string>> = {
  whole: `''`,
  day: `'P1D'`,
  chosen: `if(${chosenStep} = 'auto', multiIf($__interval_s <= 60, 'PT1M', $__interval_s <= 600, 'PT5M', $__interval_s <= 7200, 'PT1H', 'P1D'), ${chosenStep})`,
};
