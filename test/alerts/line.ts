import { alertEvents } from '#clickhouse/alert_tables.ts';
import type { Database } from '#clickhouse/client.ts';
import { type Detection, journalLine, newAlert } from '../../alerts/alert.ts';

/** An alert of each of two tenants, of the same rule. */
export const alertIds = { ours: '0011223344556677-a', theirs: '7766554433221100-a' };

/** Both fire since an instant (ms). */
export async function storeAlerts(db: Database, at: number): Promise<void> {
  const lines = Object.entries(alertIds).map(([tenant, id]) => firingLine(id, tenant, at));
  await db.insert(alertEvents, lines.join('\n'));
}

function firingLine(alertId: string, tenant: string, at: number): string {
  const found: Detection = {
    rule: 'latency',
    version: 1,
    labels: { tenant_id: tenant },
    state: 'firing',
    severity: 'ticket',
    started_at: new Date(at).toISOString(),
    observed: 2,
    expected: 1,
    unit: 'ms',
    score: 1,
    cost_per_hour: null,
    affected: [`c-${tenant}`],
    evidence: '{}',
    confidence: 1,
  };
  const alert = newAlert(found, alertId.slice(0, 16));
  const state = { ...alert.state, status: 'firing' as const, activeAt: at, firedAt: at };
  const place = { tick: 1, position: 1, evaluator: 'test', recordedAt: at, evaluatedAt: at };
  return journalLine('state', place, { ...alert, id: alertId, state }, ['pending', 'firing']);
}
