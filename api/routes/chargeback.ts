import { createRoute, type RouteConfig, z } from '@hono/zod-openapi';
import { bookedLines, statementFile } from '#clickhouse/statements.ts';
import { messageOf } from '#common/environment.ts';
import { metaSchema, rowSchema } from '../answer.ts';
import { allow } from '../auth.ts';
import { billedBy, exactLines, nextOpen } from '../billed.ts';
import { closedMonthsOf, printedOf, type Statement, statementOf } from '../chargeback.ts';
import { closeMonth } from '../closing.ts';
import { formatOf } from '../export.ts';
import { refuse } from '../problem.ts';
import { type App, type AskedContext, listResponse, refusal, refusals, register } from '../route.ts';
import type { Setting } from '../setting.ts';
import { reprinted, totals } from '../statement.ts';
import { fileOf, metaOf, type StatementFormat, statementFormats } from '../statement_file.ts';
import { argument, currency, everything, instant, knownAt, month } from '../window.ts';

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
  'One line per tenant, cost center, provider, model and kind of token, for the calendar month of each tenant’s own time zone, and one per share of a commitment, for the month of UTC. Amounts are rounded half to even once, at the line, to the minor unit of their currency; the remainder is distributed so that the lines of a tenant add up to its rounded total.',
  'charge_kind: tokens; committed_tokens, which a commitment pays for, so that their effective_cost is 0; unpriced_tokens, without a price and so without amounts; commitment, a tenant’s share of one; idle_commitment, what nobody used of it, without a tenant. effective_cost is what is paid. What came to light of closed months is in the next open month, as lines with charge_class Correction and the month of its use in charge_month.',
  'A closed month answers what was stored when it was closed, byte for byte. Its sha256 is that of the format csv.',
].join('\n\n');

/** Statements: what a month is billed, closing it, and what came to light after. */
export function chargebackRoutes(app: App, setting: Setting): void {
  const route = {
    path: '/v1/chargeback/{month}',
    summary: 'The statement of a month',
    description,
    roles,
    query: {
      format: z
        .enum(statementFormats, { error: `must be one of ${statementFormats.join(', ')}` })
        .optional()
        .describe(
          'Instead of the header Accept; FOCUS is CSV with a row for each day, consumer, model and kind of token',
        ),
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
    return answer(c, setting, found, given.format ?? formatOf(c, undefined));
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

async function answer(c: AskedContext, setting: Setting, found: Statement, format: StatementFormat): Promise<Response> {
  const file = fileOf(setting.db, found, format, setting.issuer);
  const body = await begun(file.body, c, setting);
  return c.body(body, 200, {
    'Content-Type': file.contentType,
    Vary: 'Accept',
    ...(format === 'json' ? {} : { 'Content-Disposition': `attachment; filename="${file.name}"` }),
    ...(found.closed === null ? {} : { 'X-Statement-Sha256': found.closed.sha256 }),
    ...(found.completeThrough === null ? {} : { 'X-Complete-Through': found.completeThrough }),
  });
}

/** Waits for the first chunk, so that what fails before it is a problem and not a broken body. */
async function begun(
  chunks: AsyncGenerator<Uint8Array>,
  c: AskedContext,
  setting: Setting,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  let next: IteratorResult<Uint8Array> | null = await chunks.next();
  const end = async (): Promise<void> => void (await chunks.return(undefined));
  if (c.req.raw.method === 'HEAD') await end();
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const chunk = next ?? (await chunks.next());
          next = null;
          if (chunk.done === true) controller.close();
          else controller.enqueue(new Uint8Array(chunk.value));
        } catch (error) {
          setting.log.error(
            { event: 'export_broken', request_id: c.get('requestId'), reason: messageOf(error) },
            'an export broke off; its client has seen a broken body',
          );
          controller.error(error);
        }
      },
      cancel: end,
    },
    { highWaterMark: 0 },
  );
}

const correctionRow = rowSchema({ statement_month: 'Nullable(String)', ...statementFile.columns });

function correctionsRoute(app: App, setting: Setting): void {
  const route = {
    path: '/v1/chargeback/{month}/corrections',
    summary: 'What came to light of a closed month after it was closed',
    description:
      'Late calls, back-dated prices and changed attributions, as differences to what was billed. Lines with a statement_month are in that closed statement; the others are in the next open month, which meta names, and change until it is closed. An open month has none: what comes is in its statement.',
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
    const { db } = setting;
    const closed = await closedMonthsOf(db);
    const months = new Set(closed.map((header) => header.month));
    if (!months.has(params.month)) {
      return c.json({ data: [], meta: { month: params.month, next_open_month: params.month, totals: [] } });
    }
    const open = nextOpen(params.month, months);
    const billed = await billedBy(db, { month: open, currency: '', asKnownAt: null }, closed);
    const own = billed.filter((part) => part.chargeMonth === params.month);
    const pending = (
      await Promise.all(own.map(async (part) => printedOf(db, part, await exactLines(db, part, everything))))
    ).flat();
    const orderBy = (['statement_month', 'line_number'] as const).map((column) => ({ column, descending: false }));
    const rows = await db.read(bookedLines, { charge_month: params.month }, { orderBy });
    const booked = rows
      .filter((row) => row.charge_class === 'Correction')
      .map(({ statement_month, ...row }) => Object.assign({ statement_month }, reprinted(row)));
    const data = [...booked, ...pending.map((line) => Object.assign({ statement_month: null }, line))];
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
      409: refusal('The month is closed already, or not finished; the detail says which'),
    },
  };
  // The document says what a body is; it is read here, because it may be left out.
  app.openAPIRegistry.registerPath({ ...createRoute(route), path: route.path });
  app.post('/v1/chargeback/:month/close', allow(roles), async (c) => {
    const asked = c as unknown as AskedContext;
    const params = month.safeParse(asked.req.param('month'));
    if (!params.success) throw refuse('month', params.error.issues[0]?.message ?? '');
    const given = body.safeParse(await bodyOf(asked));
    if (!given.success) {
      const [issue] = given.error.issues;
      throw refuse(String(issue?.path[0] ?? 'body'), issue?.message ?? '');
    }
    const { name } = asked.get('principal');
    const found = await closeMonth(setting.db, {
      month: params.data,
      currency: given.data.currency ?? '',
      asKnownAt: given.data.as_known_at ?? null,
      issuer: setting.issuer,
      by: name,
      reason: given.data.reason,
    });
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
