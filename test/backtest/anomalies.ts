import { writer } from '../../api/append.ts';
import { createApp } from '../../api/app.ts';
import { createKey } from '../../api/keys.ts';
import { reader } from '../../api/reader.ts';
import { readiness } from '../../api/readiness.ts';
import type { Database } from '#clickhouse/client.ts';
import { createLog } from '#common/log.ts';
import { ask } from '../api/ledger.ts';
import type { Anomalies } from './contributors.ts';

type Answer = { readonly data: Awaited<ReturnType<Anomalies>> };

const now = (): Date => new Date();

/** `GET /v1/anomalies` of the API on this database, asked by who sees all tenants. */
export async function anomaliesOf(db: Database): Promise<Anomalies> {
  const log = createLog('backtest', 'silent');
  const setting = { db: reader(db), books: writer(db), issuer: 'Platform', now, log, intakeUrl: null };
  const app = createApp(setting, { readiness: readiness(db, now), metricsText: async () => '' }, 'backtest');
  const key = await createKey(db, { name: 'backtest', role: 'on_call', tenants: [], expiresAt: null });
  return async (tenant, from, to) => {
    const window = `from=${new Date(from).toISOString()}&to=${new Date(to).toISOString()}`;
    return (await ask<Answer>(app, key, `/v1/anomalies?tenant_id=${tenant}&${window}`)).data;
  };
}
