import { createRoute, type RouteConfig, z } from '@hono/zod-openapi';
import { append, submission } from '../append.ts';
import { rowSchema } from '../answer.ts';
import { allow } from '../auth.ts';
import { type Book, books } from '../book.ts';
import { listed } from '../listing.ts';
import { ProblemError, refuseIssues } from '../problem.ts';
import { type App, type AskedContext, listResponse, refusals, register } from '../route.ts';
import type { Setting } from '../setting.ts';
import { argument, everything, format, instant } from '../window.ts';

const roles = ['finance', 'admin'] as const;

/** The dated reference data: read as known at an instant, and appended to. */
export function bookRoutes(app: App, setting: Setting): void {
  for (const book of books) {
    readRoute(app, setting, book);
    appendRoute(app, setting, book);
  }
}

function readRoute(app: App, setting: Setting, book: Book): void {
  const route = {
    path: `/v1/${book.name}`,
    summary: book.summary,
    description:
      'The rows that no later row replaced. A row replaces one with the same key and valid_from that was known before; author, reason and known_from say who wrote it, why and when.',
    roles,
    query: {
      as_known_at: instant.optional().describe('The book as it was known at this instant (default: now)'),
      history: z.stringbool().optional().openapi({ type: 'boolean' }).describe('Every row that was ever written'),
      format,
    },
    params: {},
    ok: listResponse(rowSchema(book.view.columns), z.object({ history: z.boolean() })),
  } as const;
  register(app, route, async (c, given) =>
    listed(c, setting, {
      name: book.name,
      view: book.view,
      args: {
        as_known_at: given.as_known_at === undefined ? everything : argument(given.as_known_at),
        history: given.history === true ? 1 : 0,
      },
      columns: Object.keys(book.view.columns),
      keys: [...book.key, 'valid_from', 'known_from'],
      given,
      meta: { history: given.history === true },
    }),
  );
}

const appended = z.object({ data: z.object({ appended: z.number().int().describe('Rows written') }) });

function appendRoute(app: App, setting: Setting, book: Book): void {
  const config: RouteConfig = {
    method: 'post',
    path: `/v1/${book.name}`,
    operationId: `post_${book.name.replaceAll('-', '_')}`,
    tags: ['Books'],
    summary: `Append: ${book.summary.charAt(0).toLowerCase()}${book.summary.slice(1)}`,
    description: `All entries or none. Nothing is ever changed: an entry with the key (${book.key.join(', ')}) and valid_from of an earlier one replaces it from now on, and one whose valid_to is its valid_from withdraws it. The author is the key that is used.\n\nRoles: ${roles.join(', ')}.`,
    security: [{ key: [] }],
    middleware: [allow(roles)],
    request: {
      body: {
        required: true,
        content: { 'application/json': { schema: submission.extend({ entries: z.array(book.entry) }) } },
      },
    },
    responses: { 201: { description: 'Written', content: { 'application/json': { schema: appended } } }, ...refusals },
  };
  // The document says what an entry is; entries are read by `append`, so that all faults are named with their place.
  app.openAPIRegistry.registerPath({ ...createRoute(config), path: config.path });
  app.post(config.path, allow(roles), async (c) => answer(c as unknown as AskedContext, setting, book));
}

async function answer(c: AskedContext, setting: Setting, book: Book): Promise<Response> {
  const body: unknown = await c.req.json().catch(() => {
    throw new ProblemError('invalid_parameter', 'the body is not JSON; send {"reason": "…", "entries": [{…}]}');
  });
  const sent = submission.safeParse(body);
  if (!sent.success) throw refuseIssues(sent.error.issues, Object.keys(submission.shape));
  const outcome = await append(setting.db, setting.books, book, sent.data, c.get('principal').name);
  if (outcome.kind === 'faulty') {
    const first = outcome.faults.slice(0, 3).map((fault) => `${fault.parameter} ${fault.detail}`);
    const detail = `nothing was written: ${first.join('; ')}${outcome.faults.length > 3 ? '; …' : ''}`;
    throw new ProblemError('invalid_parameter', detail, { faults: outcome.faults });
  }
  return c.json({ data: { appended: outcome.rows } }, 201);
}
