import { createClient, type ClickHouseClient, type ClickHouseSettings } from '@clickhouse/client';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { httpAddress } from '#common/environment.ts';
import type { Arguments, Row, Selection, Table, Types, View } from './view.ts';
import { insertFromView, insertInto, selectFrom } from './view.ts';

/** The variables that name a database, for every program that needs one. */
export const databaseVariables = {
  CLICKHOUSE_URL: httpAddress().describe('ClickHouse HTTP address, for example http://localhost:8123'),
  CLICKHOUSE_DATABASE: z
    .string()
    .regex(/^[a-z_][a-z0-9_]*$/i)
    .default('gatemeter')
    .describe('Database name; letters, digits and underscores (default gatemeter)'),
  CLICKHOUSE_USER: z.string().default('default').describe('ClickHouse user (default default)'),
  CLICKHOUSE_PASSWORD: z.string().default('').describe('ClickHouse password (default empty)'),
} satisfies Record<string, z.ZodType>;

export type DatabaseConfig = {
  readonly url: string;
  readonly database: string;
  readonly user: string;
  readonly password: string;
};

export function databaseConfig(read: {
  CLICKHOUSE_URL: string;
  CLICKHOUSE_DATABASE: string;
  CLICKHOUSE_USER: string;
  CLICKHOUSE_PASSWORD: string;
}): DatabaseConfig {
  return {
    url: read.CLICKHOUSE_URL,
    database: read.CLICKHOUSE_DATABASE,
    user: read.CLICKHOUSE_USER,
    password: read.CLICKHOUSE_PASSWORD,
  };
}

/**
 * Settings that keep money exact and inserts atomic. Quoted numbers never become floats; one insert is one synchronous
 * block; a field that the table lacks is an error and not silence; FINAL works day by day, as the key allows.
 */
const exactSettings: ClickHouseSettings = {
  output_format_json_quote_64bit_integers: 1,
  output_format_json_quote_decimals: 1,
  date_time_output_format: 'iso',
  date_time_input_format: 'best_effort',
  async_insert: 0,
  input_format_skip_unknown_fields: 0,
  input_format_null_as_default: 0,
  do_not_merge_across_partitions_select_final: 1,
};

/**
 * For reads: nobody waits for the answer of a client that has gone. A server heeds it for a user that may only read,
 * because half a write must not be cancelled.
 */
const readSettings: ClickHouseSettings = { cancel_http_readonly_queries_on_client_close: 1 };

export type Database = {
  readonly name: string;
  /** All rows of a view. Errors are thrown: a failed read is never an empty answer. */
  read<P extends Types, C extends Types>(
    view: View<P, C>,
    args: Arguments<P>,
    selection?: Selection<C>,
  ): Promise<Row<C>[]>;
  /** A view's rows as bytes of a ClickHouse format (CSVWithNames, Parquet), not buffered; destroy the stream to stop. */
  stream<P extends Types, C extends Types>(
    view: View<P, C>,
    args: Arguments<P>,
    format: string,
    selection?: Selection<C>,
  ): Promise<Readable>;
  /** Rows as JSON arrays in the order of the declared columns, one per line; with a token the insert is idempotent. */
  insert(table: Table, lines: string | Uint8Array, token?: string): Promise<void>;
  /** `INSERT INTO table SELECT … FROM view(…)`, inside the database. */
  insertFrom<P extends Types, C extends Types>(table: Table, view: View<P, C>, args: Arguments<P>): Promise<void>;
  /** A statement without an answer, for migrations. */
  command(statement: string): Promise<void>;
  /** A statement's rows; for catalogue queries of migrations and tests. */
  query<T>(statement: string, args?: Record<string, unknown>): Promise<T[]>;
  ping(): Promise<boolean>;
  close(): Promise<void>;
};

/** One HTTP client for a server and for the embedded engine; `application` names the program in the query log. */
export function openDatabase(config: DatabaseConfig, application: string, requestTimeoutMs: number = 60_000): Database {
  const client = createClient({
    url: config.url,
    database: config.database,
    username: config.user,
    password: config.password,
    application: `gatemeter-${application}`,
    request_timeout: requestTimeoutMs,
    max_open_connections: 32,
    clickhouse_settings: exactSettings,
    keep_alive: { enabled: true, idle_socket_ttl: 2_000 },
    log: { level: 127 },
  });
  return database(client, config.database);
}

function database(client: ClickHouseClient, name: string): Database {
  const rows = async <T>(query: string, args: Record<string, unknown>): Promise<T[]> => {
    const answer = await client.query({
      query,
      query_params: args,
      format: 'JSONEachRow',
      clickhouse_settings: readSettings,
      use_multipart_params_auto: true,
    });
    return answer.json<T>();
  };
  return {
    name,
    read: async (view, args, selection) => rows(selectFrom(view, selection), args),
    stream: async (view, args, format, selection) => {
      const query = `${selectFrom(view, selection)} FORMAT ${format}`;
      const answer = await client.exec({
        query,
        query_params: args,
        clickhouse_settings: readSettings,
        use_multipart_params_auto: true,
      });
      return answer.stream;
    },
    insert: async (table, lines, token) => {
      const answer = await client.exec({
        query: insertInto(table),
        values: Readable.from([lines], { objectMode: false }),
        clickhouse_settings: token === undefined ? {} : { insert_deduplicate: 1, insert_deduplication_token: token },
      });
      answer.stream.destroy();
    },
    insertFrom: async (table, view, args) => {
      // Sealing may write old days: as many partitions as the calls have.
      await client.command({
        query: insertFromView(table, view),
        query_params: args,
        use_multipart_params_auto: true,
        clickhouse_settings: { max_partitions_per_insert_block: '0' },
      });
    },
    command: async (statement) => {
      await client.command({ query: statement });
    },
    query: async (statement, args = {}) => rows(statement, args),
    ping: async () => (await client.ping()).success,
    close: async () => client.close(),
  };
}
