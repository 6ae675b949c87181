import { metrics as api } from '@opentelemetry/api';
import type { Evaluator } from './evaluator.ts';

/**
 * Gauges for rules of one's own: how many alerts there are by rule, severity and status, how far evaluation has come, and
 * what waits to be told. An evaluator that is not elected shows none of them.
 */
export function observe(evaluator: Evaluator): void {
  const meter = api.getMeter('gatemeter.alerts');
  meter
    .createObservableGauge('gatemeter.alerts.alerts', { description: 'alerts that pend or fire' })
    .addCallback((result) => {
      const counts = new Map<string, { labels: Record<string, string>; count: number }>();
      for (const { rule, severity, state } of evaluator.alerts) {
        if (state.status === 'inactive') continue;
        const key = `${rule} ${severity} ${state.status}`;
        const own = counts.get(key) ?? { labels: { rule, severity, status: state.status }, count: 0 };
        own.count += 1;
        counts.set(key, own);
      }
      for (const { labels, count } of counts.values()) result.observe(count, labels);
    });
  meter
    .createObservableGauge('gatemeter.alerts.evaluated', { description: 'calls were looked at up to here', unit: 's' })
    .addCallback((result) => {
      if (evaluator.evaluatedAt !== null) result.observe(evaluator.evaluatedAt / 1_000);
    });
  meter
    .createObservableGauge('gatemeter.alerts.waiting', { description: 'notifications that are not delivered' })
    .addCallback((result) => result.observe(evaluator.dispatcher.waiting));
}
