import { createRoute, z } from '@hono/zod-openapi';
import { metricsContentType } from '#common/telemetry.ts';
import type { App } from '../route.ts';

/** Why the program cannot answer now, one sentence each; empty when it can. */
export type Readiness = () => Promise<string[]>;

/** What the process knows of itself: whether it is ready, and its numbers as Prometheus reads them. */
export type Health = { readonly readiness: Readiness; readonly metricsText: () => Promise<string> };

const state = z.object({ status: z.enum(['live', 'ready', 'not_ready']), reasons: z.array(z.string()).optional() });
const json = { 'application/json': { schema: state } };

/** What orchestrators and Prometheus ask; without a key. */
export function healthRoutes(app: App, health: Health): void {
  app.openapi(
    createRoute({
      method: 'get',
      path: '/healthz',
      operationId: 'get_healthz',
      tags: ['Operation'],
      summary: 'The process runs',
      responses: { 200: { description: 'It runs', content: json } },
    }),
    (c) => c.json({ status: 'live' as const }, 200),
  );
  app.openapi(
    createRoute({
      method: 'get',
      path: '/readyz',
      operationId: 'get_readyz',
      tags: ['Operation'],
      summary: 'The database answers and fits',
      responses: {
        200: { description: 'Questions can be answered', content: json },
        503: { description: 'They cannot, with the reasons', content: json },
      },
    }),
    async (c) => {
      const reasons = await health.readiness();
      return reasons.length === 0
        ? c.json({ status: 'ready' as const }, 200)
        : c.json({ status: 'not_ready' as const, reasons }, 503);
    },
  );
  app.openapi(
    createRoute({
      method: 'get',
      path: '/metrics',
      operationId: 'get_metrics',
      tags: ['Operation'],
      summary: 'Numbers of this process',
      responses: { 200: { description: 'Prometheus text', content: { 'text/plain': { schema: z.string() } } } },
    }),
    async (c) => c.body(await health.metricsText(), 200, { 'Content-Type': metricsContentType }) as never,
  );
}
