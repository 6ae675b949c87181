import { createRoute, type OpenAPIHono, type RouteConfig, z } from '@hono/zod-openapi';
import type { Context, MiddlewareHandler } from 'hono';
import { allow, type Asked, type Role } from './auth.ts';
import { problem, refuse, refuseIssues } from './problem.ts';
import type { Refused } from './window.ts';

export type App = OpenAPIHono<Asked>;
export type AskedContext = Context<Asked>;

type Responses = RouteConfig['responses'];

/** A question over HTTP: the schemas that validate are the ones in the OpenAPI document. */
export type Route<Q extends z.ZodRawShape, P extends z.ZodRawShape> = {
  readonly path: `/v1/${string}`;
  readonly summary: string;
  readonly description: string;
  /** Nobody else may ask; there is no default, so a new route is closed until it says. */
  readonly roles: readonly Role[];
  readonly query: Q;
  readonly params: P;
  readonly ok: Responses[string];
};

/** Registers a question behind its key; unknown parameters are refused, because a typo must not widen a bill. */
export function register<Q extends z.ZodRawShape, P extends z.ZodRawShape>(
  app: App,
  route: Route<Q, P>,
  handle: (c: AskedContext, query: z.output<z.ZodObject<Q>>, params: z.output<z.ZodObject<P>>) => Promise<Response>,
): void {
  const config: RouteConfig = {
    method: 'get',
    path: route.path,
    operationId: operationId(route.path),
    tags: ['Questions'],
    summary: route.summary,
    description: `${route.description}\n\nRoles: ${route.roles.join(', ')}.`,
    security: [{ key: [] }],
    middleware: [allow(route.roles)],
    request: { query: z.strictObject(route.query), params: z.object(route.params) },
    responses: { 200: route.ok, ...refusals },
  };
  app.openapi(
    createRoute(config),
    async (c) => {
      const query = c.req.valid('query' as never) as z.output<z.ZodObject<Q>>;
      refusePast(c, query);
      return handle(c, query, c.req.valid('param' as never) as z.output<z.ZodObject<P>>);
    },
    (result) => {
      if (!result.success) throw refuseIssues(result.error.issues, Object.keys(route.query));
    },
  );
}

/**
 * Whose a call was is looked up as it was known then, and may have been corrected since: who had a consumer before would
 * see the calls of who has it now.
 */
function refusePast(c: AskedContext, query: Readonly<Record<string, unknown>>): void {
  if (query['as_known_at'] === undefined || c.get('principal').visibleTenants.includes('*')) return;
  const detail =
    'is for keys that see all tenants, because whose a call was may have been corrected since; leave it out';
  throw refuse('as_known_at', detail);
}

/** A route that appends: what it is given as a body is validated and documented by one schema. */
export type WritingRoute<B extends z.ZodRawShape, P extends z.ZodRawShape> = {
  readonly method: 'post' | 'delete';
  readonly path: `/v1/${string}`;
  readonly summary: string;
  readonly description: string;
  readonly roles: readonly Role[];
  /** Null for a route without a body. */
  readonly body: B | null;
  readonly params: P;
  readonly ok: Responses[string];
};

/** A body of another type would be left out in silence, and then more is done than was meant. */
const jsonOnly: MiddlewareHandler<Asked> = async (c, next) => {
  const sent = c.req.header('content-type') ?? '';
  if (!/^application\/([\w.-]+\+)?json\s*(;|$)/i.test(sent) && (await c.req.text()).trim() !== '') {
    throw refuse('body', 'is not said to be JSON; add the header Content-Type: application/json');
  }
  await next();
};

/** Registers a route that writes; unknown fields are refused, because a typo must not silence more than was meant. */
export function registerWriting<B extends z.ZodRawShape, P extends z.ZodRawShape>(
  app: App,
  route: WritingRoute<B, P>,
  handle: (c: AskedContext, body: z.output<z.ZodObject<B>>, params: z.output<z.ZodObject<P>>) => Promise<Response>,
): void {
  const body = route.body === null ? null : z.strictObject(route.body);
  const config: RouteConfig = {
    method: route.method,
    path: route.path,
    operationId: operationId(route.path, route.method),
    tags: ['On-call'],
    summary: route.summary,
    description: `${route.description}\n\nRoles: ${route.roles.join(', ')}.`,
    security: [{ key: [] }],
    middleware: [allow(route.roles), jsonOnly],
    request: {
      params: z.object(route.params),
      ...(body === null ? {} : { body: { required: true, content: { 'application/json': { schema: body } } } }),
    },
    responses: { 200: route.ok, ...refusals, 409: refusal('It is not in a state for this') },
  };
  app.openapi(
    createRoute(config),
    async (c) =>
      handle(
        c as unknown as AskedContext,
        (body === null ? {} : c.req.valid('json' as never)) as z.output<z.ZodObject<B>>,
        c.req.valid('param' as never) as z.output<z.ZodObject<P>>,
      ),
    (result) => {
      if (!result.success) throw refuseIssues(result.error.issues, Object.keys(route.body ?? route.params));
    },
  );
}

function operationId(path: string, method: string = 'get'): string {
  return `${method}_${path.replaceAll(/[{}]/g, '').split('/').slice(2).join('_').replaceAll('-', '_')}`;
}

export function refusal(description: string): Responses[string] {
  return { description, content: { 'application/problem+json': { schema: problem } } };
}

export const refusals: Responses = {
  400: refusal('A parameter is not valid; each is named with its remedy'),
  401: refusal('No key, or one that is unknown, revoked or expired'),
  403: refusal('The role of the key may not ask this'),
  404: refusal('There is no such thing, or it is not visible to the key'),
  500: refusal('The answer could not be computed; the instance names the log line'),
  503: refusal('The database cannot answer now; Retry-After says when to try again'),
};

/** The 200 of a list: JSON pages, or everything as a file. */
export function listResponse(row: z.ZodType, meta: z.ZodType): Responses[string] {
  const file = z.string().openapi({ format: 'binary' });
  return {
    description: 'The answer',
    content: {
      'application/json': { schema: z.object({ data: z.array(row), meta }) },
      'text/csv': { schema: file },
      'application/vnd.apache.parquet': { schema: file },
    },
  };
}

/** The outcome of a pure function, or its refusal as a 400. */
export function accepted<T extends { readonly kind: string }>(outcome: T | Refused): T {
  if (isRefused(outcome)) throw refuse(outcome.parameter, outcome.detail);
  return outcome;
}

function isRefused(outcome: { readonly kind: string }): outcome is Refused {
  return outcome.kind === 'refused';
}
