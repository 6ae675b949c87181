import { createRoute, type RouteConfig, z } from '@hono/zod-openapi';
import { bookedLines, statementFile } from '#clickhouse/statements.ts';
import { metaSchema, rowSchema } from '../answer.ts';
import { allow } from '../auth.ts';
import {
  billedBy,
  closedMonthsOf,
  coverageOf,
  following,
  type Statement,
  statementOf,
  unbooked,
} from '../chargeback.ts';
import { closeMonth } from '../closing.ts';
import { exported, formatOf } from '../export.ts';
import { ProblemError, refuse } from '../problem.ts';
import { type App, type AskedContext, listResponse, refusals, register } from '../route.ts';
import type { Setting } from '../setting.ts';
import { csvOf, type Line, lineColumns, reprinted, totals } from '../statement.ts';
import { argument, currency, format, instant, knownAt, month } from '../window.ts';

const roles = ['finance', 'admin'] as const;

const meta = z.object({
  month: z.string(),
  status: z.enum(['open', 'closed']),
  statement_id: z.string().nullable(),
  sha256: z.string().nullable().describe('Of the statement as CSV, in hex; null while the month is open'),
  closed_at: z.iso.datetime().nullable(),
  closed_by: z.string().nullable(),
  reason: z.string().nullable(),
  as_known_at: z.iso.datetime().nullable().describe('Prices and attributions as known then; null is all that is known'),
  currency: z.string().nullable().describe('Amounts were asked for in it; null is as they are priced'),
  complete_through: z.iso.datetime().nullable(),
  coverage: metaSchema.shape.coverage,
  totals: z.array(
    z.object({
      tenant_id: z.string(),
      billing_currency: z.string(),
      list_cost: z.string().nullable(),
      contracted_cost: z.string().nullable(),
      effective_cost: z.string().nullable(),
    }),
  ),
});

const description = [
  'One line per tenant, cost center, provider, model and kind of token, for the calendar month of each tenant’s own time zone. Amounts are rounded half to even once, at the line, to the minor unit of their currency; the remainder is distributed so that the lines of a tenant add up to its rounded total.',
  'Tokens without a price are lines of their own without amounts (charge_kind unpriced_tokens); effective_cost is without what a commitment pays for. What came to light of closed months is in the next open month, as lines with charge_class Correction and the month of its use in charge_month.',
  'A closed month answers what was stored when it was closed, byte for byte.',
].join('\n\n');

/** Statements: what a month is billed, closing it, and what came to light after. */
export function chargebackRoutes(app: App, setting: Setting): void {
  const route = {
    path: '/v1/chargeback/{month}',
    summary: 'The statement of a month',
    description,
    roles,
    query: {
      format,
      currency: currency.optional().describe('Amounts in this currency (default: as priced)'),
      as_known_at: knownAt,
    },
    params: { month },
    ok: listResponse(rowSchema(statementFile.columns), meta),
  } as const;
  register(app, route, async (c, given, params) => {
    const wanted = {
      month: params.month,
      currency: given.currency ?? '',
      asKnownAt: given.as_known_at === undefined ? null : argument(given.as_known_at),
    };
    const found = await statementOf(setting.db, wanted);
    refuseOfClosed(found, given);
    return answer(c, setting, found, formatOf(c, given.format));
  });
  correctionsRoute(app, setting);
  closeRoute(app, setting);
}

/** What was fixed when the month was closed cannot be asked for in another way. */
function refuseOfClosed(
  found: Statement,
  given: { currency?: string | undefined; as_known_at?: Date | undefined },
): void {
  if (found.closed === null) return;
  const remedy = 'this month is closed and answers what was stored; leave it out, or ask /v1/spend';
  if (given.as_known_at !== undefined) throw refuse('as_known_at', remedy);
  if (given.currency !== undefined && given.currency !== found.currency) throw refuse('currency', remedy);
}

async function answer(
  c: AskedContext,
  setting: Setting,
  found: Statement,
  wanted: 'json' | 'csv' | 'parquet',
): Promise<Response> {
  const name = `chargeback-${found.month}`;
  if (wanted === 'parquet') {
    const rows = found.lines.map((line) => lineColumns.map((column) => line[column]));
    return exported(c, setting, {
      name,
      format: wanted,
      view: statementFile,
      args: { lines: JSON.stringify(rows) },
      selection: { columns: lineColumns },
      completeThrough: found.completeThrough,
    });
  }
  c.header('Vary', 'Accept');
  if (found.closed !== null) c.header('X-Statement-Sha256', found.closed.sha256);
  if (wanted === 'json') return c.json({ data: found.lines, meta: metaOf(found) });
  if (found.completeThrough !== null) c.header('X-Complete-Through', found.completeThrough);
  return c.body(csvOf(found.lines), 200, {
    'Content-Type': 'text/csv; charset=utf-8; header=present',
    'Content-Disposition': `attachment; filename="${name}.csv"`,
  });
}

function metaOf(found: Statement): z.infer<typeof meta> {
  const { closed } = found;
  return {
    month: found.month,
    status: closed === null ? 'open' : 'closed',
    statement_id: closed?.statement_id ?? null,
    sha256: closed?.sha256 ?? null,
    closed_at: closed?.closed_at ?? null,
    closed_by: closed?.closed_by ?? null,
    reason: closed?.reason ?? null,
    as_known_at: found.asKnownAt === null ? null : instantOf(found.asKnownAt),
    currency: found.currency === '' ? null : found.currency,
    complete_through: found.completeThrough,
    coverage: coverageOf(found),
    totals: totals(found.lines),
  };
}

/** An instant in the database's form or in its answers' form, as ISO 8601. */
function instantOf(text: string): string {
  return text.includes('T') ? text : `${text.replace(' ', 'T')}Z`;
}

const correctionRow = rowSchema({ statement_month: 'Nullable(String)', ...statementFile.columns });

function correctionsRoute(app: App, setting: Setting): void {
  const route = {
    path: '/v1/chargeback/{month}/corrections',
    summary: 'What came to light of a closed month after it was closed',
    description:
      'Late calls, back-dated prices and changed attributions, as differences to what was billed. Lines with a statement_month are in that closed statement; the others are in the next open month, which meta names, and change until it is closed.',
    roles,
    query: {},
    params: { month },
    ok: {
      description: 'The answer',
      content: {
        'application/json': {
          schema: z.object({
            data: z.array(correctionRow),
            meta: z.object({ month: z.string(), next_open_month: z.string(), totals: meta.shape.totals }),
          }),
        },
      },
    },
  } as const;
  register(app, route, async (c, _given, params) => {
    const closed = await closedMonthsOf(setting.db);
    if (!closed.some((header) => header.month === params.month)) {
      throw new ProblemError('conflict', `${params.month} is open: what comes is in its statement, not a correction`);
    }
    let open = following(params.month);
    while (closed.some((header) => header.month === open)) open = following(open);
    const billed = await billedBy(setting.db, { month: open, currency: '', asKnownAt: null }, closed);
    const own = billed.filter((part) => part.chargeMonth === params.month);
    const pending = (await Promise.all(own.map(async (part) => unbooked(setting.db, part, null)))).flat();
    const orderBy = (['statement_month', 'line_number'] as const).map((column) => ({ column, descending: false }));
    const rows = await setting.db.read(bookedLines, { charge_month: params.month }, { orderBy });
    const booked = rows
      .filter((row) => row.charge_class === 'Correction')
      .map(({ statement_month, closed_at: _closed, ...row }) => ({ statement_month, ...reprinted(row) }));
    const data = [...booked, ...pending.map((line: Line) => ({ statement_month: null, ...line }))];
    return c.json({ data, meta: { month: params.month, next_open_month: open, totals: totals(data) } });
  });
}

function closeRoute(app: App, setting: Setting): void {
  const body = z.strictObject({
    reason: z.string().max(1_000).default('').describe('Why, for the audit'),
    currency: currency.optional().describe('Amounts in this currency (default: as priced)'),
    as_known_at: instant.optional().describe('Prices and attributions as known then (default: now)'),
  });
  const route: RouteConfig = {
    method: 'post',
    path: '/v1/chargeback/{month}/close',
    operationId: 'post_chargeback_close',
    tags: ['Finance'],
    summary: 'Close a month: its statement is stored and never changes again',
    description: `The month must be finished: everything of it received (complete_through beyond its end in every tenant’s time zone). A closed month cannot be opened again; what comes later is a correction in the next open month.\n\nRoles: ${roles.join(', ')}.`,
    security: [{ key: [] }],
    middleware: [allow(roles)],
    request: {
      params: z.object({ month }),
      body: { required: false, content: { 'application/json': { schema: body } } },
    },
    responses: {
      200: { description: 'Closed', content: { 'application/json': { schema: z.object({ data: meta }) } } },
      ...refusals,
    },
  };
  app.openapi(createRoute(route), async (c) => {
    const asked = c as unknown as AskedContext;
    const params = month.safeParse(asked.req.param('month'));
    if (!params.success) throw refuse('month', params.error.issues[0]?.message ?? '');
    const given = body.safeParse(await bodyOf(asked));
    if (!given.success) {
      const [issue] = given.error.issues;
      throw refuse(String(issue?.path[0] ?? 'body'), issue?.message ?? '');
    }
    const { name } = asked.get('principal');
    const found = await closeMonth(
      { ...setting.db, ...setting.statements },
      {
        month: params.data,
        currency: given.data.currency ?? '',
        asKnownAt: given.data.as_known_at ?? null,
        by: name,
        reason: given.data.reason,
      },
    );
    setting.log.info(
      { event: 'month_closed', month: found.month, sha256: found.closed?.sha256, by: name, lines: found.lines.length },
      'a month was closed',
    );
    return asked.json({ data: metaOf(found) });
  });
}

async function bodyOf(c: AskedContext): Promise<unknown> {
  const text = await c.req.text();
  if (text === '') return {};
  try {
    return JSON.parse(text);
  } catch {
    throw refuse('body', 'is not JSON; send an object such as {"reason": "…"}, or nothing');
  }
}
