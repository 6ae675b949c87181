import { metrics } from '@opentelemetry/api';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider, PeriodicExportingMetricReader, type MetricReader } from '@opentelemetry/sdk-metrics';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { z } from 'zod';

/** The variables of a program's own telemetry. */
export const telemetryVariables = {
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .url()
    .optional()
    .describe('OTLP/HTTP endpoint for traces and metrics, for example http://localhost:4318; unset sends nothing'),
};

export type Telemetry = {
  /** Answers a request with the metrics in Prometheus' text format. */
  readonly answerMetrics: (request: IncomingMessage, response: ServerResponse) => void;
  readonly close: () => Promise<void>;
};

/**
 * One set of instruments, two readers: Prometheus pulls, and OTLP/HTTP is pushed to where an endpoint is set. Traces
 * go by OTLP alone. To be called before the first instrument is made.
 */
export function startTelemetry(program: string, endpoint: string | undefined): Telemetry {
  const resource = resourceFromAttributes({ 'service.name': `gatemeter-${program}`, 'service.namespace': 'gatemeter' });
  const prometheus = new PrometheusExporter({ preventServerStart: true });
  const readers: MetricReader[] = [prometheus];
  let sdk: NodeSDK | null = null;
  if (endpoint !== undefined) {
    const base = endpoint.replace(/\/$/, '');
    readers.push(
      new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter({ url: `${base}/v1/metrics` }) }),
    );
    sdk = new NodeSDK({
      resource,
      autoDetectResources: false,
      traceExporter: new OTLPTraceExporter({ url: `${base}/v1/traces` }),
    });
    sdk.start();
  }
  const provider = new MeterProvider({ resource, readers });
  metrics.disable();
  metrics.setGlobalMeterProvider(provider);
  return {
    answerMetrics: (request, response) => prometheus.getMetricsRequestHandler(request, response),
    close: async () => {
      await provider.shutdown();
      await sdk?.shutdown();
    },
  };
}

/** A listener for programs whose only HTTP is /metrics and /healthz; loopback unless told otherwise. */
export async function serveMetrics(telemetry: Telemetry, port: number, host: string): Promise<() => Promise<void>> {
  const server = createServer((request, response) => {
    if (request.url === '/metrics') return telemetry.answerMetrics(request, response);
    response.writeHead(request.url === '/healthz' ? 200 : 404, { 'content-type': 'text/plain' });
    response.end(request.url === '/healthz' ? 'ok\n' : 'not found\n');
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
