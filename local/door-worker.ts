import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { present } from '#common/assert.ts';
import { literal, loadEngine, loadsOf, type Connection, type Engine } from './door-engine.ts';
import { refusal, type TableFunctions } from './door-guard.ts';
import { headerLength } from './door-header.ts';
import { toProtocol } from './door-native.ts';
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
  /** The protocol version that the client reads Native in. */
  readonly protocol: number;
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
    const file = join(loadsOf(this.#settings.directory), job.id);
    const sql = statement.kind === 'load' ? loading(statement, file) : statement.sql;
    const refused = await refusal(engine, connection, sql, readonly, this.#settings.tableFunctions);
    if (refused !== undefined) throw new Error(refused);
    if (readonly > 0) await engine.QueryAsyncConnection(connection, `SET readonly = ${readonly}`, 'Null');
    if (this.#cancelled) return nothing;
    if (statement.kind === 'load') return withFile(file, statement.data, () => this.#insert(connection, sql));
    if (statement.verb === 'INSERT') return this.#insert(connection, sql);
    if (job.streams && (await this.#stream(connection, sql, job))) return nothing;
    const answer = await engine.QueryAsyncConnection(connection, sql, job.format);
    this.#sendChunk(answer.bytes, job);
    return { ...nothing, readRows: answer.rowsRead, readBytes: answer.bytesRead };
  }

  async #insert(connection: Connection, sql: string): Promise<Counts> {
    // Of the engine's calls only the one for raw inserts counts what was written; here it has no data of its own.
    const written = await this.#engine.InsertRawAsyncConnection(connection, sql, new Uint8Array(0), false);
    return { ...nothing, writtenRows: written.rowsWritten, writtenBytes: written.bytesWritten };
  }

  /** False if the engine cannot stream this sort of statement; then it has not begun either. */
  async #stream(connection: Connection, sql: string, job: Job): Promise<boolean> {
    const engine = this.#engine;
    let cursor;
    try {
      cursor = engine.StreamQuery(connection, sql, job.format);
    } catch (error) {
      if (error instanceof Error && error.message.includes('Streaming query is not supported')) return false;
      throw error;
    }
    let header: Uint8Array | undefined;
    let isFirst = true;
    // A cursor that ended or failed has let go of its query; only one that is left early must be cancelled.
    let isOpen = true;
    try {
      for (;;) {
        isOpen = false;
        const fetched = await engine.StreamFetch(cursor);
        if (fetched.done) return true;
        isOpen = true;
        header ??= fetched.bytes.slice(0, headerLength(job.format, fetched.bytes));
        this.#sendChunk(isFirst ? fetched.bytes : withoutHeader(fetched.bytes, header), job);
        isFirst = false;
        while (this.#ahead >= chunksAhead && !this.#cancelled) await new Promise<void>((wake) => (this.#wake = wake));
        if (this.#cancelled) return true;
      }
    } finally {
      if (isOpen) engine.StreamCancel(cursor);
    }
  }

  #sendChunk(bytes: Uint8Array, job: Job): void {
    if (bytes.length === 0) return;
    // A copy: the engine's memory must not leave this thread.
    const copy = new Uint8Array(job.format === 'Native' ? toProtocol(bytes, job.protocol) : bytes);
    this.#ahead += 1;
    this.#send({ kind: 'chunk', bytes: copy }, [copy.buffer]);
  }
}

/** The statement that reads its data from a file, and nowhere from its own text. */
function loading({ target, settings, format }: Statement & { kind: 'load' }, file: string): string {
  return `${target}\nFROM INFILE ${literal(file)} COMPRESSION 'none'\n${settings}\nFORMAT ${format}`;
}

/** Gives data to the engine as a file, which is also its fastest way to take it. */
async function withFile<T>(file: string, data: Uint8Array, use: () => Promise<T>): Promise<T> {
  try {
    writeFileSync(file, data);
    return await use();
  } finally {
    rmSync(file, { force: true });
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
