import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { ConfigurationError, messageOf } from '#common/error.ts';
import { runUntilSignal, type Running } from '#common/lifecycle.ts';
import { createLog } from '#common/log.ts';

const usage = `npm start -- [--port N] [--hub-port N] [--data DIR] [--key KEY] [--seed N] [--traffic trace|none]
  --port     of the API (default 8080; 0 for any free port)
  --hub-port of the local Event Hub (default any free port)
  --data     where everything is kept (default .gatemeter)
  --key      the API key to accept, at least 16 characters (default: made once, kept in DIR/api-key)
  --seed     of the modelled part of the traffic (default 1)
  --traffic  trace: replay an hour of real requests; none: wait for yours (default trace)`;

function flags(): {
  role: string;
  port: number | null;
  hubPort: number;
  data: string;
  key: string | null;
  seed: number;
  traffic: 'trace' | 'none';
} {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        port: { type: 'string' },
        'hub-port': { type: 'string' },
        data: { type: 'string' },
        key: { type: 'string' },
        seed: { type: 'string' },
        traffic: { type: 'string' },
      },
    });
    const number = (name: 'port' | 'hub-port' | 'seed', maximum: number): number | null => {
      const text = values[name];
      if (text === undefined) return null;
      if (!/^\d+$/.test(text) || Number(text) > maximum)
        throw new Error(`--${name} ${text} is not a number from 0 to ${maximum}`);
      return Number(text);
    };
    const traffic = values.traffic ?? 'trace';
    if (traffic !== 'trace' && traffic !== 'none') throw new Error(`--traffic ${traffic} is neither trace nor none`);
    // As it goes into a header: printable, and without a space.
    if (values.key !== undefined && !/^[\x21-\x7e]{16,256}$/.test(values.key))
      throw new Error('--key is not 16 to 256 printable ASCII characters without spaces');
    if (positionals.length > 1) throw new Error(`${positionals.slice(1).join(' ')} is not understood`);
    return {
      role: positionals[0] ?? 'stack',
      port: number('port', 65_535),
      hubPort: number('hub-port', 65_535) ?? 0,
      data: values.data ?? '.gatemeter',
      key: values.key ?? null,
      seed: number('seed', 0xffff_ffff) ?? 1,
      traffic,
    };
  } catch (error) {
    throw new ConfigurationError(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  }
}

// Each role loads its own code only: five processes start at once, and on a small machine each of them waits for it.

/** The embedded ClickHouse behind its HTTP door, in a process of its own: `chdb` allows one data directory a process. */
async function startEngine(dataDirectory: string, port: number): Promise<Running> {
  const { openDoor } = await import('./door.ts');
  const password = process.env['GATEMETER_ENGINE_PASSWORD'] ?? '';
  // An earlier start that was killed has left an engine that notices it, and ends what it has begun.
  const door = await openDoor({ dataDirectory, port, password, patienceMs: 5_000 });
  return { address: { port: door.port }, close: async () => door.close(), closed: new Promise(() => {}) };
}

/** Opens its files when the parent says that the data directory is ours. */
async function startLocalHub(dataDirectory: string, port: number): Promise<Running> {
  const told = process.send === undefined ? null : once(process, 'message');
  const { startHub } = await import('./hub.ts');
  await told;
  const options = { dataDirectory, port, hub: 'gateway-logs', log: createLog('hub') };
  const hub = await startHub(options).catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    throw code === 'EADDRINUSE' || code === 'EACCES' ? new ConfigurationError(messageOf(error)) : error;
  });
  return { address: { port: hub.port }, close: async () => hub.close(), closed: new Promise(() => {}) };
}

/** Loaded while the database is still being prepared, started when the parent says that it is ready. */
async function startIngest(): Promise<Running> {
  const told = once(process, 'message');
  const ingest = await import('../ingest/main.ts');
  await told;
  return ingest.start(ingest.configFrom(process.env));
}

async function startAlerts(): Promise<Running> {
  const told = once(process, 'message');
  const alerts = await import('../alerts/main.ts');
  await told;
  return alerts.start(await alerts.configFrom(process.env));
}

async function startApi(): Promise<Running> {
  const told = once(process, 'message');
  const api = await import('../api/main.ts');
  await told;
  return api.start(api.configFrom(process.env));
}

async function start(): Promise<Running> {
  const { role, port, hubPort, data, key, seed, traffic } = flags();
  switch (role) {
    case 'engine':
      return startEngine(data, port ?? 0);
    case 'hub':
      return startLocalHub(data, port ?? 0);
    case 'ingest':
      return startIngest();
    case 'alerts':
      return startAlerts();
    case 'api':
      return startApi();
    case 'stack': {
      const { demonstrate } = await import('./demonstration.ts');
      return demonstrate({ dataDirectory: data, port: port ?? 8080, hubPort, key, seed, traffic });
    }
    default:
      throw new ConfigurationError(`${role} is no part of the stack\n\n${usage}`);
  }
}

if (import.meta.main) await runUntilSignal(start);
