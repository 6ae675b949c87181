import type { Context } from 'hono';
import { z } from '@hono/zod-openapi';

/** What is wrong with one parameter, and what to send instead. */
const fault = z.object({
  parameter: z.string().describe('Name of the query or path parameter, or of the field of the body'),
  detail: z.string().describe('What is wrong with it, and the remedy'),
});

/** RFC 9457. `type` is the closed word that a program can branch on; texts are for people. */
export const problem = z
  .object({
    type: z.string().describe('urn:gatemeter:problem:<kind>'),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    instance: z.string().describe('urn:uuid of the request, also in the log and in the header X-Request-Id'),
    errors: z.array(fault).optional(),
  })
  .openapi('Problem');

type Fault = z.infer<typeof fault>;

const titles = {
  invalid_parameter: { status: 400, title: 'A parameter is not valid' },
  unauthenticated: { status: 401, title: 'A valid key is needed' },
  forbidden: { status: 403, title: 'The key may not ask this' },
  not_found: { status: 404, title: 'Not found' },
  method_not_allowed: { status: 405, title: 'Not with this method' },
  conflict: { status: 409, title: 'It is not in a state for this' },
  internal: { status: 500, title: 'The answer could not be computed' },
  unavailable: { status: 503, title: 'It cannot be answered now' },
} as const;

export type ProblemKind = keyof typeof titles;

/** Thrown anywhere below a route; `app.onError` turns it into the answer. */
export class ProblemError extends Error {
  override name = 'ProblemError';
  readonly kind: ProblemKind;
  readonly faults: readonly Fault[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    kind: ProblemKind,
    detail: string,
    more: { faults?: readonly Fault[]; headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(detail);
    this.kind = kind;
    this.faults = more.faults ?? [];
    this.headers = more.headers ?? {};
  }
}

/** A 400 that names the parameter. */
export function refuse(parameter: string, detail: string): ProblemError {
  return new ProblemError('invalid_parameter', `${parameter}: ${detail}`, { faults: [{ parameter, detail }] });
}

/** The problem as an HTTP answer. */
export function respond(c: Context, error: ProblemError): Response {
  const { status, title } = titles[error.kind];
  const body = {
    type: `urn:gatemeter:problem:${error.kind}`,
    title,
    status,
    detail: error.message,
    instance: `urn:uuid:${c.get('requestId')}`,
    ...(error.faults.length > 0 ? { errors: error.faults } : {}),
  };
  return c.body(JSON.stringify(body), status, { ...error.headers, 'Content-Type': 'application/problem+json' });
}

/** Every schema issue of a request as one 400, each with the name of its parameter. */
export function refuseIssues(issues: readonly z.core.$ZodIssue[], known: readonly string[]): ProblemError {
  const faults = issues.flatMap((issue): Fault[] => {
    if (issue.code === 'unrecognized_keys') {
      const detail = `is not a parameter here; remove it, or use one of: ${known.join(', ')}`;
      return issue.keys.map((parameter) => ({ parameter, detail }));
    }
    return [{ parameter: issue.path.map(String).join('.'), detail: issue.message }];
  });
  const detail = faults.map((f) => `${f.parameter}: ${f.detail}`).join('; ');
  return new ProblemError('invalid_parameter', detail, { faults });
}
