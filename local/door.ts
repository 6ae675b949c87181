import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { totalmem } from 'node:os';
import { resolve } from 'node:path';
import { readCatalogue } from './door-catalogue.ts';
import { loadEngine, openDirectory } from './door-engine.ts';
import { Lane } from './door-lane.ts';
import { serve } from './door-serve.ts';
import { Watch } from './door-watch.ts';

export type DoorOptions = {
  /** Belongs to this process alone while the door is open. */
  readonly dataDirectory: string;
  /** 0 takes any free port. Only this machine can reach it. */
  readonly port: number;
  /** Asked from everybody; without one, every program on this machine may enter. */
  readonly password?: string;
  /** Below this many free bytes rows are refused: the engine acknowledges rows that it could not write. Default 2 GB. */
  readonly minimumFreeBytes?: number;
  /** How long to wait for another process to let go of the directory, in milliseconds. Default 0. */
  readonly patienceMs?: number;
  /** How many requests run at once; the others wait. Default 12, of which 2 are for writes only. */
  readonly places?: number;
  /** The memory of the engine in bytes. Default: 60 % of the machine's. A single query may have half of it. */
  readonly memoryBytes?: number;
  /** The largest body of a request in bytes, decompressed. Default 256 MiB. */
  readonly bodyBytesMax?: number;
};

export type Door = {
  readonly url: string;
  readonly port: number;
  /** Lets requests end, for 30 seconds at most, and lets go of the directory. */
  readonly close: () => Promise<void>;
};

const placesForWrites = 2;
const closeWithinMs = 30_000;
/** A server keeps an idle connection for 10 seconds; clients are made for that. */
const keepAliveMs = 10_000;
/** As a server's http_max_uri_size, because a query may stand in the URL. */
const headBytesMax = 1_048_576;

/**
 * Opens an embedded ClickHouse on a directory and speaks ClickHouse's HTTP interface in front of it, on loopback.
 * A process can open one directory only.
 */
export async function openDoor(options: DoorOptions): Promise<Door> {
  const dataDirectory = resolve(options.dataDirectory);
  const memoryBytes = options.memoryBytes ?? Math.floor(machineMemory() * 0.6);
  const engine = loadEngine();
  // This connection keeps the directory open while no request does.
  const anchor = await openDirectory(engine, dataDirectory, memoryBytes, options.patienceMs ?? 0);
  const catalogue = await readCatalogue(engine, anchor);
  const watch = new Watch(engine, anchor);
  const lane = new Lane({
    directory: dataDirectory,
    tableFunctions: catalogue.tableFunctions,
    places: options.places ?? 12,
    placesForWrites,
    kill: (jobId) => watch.kill(jobId),
  });
  const desk = {
    lane,
    watch,
    catalogue,
    dataDirectory,
    password: options.password,
    minimumFreeBytes: options.minimumFreeBytes ?? 2_000_000_000,
    bodyBytesMax: options.bodyBytesMax ?? 256 * 1024 * 1024,
    settings: {
      async_insert: '0',
      max_memory_usage: String(Math.floor(memoryBytes / 2)),
      // A server takes an INSERT without rows; only the engine's own client does not.
      throw_if_no_data_to_insert: '0',
    },
  };
  const server = createServer({ maxHeaderSize: headBytesMax, keepAliveTimeout: keepAliveMs }, (request, response) => {
    void serve(desk, request, response);
  });
  try {
    await listen(server, options.port);
  } catch (error) {
    engine.CloseConnection(anchor);
    throw error;
  }
  const { port } = server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> =>
    (closing ??= closeAll(server, lane, watch).then(() => engine.CloseConnection(anchor)));
  return { url: `http://127.0.0.1:${port}`, port, close };
}

/** A container may have less memory than its machine. */
function machineMemory(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 && constrained < totalmem() ? constrained : totalmem();
}

async function listen(server: Server, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
}

async function closeAll(server: Server, lane: Lane, watch: Watch): Promise<void> {
  const idle = setInterval(() => server.closeIdleConnections(), 20);
  const late = setTimeout(() => server.closeAllConnections(), closeWithinMs);
  await new Promise<void>((resolve) => server.close(() => resolve()));
  clearInterval(idle);
  clearTimeout(late);
  await lane.close();
  await watch.ended();
}
