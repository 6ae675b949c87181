import type { MiddlewareHandler } from 'hono';
import { routePath } from 'hono/route';
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Logger } from '#common/log.ts';
import type { Asked } from './auth.ts';

export type Metrics = {
  readonly contentType: string;
  readonly text: () => Promise<string>;
  readonly request: (labels: { method: string; route: string; status: number }, seconds: number) => void;
};

/** The program's own numbers, for Prometheus; each call has its own registry. */
export function createMetrics(version: string): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: 'gatemeter_build_info',
    help: 'Always 1; the labels say what runs',
    labelNames: ['version', 'program'],
    registers: [registry],
  }).set({ version, program: 'api' }, 1);
  const requests = new Histogram({
    name: 'gatemeter_http_request_duration_seconds',
    help: 'Time from a request to its first byte',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    registers: [registry],
  });
  return {
    contentType: registry.contentType,
    text: async () => registry.metrics(),
    request: ({ method, route, status }, seconds) => requests.observe({ method, route, status }, seconds),
  };
}

/**
 * Logs and counts each request, in one place. The route's pattern stands for its path, and query strings stay out: they
 * name tenants and users.
 */
export function observe(log: Logger, metrics: Metrics): MiddlewareHandler<Asked> {
  return async (c, next) => {
    const begun = performance.now();
    await next();
    const ms = performance.now() - begun;
    const [method, status] = [c.req.method, c.res.status];
    // The last handler that ran; a path that nobody serves ends at the middlewares' own pattern.
    const matched = routePath(c, -1);
    const route = matched.includes('*') ? 'none' : matched;
    metrics.request({ method, route, status }, ms / 1000);
    const principal = c.get('principal') as { name: string } | undefined;
    log.info(
      {
        event: 'request',
        method,
        route,
        status,
        ms: Math.round(ms * 10) / 10,
        request_id: c.get('requestId'),
        asked_by: principal?.name,
      },
      'request',
    );
  };
}
