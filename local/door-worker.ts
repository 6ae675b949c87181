import { parentPort, workerData } from 'node:worker_threads';
import { present } from '#common/assert.ts';
import { loadEngine, type Connection, type Engine } from './door-engine.ts';
import { refusal, type TableFunctions } from './door-guard.ts';
import { headerLength } from './door-header.ts';
import type { Statement } from './door-statement.ts';

/** One request, prepared: SQL texts of the door's making, and the statement of the sender. */
export type Job = {
  readonly id: string;
  /** USE and SET statements, run first on the fresh connection. */
  readonly setup: readonly string[];
  readonly statement: Statement;
  /** 1 and 2 as ClickHouse means them; set after `setup`, so that nothing can take it back. */
  readonly readonly: 0 | 1 | 2;
  readonly format: string;
  /** Whether chunks of this format may be joined; else the engine formats the whole answer at once. */
  readonly streams: boolean;
};

export type ToWorker =
  | { readonly kind: 'run'; readonly job: Job }
  | { readonly kind: 'more' }
  | { readonly kind: 'cancel' };

/** What a finished job counted. */
export type Counts = {
  readonly readRows: number;
  readonly readBytes: number;
  readonly writtenRows: number;
  readonly writtenBytes: number;
};

/** `done` and `failed` are last, and say that the engine has let go of everything of the job. */
export type FromWorker =
  | { readonly kind: 'chunk'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'done'; readonly counts: Counts }
  | { readonly kind: 'failed'; readonly message: string };

export type WorkerSettings = { readonly directory: string; readonly tableFunctions: TableFunctions };

const nothing: Counts = { readRows: 0, readBytes: 0, writtenRows: 0, writtenBytes: 0 };
/** Chunks under way to the reader before the engine is asked for the next one. */
const chunksAhead = 2;

/** Runs one job at a time, each on its own connection: nothing of a request reaches the next one. */
class JobRunner {
  readonly #engine: Engine = loadEngine();
  readonly #settings: WorkerSettings;
  readonly #send: (message: FromWorker, transfer: ArrayBuffer[]) => void;
  #cancelled = false;
  #ahead = 0;
  #wake: (() => void) | undefined;

  constructor(settings: WorkerSettings, send: (message: FromWorker, transfer: ArrayBuffer[]) => void) {
    this.#settings = settings;
    this.#send = send;
  }

  receive(message: ToWorker): void {
    switch (message.kind) {
      case 'run':
        this.#cancelled = false;
        this.#ahead = 0;
        void this.#run(message.job);
        return;
      case 'more':
        this.#ahead -= 1;
        break;
      case 'cancel':
        this.#cancelled = true;
        break;
    }
    this.#wake?.();
  }

  async #run(job: Job): Promise<void> {
    let last: FromWorker;
    try {
      const connection = this.#engine.CreateConnection(this.#settings.directory);
      if (connection === null) throw new Error('the engine gave no connection');
      try {
        last = { kind: 'done', counts: await this.#runOn(connection, job) };
      } finally {
        this.#engine.CloseConnection(connection);
      }
    } catch (error) {
      last = { kind: 'failed', message: error instanceof Error ? error.message : String(error) };
    }
    this.#send(last, []);
  }

  async #runOn(connection: Connection, job: Job): Promise<Counts> {
    const engine = this.#engine;
    const { statement, readonly } = job;
    for (const sql of job.setup) await engine.QueryAsyncConnection(connection, sql, 'Null');
    const refused = await refusal(engine, connection, statement.judged, readonly, this.#settings.tableFunctions);
    if (refused !== undefined) throw new Error(refused);
    if (readonly > 0) await engine.QueryAsyncConnection(connection, `SET readonly = ${readonly}`, 'Null');
    if (this.#cancelled) return nothing;
    if (statement.kind === 'insert') {
      const written = await engine.InsertRawAsyncConnection(connection, statement.prefix, statement.data, false);
      return { ...nothing, writtenRows: written.rowsWritten, writtenBytes: written.bytesWritten };
    }
    if (job.streams && (await this.#stream(connection, statement.judged, job.format))) return nothing;
    const answer = await engine.QueryAsyncConnection(connection, statement.judged, job.format);
    this.#sendChunk(answer.bytes);
    return { ...nothing, readRows: answer.rowsRead, readBytes: answer.bytesRead };
  }

  /** False if the engine cannot stream this sort of statement; then it has not begun either. */
  async #stream(connection: Connection, sql: string, format: string): Promise<boolean> {
    const engine = this.#engine;
    let cursor;
    try {
      cursor = engine.StreamQuery(connection, sql, format);
    } catch (error) {
      if (error instanceof Error && error.message.includes('Streaming query is not supported')) return false;
      throw error;
    }
    let header: Uint8Array | undefined;
    for (;;) {
      // A cursor that ended or failed has let go of its query; only one that is left early must be cancelled.
      const fetched = await engine.StreamFetch(cursor);
      if (fetched.done) return true;
      if (header === undefined) {
        header = fetched.bytes.slice(0, headerLength(format, fetched.bytes));
        this.#sendChunk(fetched.bytes);
      } else {
        this.#sendChunk(withoutHeader(fetched.bytes, header));
      }
      while (this.#ahead >= chunksAhead && !this.#cancelled) await new Promise<void>((wake) => (this.#wake = wake));
      if (this.#cancelled) {
        engine.StreamCancel(cursor);
        return true;
      }
    }
  }

  #sendChunk(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    // A copy: the engine's memory must not leave this thread.
    const copy = new Uint8Array(bytes);
    this.#ahead += 1;
    this.#send({ kind: 'chunk', bytes: copy }, [copy.buffer]);
  }
}

function withoutHeader(bytes: Uint8Array, header: Uint8Array): Uint8Array {
  if (Buffer.compare(bytes.subarray(0, header.length), header) !== 0) {
    throw new Error('Code: 49. DB::Exception: A chunk does not repeat the header of the first one. (LOGICAL_ERROR)');
  }
  return bytes.subarray(header.length);
}

const port = present(parentPort, 'door-worker.ts runs as a worker thread');
const runner = new JobRunner(workerData as WorkerSettings, (message, transfer) => port.postMessage(message, transfer));
port.on('message', (message: ToWorker) => runner.receive(message));
