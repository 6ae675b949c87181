import { z } from '@hono/zod-openapi';
import { budgetBook, tenantBook } from '#clickhouse/books.ts';
import { budgetStatus } from '#clickhouse/money.ts';
import { dimensions } from '#clickhouse/question.ts';
import type { Row } from '#clickhouse/view.ts';
import { completeness, rowSchema } from '../answer.ts';
import { type Budget, historyFrom, type Together, together, zonesOf } from '../budget.ts';
import { monthAt } from '../calendar.ts';
import { refuse } from '../problem.ts';
import { type App, type AskedContext, register } from '../route.ts';
import type { Setting } from '../setting.ts';
import { argument, callArguments, everything, knownAt, month } from '../window.ts';

type Status = Row<(typeof budgetStatus)['columns']>;
type Given = {
  readonly month?: string | undefined;
  readonly budget_id?: string | undefined;
  readonly as_known_at?: Date | undefined;
};

/** How the month of each budget stands. */
export function budgetStatusRoute(app: App, setting: Setting): void {
  const route = {
    path: '/v1/budgets/status',
    summary: 'Budgets of a month: spent, left, expected, and the thresholds that were reached',
    description: [
      'A budget counts calendar months of its time zone, else of its tenant’s, else of UTC; the row of the book that began last before the month ended counts for the whole month. A viewer sees the budgets whose filters name only its tenants.',
      'forecast_cost expects of each hour that is left what the same hour of the week cost on average in the last forecast_weeks weeks. The same was tried forecast_trials times in the past, for as many hours: forecast_error_percent is how far those trials were off altogether, forecast_low and forecast_high are off by the worst of them. All are null without a week of history.',
      'actual_cost is exact, and null where calls have no price; unpriced_tokens says how many have none. effective_cost does not hold what commitments pay for: those tokens are in committed_tokens.',
    ].join('\n\n'),
    roles: ['viewer', 'finance', 'on_call', 'admin'],
    query: {
      month: month
        .optional()
        .describe('Calendar month such as 2026-10 (default: the one in which each budget’s zone is)'),
      budget_id: z.string().optional().describe('Only this budget'),
      as_known_at: knownAt,
    },
    params: {},
    ok: {
      description: 'The answer',
      content: {
        'application/json': {
          schema: z.object({
            data: z.array(
              rowSchema({ ...budgetStatus.columns, filters: 'String' }).extend({
                filters: z.record(z.string(), z.array(z.string())),
              }),
            ),
            meta: z.object({ complete_through: z.record(z.string(), z.iso.datetime()) }),
          }),
        },
      },
    },
  } as const;
  register(app, route, async (c, given) => answer(c, setting, given));
}

async function answer(c: AskedContext, setting: Setting, given: Given): Promise<Response> {
  const visible = c.get('principal').visibleTenants;
  const asKnown = {
    as_known_at: given.as_known_at === undefined ? everything : argument(given.as_known_at),
    history: 0,
  };
  const [budgets, tenants, complete] = await Promise.all([
    setting.db.read(budgetBook, asKnown),
    setting.db.read(tenantBook, asKnown),
    completeness(setting.db),
  ]);
  const now = setting.now();
  // The zone in which months begin first. Of a later month nothing is known, and hours to come would be learned from as 0.
  if (given.month !== undefined && given.month > monthAt(now, 'Pacific/Kiritimati')) {
    throw refuse('month', 'has not begun; what a month will come to is said while it runs, so leave it out');
  }
  const wanted = budgets.filter(
    (row) => sees(visible, row) && (given.budget_id === undefined || row.budget_id === given.budget_id),
  );
  // What came later than the data is complete for would be counted by chance.
  const through = complete.through === null ? now : new Date(Math.min(now.getTime(), Date.parse(complete.through)));
  const questions = together(wanted, zonesOf(tenants, now), given.month ?? null, now);
  const answers = await Promise.all(questions.map((asked) => statusOf(setting, given, asked, through, visible)));
  const data = answers.flat().sort((a, b) => (a.budget_id < b.budget_id ? -1 : 1));
  return c.json({ data, meta: { complete_through: complete.bySource } });
}

/** A budget of others' calls would show a viewer a part of it as if it were all. */
function sees(visible: readonly string[], budget: Budget): boolean {
  const tenants = budget.filters['tenant_id'];
  return visible.includes('*') || (tenants !== undefined && tenants.every((tenant) => visible.includes(tenant)));
}

async function statusOf(
  setting: Setting,
  given: Given,
  asked: Together,
  through: Date,
  visible: readonly string[],
): Promise<Status[]> {
  const { from, to } = asked.month;
  const at = new Date(Math.min(Math.max(through.getTime(), from.getTime()), to.getTime()));
  const filters = Object.fromEntries(Object.keys(dimensions).map((name) => [name, asked.allowed[name] ?? []]));
  const { step: _step, ...args } = callArguments({ ...filters, as_known_at: given.as_known_at }, asked.month, visible);
  return setting.db.read(budgetStatus, {
    ...args,
    tz: asked.tz,
    currency: asked.currency,
    group_by: [...asked.dimensions],
    at: argument(at),
    history_from: argument(historyFrom(asked.month, at)),
    budget_keys: [...asked.keys],
  });
}
