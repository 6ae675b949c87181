import { openDatabase, type Database, type DatabaseConfig } from '#clickhouse/client.ts';
import { createLog } from '#common/log.ts';
import { startMigratedEngine } from '../support/schema-directory.ts';

/** An engine of its own with the whole schema. */
export type Schema = {
  readonly db: Database;
  readonly config: DatabaseConfig;
  readonly close: () => Promise<void>;
};

export const silent = createLog('test', 'silent');

export async function openSchema(): Promise<Schema> {
  const { config, stop } = await startMigratedEngine();
  const db = openDatabase(config, 'test');
  return {
    db,
    config,
    close: async () => {
      await db.close();
      await stop();
    },
  };
}
