import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog } from '#common/log.ts';
import type { DatabaseConfig } from '#clickhouse/client.ts';
import { migrate } from '../../migrations/main.ts';
import { startEngine } from './engine.ts';

const variable = 'GATEMETER_TEST_SCHEMA';

/**
 * Once per run of the tests: a directory with the whole schema. Planning every view takes seconds of processor time, so
 * each engine that wants the schema begins with a copy of this one instead. That migrating works, and works again, is
 * what test/migrations is about.
 */
export async function setup(): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), 'gatemeter-schema-'));
  const engine = await startEngine({ directory });
  await bringSchema(databaseOf(engine.url, engine.password));
  await engine.stop();
  process.env[variable] = directory;
  return async () => rm(directory, { recursive: true, force: true });
}

/** Lays the schema into an engine's directory before it starts; false where nothing was prepared, as in a benchmark. */
export async function laySchema(directory: string): Promise<boolean> {
  const template = process.env[variable];
  if (template === undefined) return false;
  // The links between its folders are relative, and must stay so.
  await cp(template, directory, { recursive: true, verbatimSymlinks: true });
  return true;
}

export async function bringSchema(database: DatabaseConfig): Promise<void> {
  await migrate({ database, enginePrefix: '', log: createLog('test', 'silent') });
}

export function databaseOf(url: string, password: string): DatabaseConfig {
  return { url, database: 'gatemeter', user: 'default', password };
}

/** An engine of its own with the whole schema. */
export async function startMigratedEngine(): Promise<{
  readonly config: DatabaseConfig;
  /** Kills it and removes its directory: nothing of it is kept, so it need not end in order. */
  readonly stop: () => Promise<void>;
}> {
  const directory = await mkdtemp(join(tmpdir(), 'gatemeter-engine-'));
  const laid = await laySchema(directory);
  const engine = await startEngine({ directory });
  const stop = async (): Promise<void> => {
    await engine.kill();
    await rm(directory, { recursive: true, force: true });
  };
  const config = databaseOf(engine.url, engine.password);
  try {
    if (!laid) await bringSchema(config);
  } catch (error) {
    await stop();
    throw error;
  }
  return { config, stop };
}
