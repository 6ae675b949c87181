import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A native connection: its settings, parameters and unread output are its own, the data is the process's. */
export type Connection = { readonly connection: unique symbol };
export type Cursor = { readonly cursor: unique symbol };
export type Answer = { readonly bytes: Uint8Array; readonly rowsRead: number; readonly bytesRead: number };
export type Written = { readonly rowsWritten: number; readonly bytesWritten: number };
/** What the engine's parser says. Classes: 0 reads, 1 writes, 2 writes outside databases, 3 controls, 4 not understood. */
export type Analysis = { readonly statementCount: number; readonly queryClass: number };

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

/** Runs a statement of the door's own and gives its rows as JSON arrays. */
export async function ask(engine: Engine, connection: Connection, sql: string): Promise<unknown[][]> {
  const { bytes } = await engine.QueryAsyncConnection(connection, sql, 'JSONCompactEachRow');
  const lines = new TextDecoder().decode(bytes).split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as unknown[]);
}

/**
 * Opens the directory for this process and keeps it open as long as the connection. Fails when another process has
 * it. The database `default` becomes an ordinary one: the engine's own shows every file of the machine as a table.
 */
export async function openDirectory(engine: Engine, directory: string, memoryBytes: number): Promise<Connection> {
  mkdirSync(directory, { recursive: true });
  const configuration = join(directory, 'door.xml');
  writeFileSync(configuration, configurationText(memoryBytes));
  const connection = engine.CreateConnection(directory, [`--config-file=${configuration}`]);
  if (connection === null) throw new Error(`the engine did not open ${directory}`);
  const [row] = await ask(engine, connection, "SELECT engine FROM system.databases WHERE name = 'default'");
  if (row?.[0] !== 'Atomic') {
    await ask(engine, connection, 'DETACH DATABASE IF EXISTS default');
    try {
      await ask(engine, connection, 'ATTACH DATABASE default');
    } catch {
      await ask(engine, connection, 'CREATE DATABASE default ENGINE = Atomic');
    }
  }
  return connection;
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
