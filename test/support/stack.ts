import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventHubProducerClient } from '@azure/event-hubs';
import { openDatabase, type Database, type DatabaseConfig } from '#clickhouse/client.ts';
import { engineThreads } from '../../local/engine-threads.ts';
import { startHub, type LocalHub } from '../../local/hub.ts';
import { send } from '../../local/producer.ts';
import type { TrafficMessage } from '../../local/traffic.ts';
import { bringSchema, databaseOf, laySchema } from './schema-directory.ts';
import { startProgram, type Program } from './stack-process.ts';

export type StackOptions = {
  readonly partitionCount?: number;
};

export type IngestOptions = {
  readonly owner?: string;
  readonly messagesMax?: number;
  readonly paceMs?: number;
  readonly nodeArgs?: readonly string[];
  /** More variables of the program. */
  readonly environment?: Readonly<Record<string, string>>;
};

/**
 * The real pipeline without the API: the engine and any number of ingest processes as children that may be killed, and
 * the local hub in this process, where its test hooks are. Everything is in one directory, which `close` removes.
 */
export class Stack {
  readonly directory: string;
  readonly config: DatabaseConfig;
  readonly db: Database;
  readonly partitionCount: number;
  engine: Program;
  hub: LocalHub;
  /** Bodies by stream, at the index of their sequence number: what the hub was given. */
  readonly sent = new Map<string, Uint8Array[]>();
  readonly #programs = new Set<Program>();
  readonly #hubPort: number;
  #producer: EventHubProducerClient | null = null;

  private constructor(
    directory: string,
    config: DatabaseConfig,
    engine: Program,
    hub: LocalHub,
    partitionCount: number,
  ) {
    this.directory = directory;
    this.config = config;
    this.db = openDatabase(config, 'test');
    this.engine = engine;
    this.#programs.add(engine);
    this.hub = hub;
    this.#hubPort = hub.port;
    this.partitionCount = partitionCount;
    for (let partition = 0; partition < partitionCount; partition += 1) this.sent.set(this.stream(partition), []);
  }

  static async start(options: StackOptions = {}): Promise<Stack> {
    const directory = await mkdtemp(join(tmpdir(), 'gatemeter-stack-'));
    await mkdir(join(directory, 'logs'));
    const partitionCount = options.partitionCount ?? 4;
    const laid = await laySchema(join(directory, 'clickhouse'));
    const engine = startEngineProgram(directory, 0, {});
    const hub = await startHub({ dataDirectory: join(directory, 'hub'), port: 0, hub: 'gateway-logs', partitionCount });
    const config = databaseOf(`http://127.0.0.1:${await engine.started}`, 'secret');
    if (!laid) await bringSchema(config);
    return new Stack(directory, config, engine, hub, partitionCount);
  }

  stream(partition: number): string {
    return `localhost/gateway-logs/${partition}`;
  }

  /** After `engine.kill()`: the same directory on the same port. Resolves when it answers. */
  async restartEngine(environment: Readonly<Record<string, string>> = {}): Promise<void> {
    this.#programs.delete(this.engine);
    this.engine = startEngineProgram(this.directory, Number(new URL(this.config.url).port), environment);
    this.#programs.add(this.engine);
    await this.engine.started;
  }

  /** Closes the hub, does what is given, and opens it again on its port. */
  async restartHub(between: (hubDirectory: string) => Promise<void> = async () => {}): Promise<void> {
    await this.#producer?.close();
    this.#producer = null;
    await this.hub.close();
    const dataDirectory = join(this.directory, 'hub');
    await between(dataDirectory);
    const { partitionCount } = this;
    this.hub = await startHub({ dataDirectory, port: this.#hubPort, hub: 'gateway-logs', partitionCount });
  }

  /** An ingest process on this hub and engine. The same owner is the same worker after a restart. */
  ingest(options: IngestOptions = {}): Program {
    const owner = options.owner ?? 'first';
    const program = startProgram({
      program: 'ingest/main.ts',
      args: [],
      nodeArgs: options.nodeArgs ?? [],
      environment: {
        CLICKHOUSE_URL: this.config.url,
        CLICKHOUSE_DATABASE: this.config.database,
        CLICKHOUSE_PASSWORD: this.config.password,
        EVENT_HUB_CONNECTION_STRING: this.hub.connectionString,
        EVENT_HUB_NAME: 'gateway-logs',
        INGEST_OWNER: owner,
        INGEST_MESSAGES_MAX: String(options.messagesMax ?? 100),
        INGEST_PACE_MS: String(options.paceMs ?? 0),
        ...options.environment,
      },
      logFile: this.logFile(owner),
    });
    this.#programs.add(program);
    void program.exited.then(() => this.#programs.delete(program));
    return program;
  }

  logFile(owner: string): string {
    return join(this.directory, 'logs', `ingest-${owner}.log`);
  }

  /** The log lines of an ingest owner, over all its lives, with this `event`. */
  async logged(event: string, owner = 'first'): Promise<Record<string, unknown>[]> {
    const text = await readFile(this.logFile(owner), 'utf8').catch(() => '');
    return text
      .split('\n')
      .filter((line) => line.includes(`"event":"${event}"`) && line.endsWith('}'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** Sends through the real SDK and remembers what was sent. One sender at a time keeps the order. */
  async send(messages: readonly TrafficMessage[]): Promise<void> {
    this.#producer ??= new EventHubProducerClient(this.hub.connectionString);
    const partitions = Array.from({ length: this.partitionCount }, (_, partition) => String(partition));
    await send(this.#producer, partitions, messages);
    for (const { partition, body } of messages) this.sent.get(this.stream(partition))?.push(Buffer.from(body));
  }

  get sentCount(): number {
    return [...this.sent.values()].reduce((sum, bodies) => sum + bodies.length, 0);
  }

  async close(): Promise<void> {
    await this.#producer?.close();
    const programs = [...this.#programs].filter((program) => program !== this.engine);
    // A frozen process hears nothing but these two.
    for (const program of programs) program.signal('SIGKILL');
    await Promise.all(programs.map(async ({ exited }) => exited));
    await this.hub.close();
    await this.db.close();
    await this.engine.stop();
    await rm(this.directory, { recursive: true, force: true });
  }
}

function startEngineProgram(directory: string, port: number, environment: Readonly<Record<string, string>>): Program {
  return startProgram({
    program: 'local/main.ts',
    args: ['engine', '--data', join(directory, 'clickhouse'), '--port', String(port)],
    environment: { GATEMETER_ENGINE_PASSWORD: 'secret', UV_THREADPOOL_SIZE: String(engineThreads), ...environment },
    logFile: join(directory, 'logs', 'engine.log'),
  });
}
