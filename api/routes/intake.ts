import { type RouteConfig, z } from '@hono/zod-openapi';
import { messageOf } from '#common/error.ts';
import { allow } from '../auth.ts';
import { ProblemError, respond } from '../problem.ts';
import { type App, type AskedContext, refusals } from '../route.ts';
import type { Setting } from '../setting.ts';

const replayed = z.object({
  data: z.object({
    replayed: z.number().int().describe('Records that are understood now, and stored as such'),
    still_rejected: z.number().int(),
    cut: z.number().int().describe('Records of which only the beginning was kept; they must be sent again'),
  }),
});

const stored = z.object({
  data: z.object({
    records: z.number().int(),
    kinds: z.record(z.string(), z.number().int()).describe('What became of the records'),
  }),
});

/** The two routes that write: both are done by ingest, which alone decodes; the API hands them on. */
export function intakeRoutes(app: App, setting: Setting): void {
  const intake: RouteConfig = {
    method: 'post',
    path: '/v1/intake/{source}',
    operationId: 'post_intake',
    tags: ['Intake'],
    summary: 'The bridge for gateways that push over HTTP',
    description:
      'Answers 202 only when every record is safe in the ledger, understood or kept as rejected. After any other answer send the same body again: records that name their call count once. One object, an array, {"records": [...]} or one object per line; at most 16 MiB, also packed with gzip, deflate, br or zstd.\n\nRoles: intake (for the sources that its key names), admin.',
    security: [{ key: [] }],
    request: {
      params: z.object({
        source: z.string().describe('The gateway that sends, such as kong or apipark; any tries every format'),
      }),
      body: { content: { 'application/json': { schema: z.unknown() } } },
    },
    responses: { 202: { description: 'Stored', content: { 'application/json': { schema: stored } } }, ...refusals },
  };
  const replay: RouteConfig = {
    method: 'post',
    path: '/v1/rejected/replay',
    operationId: 'post_rejected_replay',
    tags: ['Operation'],
    summary: 'Decode stored rejects again, after a decoder has learned their format',
    description: 'May be repeated: what was replayed before is left alone. Roles: admin.',
    security: [{ key: [] }],
    request: {
      query: z.strictObject({
        reason: z
          .union([z.string(), z.array(z.string())])
          .optional()
          .describe('Only records rejected for this'),
        source: z
          .union([z.string(), z.array(z.string())])
          .optional()
          .describe('Only records of this decoder'),
      }),
    },
    responses: { 200: { description: 'Done', content: { 'application/json': { schema: replayed } } }, ...refusals },
  };
  // Registered beside the validating routes: those read the body, and refuse types of content that the intake takes.
  for (const route of [intake, replay]) app.openAPIRegistry.registerPath(route);
  app.post('/v1/intake/:source', allow(['intake', 'admin']), async (c) => relay(c, setting));
  app.post('/v1/rejected/replay', allow(['admin']), async (c) => relay(c, setting));
}

const handedOn = ['authorization', 'content-type', 'content-encoding', 'gatemeter-origin'];

/** The request as it came, its body not buffered; the answer as it is. */
async function relay(c: AskedContext, { intakeUrl, log }: Setting): Promise<Response> {
  if (intakeUrl === null) {
    return respond(
      c,
      new ProblemError('unavailable', 'this API has no intake: set INTAKE_URL to that of an ingest worker'),
    );
  }
  const { pathname, search } = new URL(c.req.url);
  const headers = handedOn.flatMap((name): [string, string][] => {
    const value = c.req.header(name);
    return value === undefined ? [] : [[name, value]];
  });
  headers.push(['x-request-id', c.get('requestId')]);
  const body = c.req.raw.body;
  try {
    const init = { method: 'POST', headers, body, duplex: 'half', signal: c.req.raw.signal } as RequestInit;
    const answer = await fetch(new URL(pathname + search, intakeUrl), init);
    const kept = ['content-type', 'retry-after'].flatMap((name): [string, string][] => {
      const value = answer.headers.get(name);
      return value === null ? [] : [[name, value]];
    });
    return new Response(answer.body, { status: answer.status, headers: kept });
  } catch (error) {
    log.warn({ event: 'intake_away', reason: messageOf(error) }, 'the intake does not answer; senders repeat');
    const retry = { headers: { 'Retry-After': '5' } };
    return respond(c, new ProblemError('unavailable', 'the intake does not answer; send the same again', retry));
  }
}
