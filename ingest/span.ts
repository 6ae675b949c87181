import { SpanStatusCode, trace, type Attributes, type Span } from '@opentelemetry/api';

/**
 * Runs a part of a batch's way as a span, below the one it is called in. Without an endpoint nobody traces, and this is
 * a call of `act`. Attributes are names and numbers: no bytes of a message, nor an error's text, which may quote them.
 */
export async function traced<T>(name: string, attributes: Attributes, act: (span: Span) => Promise<T> | T): Promise<T> {
  // Asked for each time: one of before the telemetry started would stay without a receiver.
  const tracer = trace.getTracer('gatemeter.ingest');
  return tracer.startActiveSpan(`ingest.${name}`, { attributes }, async (span) => {
    try {
      return await act(span);
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.name : '' });
      throw error;
    } finally {
      span.end();
    }
  });
}
