import { createRoute, type RouteConfig, z } from '@hono/zod-openapi';
import { Readable } from 'node:stream';
import { reconciliation } from '#clickhouse/invoices.ts';
import { rowSchema } from '../answer.ts';
import { allow } from '../auth.ts';
import { listed } from '../listing.ts';
import { ProblemError, refuseIssues } from '../problem.ts';
import { importInvoice, reconciled, reconciliationKeys } from '../reconcile.ts';
import { type App, type AskedContext, listResponse, refusals, register } from '../route.ts';
import type { Setting } from '../setting.ts';
import { format, knownAt, month } from '../window.ts';

const path = '/v1/chargeback/{month}/reconciliation';
const roles = ['finance', 'admin'] as const;

const tolerance = z
  .string()
  .regex(/^\d{1,3}(\.\d{1,4})?$/, 'must be percent as a decimal, such as 1 or 0.5')
  .default('1')
  .describe('Amounts and tokens that differ by at most so many percent of the larger one agree');

/** What Azure billed for a month against what the ledger counted. */
export function reconciliationRoutes(app: App, setting: Setting): void {
  const route = {
    path,
    summary: 'What Azure billed for a month against the ledger, by deployment, model and kind of token',
    description: [
      'The newest export of the month that was sent to this path. finding says what a difference looks like: unit_off_by_1000, invoice_input_includes_cached and ledger_input_includes_cached, reasoning_not_billed, price_differs, unpriced, tokens_differ, not_in_ledger, not_in_invoice, unknown_unit, no_deployment_tag; router_fee, fixed_cost and other are lines that no token is billed by; agrees is within tolerance_percent.',
      'Claude is billed in units that name no deployment: its bill is divided by the ledger’s cost of each deployment, and marked is_estimated.',
    ].join('\n\n'),
    roles,
    query: { tolerance_percent: tolerance, as_known_at: knownAt, format },
    params: { month },
    ok: listResponse(
      rowSchema(reconciliation.columns),
      z.object({
        month: z.string(),
        import_id: z.string(),
        imported_at: z.iso.datetime(),
        author: z.string(),
        reason: z.string(),
        billing_currency: z.string(),
      }),
    ),
  } as const;
  register(app, route, async (c, given, params) => {
    const asked = { month: params.month, tolerance: given.tolerance_percent, asKnownAt: given.as_known_at };
    const found = await reconciled(setting.db, asked);
    if (found === null) {
      throw new ProblemError(
        'not_found',
        `there is no export for ${params.month}; send one by POST to this path, or with npm run reconcile`,
      );
    }
    const { invoice, args } = found;
    return listed(c, setting, {
      name: 'reconciliation',
      view: reconciliation,
      args,
      columns: Object.keys(reconciliation.columns),
      keys: reconciliationKeys,
      given,
      meta: {
        month: invoice.month,
        import_id: invoice.import_id,
        imported_at: invoice.known_from,
        author: invoice.author,
        reason: invoice.reason,
        billing_currency: args.currency,
      },
    });
  });
  importRoute(app, setting);
}

const imported = z.object({
  data: z.object({
    import_id: z.string(),
    known_already: z.boolean(),
    rows: z.number().int().describe('Rows of the export that were taken'),
    lines: z.number().int().describe('Meters of deployments that they add up to'),
    left_out: z.record(z.string(), z.number().int()).describe('Rows that were not, by reason'),
  }),
});
const query = z.strictObject({
  reason: z.string({ error: 'is missing: say why' }).min(1, 'is empty: say why').max(1_000),
});

function importRoute(app: App, setting: Setting): void {
  const config: RouteConfig = {
    method: 'post',
    path,
    operationId: 'post_reconciliation',
    tags: ['Books'],
    summary: 'Take in Azure’s export of a month, as CSV',
    description: `FOCUS, or classic actual or amortized cost; the parts of an export may follow each other. Whole or not at all; the same export again changes nothing. The author is the key that is used.\n\nRoles: ${roles.join(', ')}.`,
    security: [{ key: [] }],
    middleware: [allow(roles)],
    request: {
      params: z.object({ month }),
      query,
      body: { required: true, content: { 'text/csv': { schema: z.string() } } },
    },
    responses: { 201: { description: 'Taken in', content: { 'application/json': { schema: imported } } }, ...refusals },
  };
  app.openAPIRegistry.registerPath({ ...createRoute(config), path });
  app.post(path.replace('{month}', ':month'), allow(roles), async (c) => take(c as unknown as AskedContext, setting));
}

async function take(c: AskedContext, setting: Setting): Promise<Response> {
  const given = query.extend({ month }).safeParse({ ...c.req.query(), month: c.req.param('month') });
  if (!given.success) throw refuseIssues(given.error.issues, ['month', 'reason']);
  const body = c.req.raw.body;
  if (body === null) throw new ProblemError('invalid_parameter', 'the body is missing; send the export as text/csv');
  const who = { ...given.data, author: c.get('principal').name };
  const outcome = await importInvoice(setting.db, setting.books, Readable.fromWeb(body), who);
  if (outcome.kind === 'faulty') {
    const faults = outcome.faults.map((detail) => ({ parameter: 'body', detail }));
    throw new ProblemError('invalid_parameter', `nothing was taken in: ${outcome.faults.slice(0, 3).join('; ')}`, {
      faults,
    });
  }
  const { importId, rows, lines, leftOut } = outcome;
  const data = {
    import_id: importId,
    known_already: outcome.kind === 'known',
    rows,
    lines,
    left_out: Object.fromEntries(leftOut),
  };
  return c.json({ data }, 201);
}
