import { z } from '@hono/zod-openapi';
import type { Arguments, Row } from '#clickhouse/view.ts';
import { attributedCalls } from '#clickhouse/views.ts';
import { completeness, coverage, metaSchema, rowSchema } from '../answer.ts';
import { exported, formatOf, refuseCursor } from '../export.ts';
import { accepted, type App, type AskedContext, listResponse, register } from '../route.ts';
import type { Setting } from '../setting.ts';
import {
  argument,
  callArguments,
  cursorAfter,
  type Window,
  type WindowGiven,
  windowOf,
  windowShape,
} from '../window.ts';

const { bucket: _bucket, ...columns } = attributedCalls.columns;
const path = '/v1/calls';
const limits = { normal: 100, maximum: 10_000 };

type Call = Row<typeof attributedCalls.columns>;

/** Newest first; the id decides between calls of one millisecond, so that the order is total. */
const selection = {
  columns: Object.keys(columns) as (keyof typeof columns)[],
  orderBy: [
    { column: 'started_at', descending: true },
    { column: 'call_id', descending: false },
  ],
} as const;

/** The calls themselves. */
export function callsRoute(app: App, setting: Setting): void {
  const route = {
    path,
    summary: 'Calls, newest first',
    description: 'One row per call, merged from all its records, with the tenant that pays.',
    roles: ['viewer', 'on_call', 'admin'],
    query: windowShape(limits),
    params: {},
    ok: listResponse(rowSchema(columns), metaSchema.extend({ step: z.null() })),
  } as const;
  register(app, route, async (c, given) => answer(c, setting, given));
}

async function answer(c: AskedContext, setting: Setting, given: WindowGiven): Promise<Response> {
  const window = accepted(windowOf(path, given, setting.now()));
  const args = callArguments(given, window, c.get('principal').visibleTenants);
  const format = formatOf(c, given.format);
  const complete = await completeness(setting.db);
  if (format !== 'json') {
    refuseCursor(given.cursor);
    const limited = given.limit === undefined ? selection : { ...selection, limit: given.limit };
    const view = attributedCalls;
    const completeThrough = complete.through;
    return exported(c, setting, { name: 'calls', format, view, args, selection: limited, completeThrough });
  }
  const limit = given.limit ?? limits.normal;
  const [rows, covered] = await Promise.all([
    page(setting, args, window, limit + 1),
    coverage(setting.db, { ...args, group_by: [], currency: '' }),
  ]);
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  c.header('Vary', 'Accept');
  return c.json({
    data: rows.slice(0, limit),
    meta: {
      from: window.from.toISOString(),
      to: window.to.toISOString(),
      step: null,
      complete_through: complete.bySource,
      coverage: covered,
      next_cursor:
        last === undefined ? null : cursorAfter(window, { started_at: last.started_at, call_id: last.call_id }),
    },
  });
}

/**
 * The rows after the cursor's: the window is cut to end just after the cursor's millisecond, and of that millisecond the
 * calls up to the cursor's are left out. New calls cannot shift a page, as they would with an offset.
 */
async function page(
  setting: Setting,
  args: Arguments<typeof attributedCalls.parameters>,
  window: Window,
  wanted: number,
): Promise<Call[]> {
  const { started_at: startedAt, call_id: callId } = window.position ?? {};
  if (startedAt === undefined || callId === undefined) {
    return setting.db.read(attributedCalls, args, { ...selection, limit: wanted });
  }
  const cut = { ...args, to: argument(new Date(Date.parse(startedAt) + 1)) };
  const found: Call[] = [];
  // Rarely more than one round: only when a single millisecond holds more calls than a page.
  for (let offset = 0; found.length < wanted; offset += wanted) {
    const rows = await setting.db.read(attributedCalls, cut, { ...selection, limit: wanted, offset });
    found.push(...rows.filter((row) => row.started_at !== startedAt || follows(row.call_id, callId)));
    if (rows.length < wanted) break;
  }
  return found.slice(0, wanted);
}

/** By bytes, as the database orders; JavaScript's own order differs outside the basic plane. */
function follows(a: string, b: string): boolean {
  return Buffer.compare(Buffer.from(a), Buffer.from(b)) > 0;
}
