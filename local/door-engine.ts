import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ConfigurationError, messageOf } from '#common/error.ts';

/** A native connection: its settings, parameters and unread output are its own, the data is the process's. */
export type Connection = { readonly connection: unique symbol };
type Cursor = { readonly cursor: unique symbol };
type Answer = { readonly bytes: Uint8Array; readonly rowsRead: number; readonly bytesRead: number };
type Written = { readonly rowsWritten: number; readonly bytesWritten: number };
/** What the engine's parser says. Classes: 0 reads, 1 writes, 2 writes outside databases, 3 controls, 4 not understood. */
type Analysis = { readonly statementCount: number; readonly queryClass: number };

/**
 * The functions of the addon that the door uses. The package's `Session` is not used: it keeps its connections open
 * while any other one in the process is busy, whitelists the formats of raw inserts, and does not offer the parser.
 */
export type Engine = {
  CreateConnection(directory: string, options?: readonly string[]): Connection | null;
  CloseConnection(connection: Connection): void;
  QueryAsyncConnection(connection: Connection, sql: string, format: string): Promise<Answer>;
  InsertRawAsyncConnection(
    connection: Connection,
    prefix: string,
    data: Uint8Array,
    countLines: boolean,
  ): Promise<Written>;
  /** Plans the query on the calling thread, and scalar subqueries run right there. */
  StreamQuery(connection: Connection, sql: string, format: string): Cursor;
  StreamFetch(
    cursor: Cursor,
  ): Promise<{ readonly done: true } | { readonly done: false; readonly bytes: Uint8Array; readonly numRows: number }>;
  StreamCancel(cursor: Cursor): void;
  DurableClassifyAsync(connection: Connection, sql: string): Promise<Analysis>;
};

/** Loads the embedded engine into this process; every thread gets the same one. */
export function loadEngine(): Engine {
  let entry: string;
  try {
    entry = fileURLToPath(import.meta.resolve('chdb'));
  } catch {
    throw new Error(
      'the embedded engine is not installed (npm package chdb: Linux with glibc, or macOS). Remedy: npm install',
    );
  }
  const require = createRequire(entry);
  const loader = require(join(dirname(entry), 'dist', 'loader.js')) as { loadNative(): Engine };
  return loader.loadNative();
}

const tryAgainMs = 200;

/** Runs a statement of the door's own and gives its rows as JSON arrays. */
export async function ask(engine: Engine, connection: Connection, sql: string): Promise<unknown[][]> {
  const { bytes } = await engine.QueryAsyncConnection(connection, sql, 'JSONCompactEachRow');
  const lines = new TextDecoder().decode(bytes).split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as unknown[]);
}

/** A text as a literal of SQL. */
export function literal(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('\0', '\\0')}'`;
}

/** Where the data of running INSERTs lies. */
export function loadsOf(directory: string): string {
  return join(directory, 'door-loads');
}

/**
 * Opens the directory for this process and keeps it open as long as the connection. Fails when another process has
 * it. The database `default` becomes an ordinary one: the engine's own shows every file of the machine as a table.
 */
export async function openDirectory(
  engine: Engine,
  directory: string,
  memoryBytes: number,
  patienceMs: number,
): Promise<Connection> {
  mkdirSync(directory, { recursive: true });
  const configuration = join(directory, 'door.xml');
  writeFileSync(configuration, configurationText(memoryBytes));
  const connection = await takeDirectory(engine, directory, configuration, patienceMs);
  // Only now is the directory this process's own. What lies there, a killed process had not yet inserted.
  rmSync(loadsOf(directory), { recursive: true, force: true });
  mkdirSync(loadsOf(directory));
  await replaceDefaultDatabase(engine, connection, join(directory, 'metadata'));
  return connection;
}

/** A process that was told to end may need a moment for it. */
async function takeDirectory(
  engine: Engine,
  directory: string,
  configuration: string,
  patienceMs: number,
): Promise<Connection> {
  const until = performance.now() + patienceMs;
  for (;;) {
    let reason = 'no connection';
    try {
      const connection = engine.CreateConnection(directory, [`--config-file=${configuration}`]);
      if (connection !== null) return connection;
    } catch (error) {
      reason = messageOf(error);
    }
    if (performance.now() >= until) {
      throw new ConfigurationError(
        `the embedded engine cannot open ${directory}. Remedy: end the other process that uses it, or choose another ` +
          `directory; one process has one directory, and one directory one process. (${reason})`,
      );
    }
    await delay(tryAgainMs);
  }
}

/** Puts an ordinary database on disk in the place of the one that the engine makes at each start. */
async function replaceDefaultDatabase(engine: Engine, connection: Connection, metadata: string): Promise<void> {
  await ask(engine, connection, 'DETACH DATABASE IF EXISTS default');
  try {
    await ask(engine, connection, 'ATTACH DATABASE default');
  } catch (error) {
    const tables = join(metadata, 'default');
    if (existsSync(tables) && readdirSync(tables).length > 0) {
      throw new Error(
        `the tables of the database default in ${metadata} cannot be attached. Remedy: restore the directory from a ` +
          `copy, or choose another one; the door opens only what it made itself. (${messageOf(error)})`,
        { cause: error },
      );
    }
    // The engine cannot attach it again while it has no table, so there is nothing that a new one would lose.
    for (const name of ['default.sql', 'default.sql.tmp']) rmSync(join(metadata, name), { force: true });
    await ask(engine, connection, 'CREATE DATABASE default ENGINE = Atomic');
  }
}

/** What the engine takes from a file only. Every part is synced, because an answered insert must survive a power cut. */
function configurationText(memoryBytes: number): string {
  return `<clickhouse>
  <max_server_memory_usage>${memoryBytes}</max_server_memory_usage>
  <mark_cache_size>${Math.floor(memoryBytes / 16)}</mark_cache_size>
  <merge_tree>
    <fsync_after_insert>1</fsync_after_insert>
    <fsync_part_directory>1</fsync_part_directory>
  </merge_tree>
</clickhouse>
`;
}
