import { type Histogram, metrics, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { Context, MiddlewareHandler } from 'hono';
import { routePath } from 'hono/route';
import type { Logger } from '#common/log.ts';
import type { Asked } from './auth.ts';

/** Any other is counted as `_OTHER`: who asks must not be able to make labels. */
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** The semantic conventions' own, and a minute, which an export may take. */
const bucketsSeconds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60];

function instruments(version: string): Histogram {
  const meter = metrics.getMeter('gatemeter.api');
  meter
    .createGauge('gatemeter.build_info', { description: 'Always 1; the attributes say what runs' })
    .record(1, { version, program: 'api' });
  return meter.createHistogram('http.server.request.duration', {
    description: 'Time from a request to its first byte',
    unit: 's',
    advice: { explicitBucketBoundaries: bucketsSeconds },
  });
}

/**
 * Logs, counts and traces each request, in one place. The route's pattern stands for its path, and query strings stay
 * out: they name tenants and users.
 */
export function observe(log: Logger, version: string): MiddlewareHandler<Asked> {
  const requests = instruments(version);
  const tracer = trace.getTracer('gatemeter.api');
  return async (c, next) => {
    const begun = performance.now();
    const method = methods.has(c.req.method) ? c.req.method : '_OTHER';
    await tracer.startActiveSpan(method, { kind: SpanKind.SERVER }, async (span) => {
      try {
        await next();
      } finally {
        const ms = performance.now() - begun;
        const [route, status] = [routeOf(c), c.res.status];
        requests.record(ms / 1000, attributes(method, route, status));
        end(span, method, route, status);
        const event = { event: 'request', method, route, status, ms: Math.round(ms * 10) / 10 };
        const principal = c.get('principal') as { name: string } | undefined;
        log.info({ ...event, request_id: c.get('requestId'), asked_by: principal?.name }, 'request');
      }
    });
  };
}

/** The pattern of the last handler that ran; a path that nobody serves ends at the middlewares' own pattern. */
function routeOf(c: Context): string {
  const matched = routePath(c, -1);
  return matched.includes('*') ? 'none' : matched;
}

function attributes(method: string, route: string, status: number): Record<string, string | number> {
  return { 'http.request.method': method, 'http.route': route, 'http.response.status_code': status };
}

function end(span: Span, method: string, route: string, status: number): void {
  span.updateName(`${method} ${route}`);
  span.setAttributes(attributes(method, route, status));
  if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
  span.end();
}
