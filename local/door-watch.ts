import { ask, type Connection, type Engine } from './door-engine.ts';

/** What a running query has done so far, in the words of ClickHouse's headers. */
export type Progress = {
  readonly read_rows: string;
  readonly read_bytes: string;
  readonly total_rows_to_read: string;
  readonly elapsed_ns: string;
  readonly memory_usage: string;
};

/** Looks at running queries and stops them, from outside of the threads that run them. */
export class Watch {
  readonly #engine: Engine;
  readonly #connection: Connection;
  #last: Promise<unknown> = Promise.resolve();

  constructor(engine: Engine, connection: Connection) {
    this.#engine = engine;
    this.#connection = connection;
  }

  /** Asks the engine to stop the query with the job's mark; nothing happens if there is none. */
  async kill(jobId: string): Promise<void> {
    await this.#ask(`KILL QUERY WHERE ${hasMark(jobId)} ASYNC`);
  }

  /** The progress of the query with the job's mark; undefined before it runs and after. */
  async progress(jobId: string): Promise<Progress | undefined> {
    const [row] = await this.#ask(
      `SELECT toString(read_rows), toString(read_bytes), toString(total_rows_approx),
        toString(toUInt64(elapsed * 1e9)), toString(memory_usage) FROM system.processes WHERE ${hasMark(jobId)}`,
    );
    if (row === undefined) return undefined;
    const [read_rows, read_bytes, total_rows_to_read, elapsed_ns, memory_usage] = row as string[];
    return { read_rows, read_bytes, total_rows_to_read, elapsed_ns, memory_usage } as Progress;
  }

  /** Resolves when nothing that was asked runs any more. */
  async ended(): Promise<void> {
    await this.#last;
  }

  /** One at a time, because a connection has one query. What fails here has no one to be told. */
  async #ask(sql: string): Promise<unknown[][]> {
    const rows = this.#last.then(() => ask(this.#engine, this.#connection, sql)).catch((): unknown[][] => []);
    this.#last = rows;
    return rows;
  }
}

/** Job ids are the door's own UUIDs and end the comment of their query's settings. */
function hasMark(jobId: string): string {
  return `endsWith(Settings['log_comment'], '${jobId}')`;
}
