import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { z } from 'zod';
import {
  databaseConfig,
  databaseVariables,
  openDatabase,
  type Database,
  type DatabaseConfig,
} from '#clickhouse/client.ts';
import { prove } from '#clickhouse/contract.ts';
import { assert } from '#common/assert.ts';
import { readEnvironment } from '#common/environment.ts';
import { type Running, runUntilSignal } from '#common/lifecycle.ts';
import { createLog, type Logger } from '#common/log.ts';
import { loadListPrices } from './prices.ts';
import { statements } from './statements.ts';

export type Config = {
  readonly database: DatabaseConfig;
  /** '' for one node, 'Replicated' for a cluster; ClickHouse Cloud wants ''. */
  readonly enginePrefix: string;
  readonly log: Logger;
};

const here = new URL('.', import.meta.url);

/**
 * Brings the database to the present schema: numbered files once each, in order; views again each time. Every
 * statement is idempotent and recorded after it ran, so an interrupted run is continued by the next one.
 */
export async function migrate(config: Config): Promise<void> {
  const bootstrap = openDatabase({ ...config.database, database: 'default' }, 'migrations');
  await bootstrap.command(`CREATE DATABASE IF NOT EXISTS ${config.database.database}`);
  await bootstrap.close();

  const db = openDatabase(config.database, 'migrations');
  try {
    await db.command(
      `CREATE TABLE IF NOT EXISTS schema_migrations (file String, sha256 String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3)) ENGINE = ${config.enginePrefix}MergeTree ORDER BY file`,
    );
    await applyNumbered(db, config);
    for (const file of await sqlFiles('views/')) {
      for (const statement of statements(await readFile(new URL(`views/${file}`, here), 'utf8')))
        await db.command(statement);
    }
    const loaded = await loadListPrices(db);
    if (loaded > 0) config.log.info({ event: 'prices_loaded', rows: loaded }, 'list prices loaded');
    const wrong = await prove(db, await shippedProofs());
    assert(wrong.length === 0, `the database differs from its declarations:\n${wrong.join('\n')}`);
  } finally {
    await db.close();
  }
}

/**
 * The proofs that come with this version, by version of ClickHouse: planning every view takes seconds on a small machine,
 * and a first start need not repeat what the tests have found.
 */
async function shippedProofs(): Promise<string[]> {
  const text = await readFile(new URL('proven.json', here), 'utf8');
  return Object.values(JSON.parse(text) as Record<string, string>);
}

async function applyNumbered(db: Database, config: Config): Promise<void> {
  const rows = await db.query<{ file: string; sha256: string }>('SELECT file, sha256 FROM schema_migrations');
  const applied = new Map(rows.map((row) => [row.file, row.sha256]));
  for (const file of await sqlFiles('')) {
    const text = await readFile(new URL(file, here), 'utf8');
    const sha256 = createHash('sha256').update(text).digest('hex');
    const before = applied.get(file);
    assert(
      before === undefined || before === sha256,
      `${file} was changed after it was applied; add a new migration instead`,
    );
    if (before !== undefined) continue;
    for (const statement of statements(text.replaceAll('${R}', config.enginePrefix))) await db.command(statement);
    await db.command(`INSERT INTO schema_migrations (file, sha256) VALUES ('${file}', '${sha256}')`);
    config.log.info({ event: 'migration_applied', file }, 'migration applied');
  }
}

/** The .sql files of a folder in the order of their numbers. */
export async function sqlFiles(folder: string): Promise<string[]> {
  const names = (await readdir(new URL(`./${folder}`, here))).filter((name) => /^\d+_[a-z0-9_]+\.sql$/.test(name));
  return names.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
}

export async function start(config: Config): Promise<Running> {
  await migrate(config);
  config.log.info({ event: 'migrated', database: config.database.database }, 'the database is up to date');
  return { close: async () => {}, closed: Promise.resolve() };
}

/** Every variable of this program. */
export const variables = {
  ...databaseVariables,
  CLICKHOUSE_ENGINE_PREFIX: z
    .enum(['', 'Replicated'])
    .default('')
    .describe('Table engines: empty for one node or ClickHouse Cloud, Replicated for a cluster of one shard'),
};

if (import.meta.main) {
  await runUntilSignal(async () => {
    const read = readEnvironment(variables, process.env);
    return start({
      database: databaseConfig(read),
      enginePrefix: read.CLICKHOUSE_ENGINE_PREFIX,
      log: createLog('migrations'),
    });
  });
}
