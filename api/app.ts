import { OpenAPIHono } from '@hono/zod-openapi';
import { HTTPException } from 'hono/http-exception';
import { requestId } from 'hono/request-id';
import { secureHeaders } from 'hono/secure-headers';
import { messageOf } from '#common/environment.ts';
import type { Logger } from '#common/log.ts';
import { type Asked, authenticate, keyring } from './auth.ts';
import { observe } from './observe.ts';
import { alertsPage } from './pages/alerts.ts';
import { landingRoute } from './pages/landing.ts';
import { runbookPage } from './pages/runbook.ts';
import { ProblemError, refuse, respond } from './problem.ts';
import { DatabaseFailure } from './reader.ts';
import type { App } from './route.ts';
import { alertRoutes } from './routes/alert.ts';
import { alertRoutesRoutes } from './routes/alert_routes.ts';
import { alertsRoute } from './routes/alerts.ts';
import { allocatedRoute } from './routes/allocated.ts';
import { anomaliesRoute } from './routes/anomalies.ts';
import { bookRoutes } from './routes/books.ts';
import { budgetStatusRoute } from './routes/budget_status.ts';
import { callRoute } from './routes/call.ts';
import { callsRoute } from './routes/calls.ts';
import { chargebackRoutes } from './routes/chargeback.ts';
import { coldStartsRoute } from './routes/cold_starts.ts';
import { deliveriesRoutes } from './routes/deliveries.ts';
import { detectionFeedbackRoutes } from './routes/detection_feedback.ts';
import { docsRoutes } from './routes/docs.ts';
import { detectorsRoutes } from './routes/detectors.ts';
import { errorsRoute } from './routes/errors.ts';
import { type Health, healthRoutes } from './routes/health.ts';
import { intakeRoutes } from './routes/intake.ts';
import { latencyRoute } from './routes/latency.ts';
import { pipelineRoute } from './routes/pipeline.ts';
import { reconciliationRoutes } from './routes/reconciliation.ts';
import { rejectedRoute } from './routes/rejected.ts';
import { reratedRoute } from './routes/rerated.ts';
import { silencesRoutes } from './routes/silences.ts';
import { spendRoute } from './routes/spend.ts';
import { usageRoute } from './routes/usage.ts';
import type { Setting } from './setting.ts';

/** The whole API as one handler, without a socket; `app.request()` asks it in tests. */
export function createApp(setting: Setting, health: Health, version: string): App {
  const app = new OpenAPIHono<Asked>();

  // A request's id is ours alone: one from outside could repeat another's, or carry what logs should not.
  app.use(requestId({ headerName: '' }));
  app.use(observe(setting.log, version));
  app.use(
    secureHeaders({
      contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
      xFrameOptions: 'DENY',
      // Only for this host: what else the domain serves is not ours to decide.
      strictTransportSecurity: 'max-age=15552000',
      // Pages bring a policy of their own.
      overwrite: false,
    }),
  );
  app.use(async (c, next) => {
    await next();
    c.header('Cache-Control', 'no-store');
    c.header('X-Request-Id', c.get('requestId'));
  });
  app.use('/v1/*', authenticate(keyring(setting.db, setting.now)));

  for (const route of [
    usageRoute,
    spendRoute,
    reratedRoute,
    allocatedRoute,
    budgetStatusRoute,
    latencyRoute,
    errorsRoute,
    callsRoute,
    callRoute,
    pipelineRoute,
    rejectedRoute,
    reconciliationRoutes,
    coldStartsRoute,
    anomaliesRoute,
    detectionFeedbackRoutes,
    alertsRoute,
    alertRoutes,
    silencesRoutes,
    detectorsRoutes,
    alertRoutesRoutes,
    deliveriesRoutes,
  ]) {
    route(app, setting);
  }
  chargebackRoutes(app, setting);
  bookRoutes(app, setting);
  intakeRoutes(app, setting);
  healthRoutes(app, health);
  docsRoutes(app, version);
  landingRoute(app);
  alertsPage(app);
  runbookPage(app);

  app.notFound((c) => respond(c, nothingAt(app, c.req.path)));
  app.onError((error, c) => respond(c, problemOf(error, c.get('requestId'), setting.log)));
  return app;
}

/** That a path is not there, or that it is and is asked otherwise (RFC 9110, 15.5.6). */
function nothingAt(app: App, path: string): ProblemError {
  const allowed = ['GET', 'POST', 'DELETE'].filter((method) =>
    app.router.match(method, path)[0].some(([[, route]]) => !route.path.includes('*')),
  );
  if (allowed.length === 0) return new ProblemError('not_found', 'there is nothing at this path; see /docs');
  const Allow = allowed.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])).join(', ');
  return new ProblemError('method_not_allowed', `this path takes ${Allow}; see /docs`, { headers: { Allow } });
}

/** What a client may know of an error. The rest is in the log, under the request's id. */
function problemOf(error: Error, request: string, log: Logger): ProblemError {
  if (error instanceof ProblemError) return error;
  // The framework's word for a body that cannot be parsed.
  if (error instanceof HTTPException && error.status === 400) {
    return refuse('body', 'is not JSON; send an object, or {} where nothing is to be said');
  }
  if (error instanceof DatabaseFailure && error.failure.kind === 'transient') {
    log.warn(
      { event: 'database_unavailable', request_id: request, reason: error.message },
      'the database cannot answer',
    );
    return new ProblemError('unavailable', 'the database cannot answer now; nothing is lost, try again', {
      headers: { 'Retry-After': '5' },
    });
  }
  if (error instanceof DatabaseFailure && error.message.includes('would add amounts of two currencies')) {
    return refuse(
      'currency',
      'this answer would add amounts of two currencies; name one, or group or filter by what sets them apart',
    );
  }
  const reason = error instanceof DatabaseFailure ? error.message : (error.stack ?? messageOf(error));
  log.error({ event: 'request_failed', request_id: request, reason }, 'a request failed and will fail again');
  return new ProblemError(
    'internal',
    'this is a fault of the server; report the instance below, its log has the cause',
  );
}
