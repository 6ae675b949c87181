import { spendChange } from '#clickhouse/money.ts';
import { dimensions } from '#clickhouse/question.ts';
import { rowSchema } from './answer.ts';
import { previousWindow } from './calendar.ts';
import { listed } from './listing.ts';
import { refuse } from './problem.ts';
import { accepted, type AskedContext } from './route.ts';
import type { Setting } from './setting.ts';
import { argument, groupedArguments, type GroupedGiven, windowOf } from './window.ts';

const groups = new Set([...Object.keys(dimensions), 'cost_center', 'token_kind', 'price_model']);

/** The measures of a row of `compare=previous`. */
export const changeMeasures = Object.keys(spendChange.columns).filter((name) => !groups.has(name));

/** Their schema; a row has them where `compare` asks for them. */
export const changeSchema = rowSchema(
  Object.fromEntries(Object.entries(spendChange.columns).filter(([name]) => changeMeasures.includes(name))),
);

/** `compare=previous`: the change of contracted cost against the window before, as volume, mix and price. */
export async function changed(c: AskedContext, setting: Setting, path: string, given: GroupedGiven): Promise<Response> {
  if (given.step !== undefined) throw refuse('step', 'compares nothing: ask for one window with compare, without step');
  const window = accepted(windowOf(path, given, setting.now()));
  const before = previousWindow(window.from, window.to, given.tz ?? 'UTC');
  const keys = given.group_by ?? [];
  return listed(c, setting, {
    name: 'spend-change',
    view: spendChange,
    args: {
      ...groupedArguments(given, window, null, c.get('principal').visibleTenants),
      previous_from: argument(before.from),
      previous_to: argument(before.to),
    },
    columns: [...keys, ...changeMeasures],
    keys,
    given,
    meta: {
      from: window.from.toISOString(),
      to: window.to.toISOString(),
      previous_from: before.from.toISOString(),
      previous_to: before.to.toISOString(),
    },
  });
}
