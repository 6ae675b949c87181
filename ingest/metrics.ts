import { metrics as api } from '@opentelemetry/api';
import type { EventRow, MessageRows } from './rows.ts';

/** What ingest counts. Names follow OpenTelemetry; Prometheus shows them with underscores and `_total`. */
export type IngestMetrics = {
  readonly stored: (stream: string, batch: readonly MessageRows[]) => void;
  /** What `notice.ts` says; `stream` is '' for the whole worker. */
  readonly noticed: (event: string, stream: string) => void;
  /** One sealing, of whatever streams. */
  readonly sealed: (ms: number) => void;
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
  const notices = meter.createCounter('gatemeter.ingest.notices', {
    description: 'named events, as the log has them',
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
    stored: (stream, batch) => {
      messages.add(batch.length, { stream });
      bytes.add(
        batch.reduce((sum, { message }) => sum + message.body.length, 0),
        { stream },
      );
      for (const { row, count, unknownFields } of tally(batch)) {
        records.add(count, { kind: row.kind, source: row.source, reason: row.reason });
        if (unknownFields > 0) unknown.add(unknownFields, { source: row.source });
      }
      const newest = batch.at(-1);
      if (newest !== undefined) freshness.record(Date.now() - newest.message.enqueued_at_ms);
    },
    noticed: (event, stream) => notices.add(1, { event, stream }),
    sealed: (ms) => sealing.record(ms),
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

type Tally = { readonly row: EventRow; count: number; unknownFields: number };

/** The records of a batch by their labels: a counter's labels are hashed on each add, and there are few of them. */
function tally(batch: readonly MessageRows[]): Iterable<Tally> {
  const byLabels = new Map<string, Tally>();
  for (const { rows } of batch) {
    for (const row of rows) {
      const labels = `${row.kind} ${row.source} ${row.reason}`;
      const own = byLabels.get(labels) ?? { row, count: 0, unknownFields: 0 };
      own.count += 1;
      if (row.unknown_fields.length > 0) own.unknownFields += 1;
      byLabels.set(labels, own);
    }
  }
  return byLabels.values();
}
