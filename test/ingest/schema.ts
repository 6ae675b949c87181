import { openDatabase, type Database, type DatabaseConfig } from '#clickhouse/client.ts';
import { createLog } from '#common/log.ts';
import { migrate } from '../../migrations/main.ts';
import { startEngine } from '../support/engine.ts';

/** An engine of its own with the whole schema. */
export type Schema = {
  readonly db: Database;
  readonly config: DatabaseConfig;
  readonly close: () => Promise<void>;
};

export const silent = createLog('test', 'silent');

export async function openSchema(): Promise<Schema> {
  const engine = await startEngine();
  const config = { url: engine.url, database: 'gatemeter', user: 'default', password: engine.password };
  await migrate({ database: config, enginePrefix: '', log: silent });
  const db = openDatabase(config, 'test');
  return {
    db,
    config,
    close: async () => {
      await db.close();
      await engine.stop();
    },
  };
}
