import { z } from '@hono/zod-openapi';
import type { Order, Row, Selection, Types, View } from '#clickhouse/view.ts';
import { dimensions, type usage } from '#clickhouse/views.ts';
import { completeness, coverage, metaSchema, rowSchema } from './answer.ts';
import type { Role } from './auth.ts';
import { bucketEnd, type Step } from './calendar.ts';
import { exported, formatOf, refuseCursor, wireName } from './export.ts';
import { changed, changeMeasures, changeSchema } from './change.ts';
import { refuse } from './problem.ts';
import { accepted, type App, type AskedContext, listResponse, register } from './route.ts';
import type { Setting } from './setting.ts';
import { cursorAfter, groupedArguments, groupedShape, type GroupedGiven, stepOf, windowOf } from './window.ts';

export type GroupedQuestion = {
  readonly path: `/v1/${string}`;
  readonly summary: string;
  readonly description: string;
  readonly roles: readonly Role[];
  readonly view: View<(typeof usage)['parameters']>;
  /** Columns beside the common dimensions that group_by may name. */
  readonly groups: readonly string[];
  /** Columns that tell rows apart without being asked for. */
  readonly keys: readonly string[];
  /** Columns that other views read and answers do not have. */
  readonly inner?: readonly string[];
};

const limitNormal = 1_000;

/** Registers a route that answers one grouping view. */
export function groupedRoute(app: App, setting: Setting, question: GroupedQuestion): void {
  const groups = [...Object.keys(dimensions), ...question.groups];
  const optional = new Set(['bucket', ...groups]);
  const inner = new Set(question.inner);
  const measures = Object.keys(question.view.columns).filter((name) => !optional.has(name) && !inner.has(name));
  const money = 'currency' in question.view.parameters;
  const columns = Object.fromEntries(Object.entries(question.view.columns).filter(([name]) => !inner.has(name)));
  // What both answers have may be null in one of them.
  const changes = Object.fromEntries(
    Object.entries(changeSchema.partial().shape).filter(([name]) => !(name in columns)),
  );
  const row = rowSchema(columns, optional).extend({
    partial: z.literal(true).optional().describe('The row reaches beyond complete_through: more may come'),
    ...(money ? changes : {}),
  });
  const { path, summary, description, roles } = question;
  const { currency, compare, ...plain } = groupedShape(groups, [...measures, ...(money ? changeMeasures : [])]);
  const query = (money ? { currency, compare, ...plain } : plain) as typeof plain & {
    currency: typeof currency;
    compare: typeof compare;
  };
  const ok = listResponse(row, metaSchema);
  register(app, { path, summary, description, roles, query, params: {}, ok }, async (c, given) =>
    given.compare === 'previous' ? changed(c, setting, path, given) : answer(c, setting, question, given, measures),
  );
}

async function answer(
  c: AskedContext,
  setting: Setting,
  question: GroupedQuestion,
  given: GroupedGiven,
  measures: readonly string[],
): Promise<Response> {
  const window = accepted(windowOf(question.path, given, setting.now()));
  const { step } = accepted(stepOf(given, window));
  const args = groupedArguments(given, window, step, c.get('principal').visibleTenants);
  const selection = selectionOf(question, given, step, measures);
  const format = formatOf(c, given.format);
  const complete = await completeness(setting.db);
  if (format !== 'json') {
    refuseCursor(given.cursor);
    const limited = given.limit === undefined ? selection : { ...selection, limit: given.limit };
    const name = question.path.replace('/v1/', '');
    return exported(c, setting, {
      name,
      format,
      view: question.view,
      args,
      selection: limited,
      completeThrough: complete.through,
    });
  }
  const limit = given.limit ?? limitNormal;
  const offset = window.position?.offset ?? 0;
  const found = setting.db.read(question.view, args, { ...selection, limit: limit + 1, offset });
  const all = async (): Promise<Row<Types>[] | null> => {
    const rows = await found;
    return offset === 0 && rows.length <= limit ? rows : null;
  };
  const [rows, covered] = await Promise.all([found, coverage(setting.db, args, { view: question.view, rows: all })]);
  const through = complete.through === null ? Number.NEGATIVE_INFINITY : Date.parse(complete.through);
  c.header('Vary', 'Accept');
  return c.json({
    data: rows.slice(0, limit).map((row) => shaped(row, step, given.tz ?? 'UTC', through)),
    meta: {
      from: window.from.toISOString(),
      to: window.to.toISOString(),
      step,
      complete_through: complete.bySource,
      coverage: covered,
      next_cursor: rows.length > limit ? cursorAfter(window, { offset: offset + limit }) : null,
    },
  });
}

/** The columns that were asked for, in an order that leaves no two rows equal: pages and files repeat exactly. */
function selectionOf(
  question: GroupedQuestion,
  given: GroupedGiven,
  step: Step | null,
  measures: readonly string[],
): Selection<Types> & { readonly columns: readonly string[] } {
  const dimensions = [...(step === null ? [] : ['bucket']), ...(given.group_by ?? [])];
  const wanted = given.order_by;
  const first: Order<Types>[] = [];
  if (wanted !== undefined) {
    const name = wanted.replace(/^-/, '');
    const column = [...dimensions, ...measures].find((column) => wireName(column) === name);
    if (column === undefined) {
      throw refuse('order_by', `${name} is not in this answer; add it to group_by, or add a step for time`);
    }
    first.push({ column, descending: wanted.startsWith('-') });
  }
  const rest = [...dimensions, ...question.keys].filter((column) => column !== first[0]?.column);
  return {
    columns: [...dimensions, ...measures],
    orderBy: [...first, ...rest.map((column) => ({ column, descending: false }))],
  };
}

/** A row as answers carry it. */
function shaped(
  row: Readonly<Record<string, unknown>>,
  step: Step | null,
  tz: string,
  through: number,
): Record<string, unknown> {
  const { bucket, ...rest } = row;
  if (step === null) return rest;
  const start = String(bucket);
  const partial = bucketEnd(step, Date.parse(start), tz) > through;
  return { time: start, ...rest, ...(partial ? { partial: true } : {}) };
}
