import { context, metrics, propagation, trace } from '@opentelemetry/api';
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { resourceFromAttributes, type Resource } from '@opentelemetry/resources';
import { MeterProvider, PeriodicExportingMetricReader, type MetricReader } from '@opentelemetry/sdk-metrics';
import { createServer } from 'node:http';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { httpAddress, messageOf } from './environment.ts';

/** The variables of a program's own telemetry. */
export const telemetryVariables = {
  OTEL_EXPORTER_OTLP_ENDPOINT: httpAddress()
    .optional()
    .describe('OTLP/HTTP endpoint for traces and metrics, for example http://localhost:4318; unset sends nothing'),
};

export type Telemetry = {
  /** The metrics in Prometheus' text format. */
  readonly metricsText: () => Promise<string>;
  /** Sends what has not been sent. A receiver that does not answer is no reason to fail. */
  readonly close: () => Promise<void>;
};

/**
 * One set of instruments, two readers: Prometheus pulls, and OTLP/HTTP is pushed to where an endpoint is set. Traces
 * go by OTLP alone. To be awaited before the first instrument is made.
 */
export async function startTelemetry(program: string, endpoint: string | undefined): Promise<Telemetry> {
  const resource = resourceFromAttributes({ 'service.name': `gatemeter-${program}`, 'service.namespace': 'gatemeter' });
  const prometheus = new PrometheusExporter({ preventServerStart: true });
  const serializer = new PrometheusSerializer();
  const readers: MetricReader[] = [prometheus];
  // A program that is started twice in one process, as tests do, takes over from the one before.
  for (const api of [metrics, trace, context, propagation]) api.disable();
  const pushed = endpoint === undefined ? null : await startPushing(resource, endpoint.replace(/\/$/, ''));
  if (pushed !== null) readers.push(pushed.reader);
  const provider = new MeterProvider({ resource, readers });
  metrics.setGlobalMeterProvider(provider);
  const stopObserving = observeProcess();
  return {
    metricsText: async () => serializer.serialize((await prometheus.collect()).resourceMetrics),
    close: async () => {
      stopObserving();
      await Promise.allSettled([provider.shutdown(), pushed?.stop()]);
    },
  };
}

/** Traces to an OTLP endpoint, and the reader that sends metrics there. Loaded only here: it takes a third of a second. */
async function startPushing(
  resource: Resource,
  base: string,
): Promise<{ readonly reader: MetricReader; readonly stop: () => Promise<void> }> {
  const [{ NodeSDK }, { OTLPTraceExporter }, { OTLPMetricExporter }] = await Promise.all([
    import('@opentelemetry/sdk-node'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/exporter-metrics-otlp-http'),
  ]);
  const sdk = new NodeSDK({
    resource,
    autoDetectResources: false,
    traceExporter: new OTLPTraceExporter({ url: `${base}/v1/traces` }),
    // Left out, the SDK would send logs and metrics of its own to wherever it believes a receiver to be.
    metricReaders: [],
    logRecordProcessors: [],
  });
  sdk.start();
  return {
    reader: new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter({ url: `${base}/v1/metrics` }) }),
    stop: async () => sdk.shutdown(),
  };
}

/** What every program tells of its process. */
function observeProcess(): () => void {
  const meter = metrics.getMeter('gatemeter.process');
  const delay = monitorEventLoopDelay();
  delay.enable();
  meter
    .createObservableGauge('nodejs.eventloop.delay.p99', { description: 'of the time since the start', unit: 's' })
    .addCallback((result) => result.observe(delay.percentile(99) / 1e9));
  meter
    .createObservableGauge('process.memory.usage', { description: 'resident memory', unit: 'By' })
    .addCallback((result) => result.observe(process.memoryUsage.rss()));
  return () => void delay.disable();
}

/** What `/metrics` answers with. */
export const metricsContentType = 'text/plain; version=0.0.4; charset=utf-8';

/** A listener for programs whose only HTTP is /metrics and /healthz; loopback unless told otherwise. */
export async function serveMetrics(telemetry: Telemetry, port: number, host: string): Promise<() => Promise<void>> {
  const server = createServer((request, response) => {
    const answer = (status: number, text: string): void => {
      response.writeHead(status, { 'content-type': metricsContentType });
      response.end(text);
    };
    if (request.url === '/healthz') return answer(200, 'ok\n');
    if (request.url !== '/metrics') return answer(404, 'not found\n');
    void telemetry.metricsText().then(
      (text) => answer(200, text),
      (error: unknown) => answer(500, `${messageOf(error)}\n`),
    );
    return undefined;
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return async () => {
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
}
