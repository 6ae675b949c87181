import { metrics as api } from '@opentelemetry/api';
import type { MessageRows } from './rows.ts';

/** What ingest counts. Names follow OpenTelemetry; Prometheus shows them with underscores and `_total`. */
export type IngestMetrics = {
  readonly stored: (stream: string, batch: readonly MessageRows[], burntTokens: number) => void;
  readonly overtaken: (stream: string) => void;
  readonly retried: (stream: string) => void;
  readonly sealed: (stream: string, ms: number) => void;
  readonly observe: (states: () => Iterable<{ stream: string; waiting: number; watermark: number }>) => void;
};

export function ingestMetrics(): IngestMetrics {
  const meter = api.getMeter('gatemeter.ingest');
  const messages = meter.createCounter('gatemeter.ingest.messages', { description: 'messages stored in events' });
  const records = meter.createCounter('gatemeter.ingest.records', {
    description: 'records stored, by kind, source and reason',
  });
  const bytes = meter.createCounter('gatemeter.ingest.message_bytes', {
    description: 'bytes of stored messages',
    unit: 'By',
  });
  const unknown = meter.createCounter('gatemeter.ingest.unknown_fields', {
    description: 'records with fields that no decoder knows',
  });
  const burnt = meter.createCounter('gatemeter.ingest.burnt_tokens', {
    description: 'inserts whose token was used up without rows',
  });
  const overtaken = meter.createCounter('gatemeter.ingest.overtaken', {
    description: 'batches that another owner had stored',
  });
  const retries = meter.createCounter('gatemeter.ingest.retries', {
    description: 'attempts that the database did not answer well',
  });
  const sealing = meter.createHistogram('gatemeter.ingest.seal.duration', { description: 'one sealing', unit: 'ms' });
  const freshness = meter.createHistogram('gatemeter.ingest.store.lag', {
    description: 'enqueued to stored, newest message of a batch',
    unit: 'ms',
  });
  const waiting = meter.createObservableGauge('gatemeter.ingest.waiting', {
    description: 'messages in the hub after the watermark',
  });
  const watermark = meter.createObservableGauge('gatemeter.ingest.watermark', {
    description: 'last stored sequence number',
  });
  return {
    stored: (stream, batch, burntTokens) => {
      messages.add(batch.length, { stream });
      for (const { message, rows } of batch) {
        bytes.add(message.body.length, { stream });
        for (const row of rows) {
          records.add(1, { kind: row.kind, source: row.source, reason: row.reason });
          if (row.unknown_fields.length > 0) unknown.add(1, { source: row.source });
        }
      }
      if (burntTokens > 0) burnt.add(burntTokens, { stream });
      const newest = batch.at(-1);
      if (newest !== undefined) freshness.record(Date.now() - newest.message.enqueued_at_ms);
    },
    overtaken: (stream) => overtaken.add(1, { stream }),
    retried: (stream) => retries.add(1, { stream }),
    sealed: (stream, ms) => sealing.record(ms, { stream }),
    observe: (states) => {
      waiting.addCallback((result) => {
        for (const state of states()) result.observe(state.waiting, { stream: state.stream });
      });
      watermark.addCallback((result) => {
        for (const state of states()) result.observe(state.watermark, { stream: state.stream });
      });
    },
  };
}
