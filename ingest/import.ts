import { hostname } from 'node:os';
import { parseArgs, promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { z } from 'zod';
import { databaseConfig, databaseVariables, openDatabase } from '#clickhouse/client.ts';
import { httpAddress, readEnvironment } from '#common/environment.ts';
import { ConfigurationError, messageOf } from '#common/error.ts';
import { createLog } from '#common/log.ts';
import { retryUntilDone } from '#common/retry.ts';
import { isSource } from './decode.ts';
import { archiveOf, chunksOf, type Archive, type Chunk } from './file.ts';
import { Journal, type Stored } from './journal.ts';
import { mappingProblems } from './mapping_file.ts';
import { ingestMetrics } from './metrics.ts';
import { rowOptions, rowVariables } from './row_options.ts';

const usage = `usage: npm run import -- FILE… [--source NAME] [--url URL --key KEY]
  --source  the gateway or provider that wrote the logs; left out, every format is tried
  --url     of a running API, for example http://127.0.0.1:8080; left out, CLICKHOUSE_URL is written directly
  --key     an API key of role intake or admin`;

/** Stores a chunk and says what became of its records; rejects when that cannot be done. */
type Sink = { readonly put: (archive: Archive, chunk: Chunk) => Promise<Stored>; readonly close: () => Promise<void> };

/**
 * Brings archived logs into the ledger. A second import of the same file stores its records again and counts nothing
 * twice: they name the same calls, or, where they name none, stand at the same place of the same file.
 */
export async function importFiles(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const { files, source, url, key } = flags(args);
  const sink = url === null ? openDirect(environment, source) : openRemote(url, key, source);
  const total: Record<string, number> = {};
  try {
    for (const path of files) {
      const kinds = await importFile(path, sink);
      for (const [kind, count] of Object.entries(kinds)) total[kind] = (total[kind] ?? 0) + count;
    }
  } finally {
    await sink.close();
  }
  process.stdout.write(`${files.length} file(s): ${summary(total)}\n`);
}

function flags(args: readonly string[]): { files: string[]; source: string | null; url: string | null; key: string } {
  try {
    const text = { type: 'string' } as const;
    const options = { source: text, url: text, key: text };
    const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options });
    if (positionals.length === 0) throw new Error('no file is named');
    if ((values.url === undefined) !== (values.key === undefined)) throw new Error('--url and --key go together');
    if (values.url !== undefined && !httpAddress().safeParse(values.url).success)
      throw new Error('--url does not begin with http:// or https://');
    const { source = null, url = null, key = '' } = values;
    return { files: positionals, source, url, key };
  } catch (error) {
    throw new ConfigurationError(`${messageOf(error)}\n${usage}`);
  }
}

async function importFile(path: string, sink: Sink): Promise<Record<string, number>> {
  const archive = await archiveOf(path).catch((error: unknown) => {
    throw new ConfigurationError(`${path} cannot be read: ${messageOf(error)}`);
  });
  const kinds: Record<string, number> = {};
  let read = 0;
  let records = 0;
  const show = progress(path, archive.bytes);
  for await (const chunk of chunksOf(path, (bytes) => (read += bytes))) {
    const stored = await sink.put(archive, chunk);
    for (const [kind, count] of Object.entries(stored.kinds)) kinds[kind] = (kinds[kind] ?? 0) + count;
    records += stored.records;
    show(Math.min(read, archive.bytes), records);
  }
  process.stderr.write(`${process.stderr.isTTY ? '\r\x1b[K' : ''}${path}: ${summary(kinds)}\n`);
  return kinds;
}

function summary(kinds: Readonly<Record<string, number>>): string {
  const parts = Object.keys(kinds)
    .sort()
    .map((kind) => `${kinds[kind]} ${kind}`);
  const records = Object.values(kinds).reduce((sum, count) => sum + count, 0);
  return `${records} records${parts.length > 0 ? ` (${parts.join(', ')})` : ''}`;
}

/** A bar on a terminal, a line every ten seconds elsewhere. */
function progress(path: string, bytes: number): (read: number, records: number) => void {
  let shownAt = performance.now();
  return (read, records) => {
    const share = bytes === 0 ? 1 : read / bytes;
    const interval = process.stderr.isTTY ? 100 : 10_000;
    if (performance.now() - shownAt < interval) return;
    shownAt = performance.now();
    const bar = '#'.repeat(Math.round(share * 30)).padEnd(30, '.');
    const line = `${path} [${bar}] ${(share * 100).toFixed(0)} % ${records} records`;
    process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${line}` : `${line}\n`);
  };
}

/** Straight into the database, as a worker would. */
function openDirect(environment: Readonly<Record<string, string | undefined>>, source: string | null): Sink {
  const log = createLog('import', 'warn');
  const read = readEnvironment({ ...databaseVariables, ...rowVariables }, environment, (given) =>
    mappingProblems(given['INGEST_MAPPINGS']),
  );
  const rows = rowOptions(read);
  if (source !== null && !isSource(source, rows.declared ?? [])) {
    throw new ConfigurationError(`--source ${source} is not known\n${usage}`);
  }
  const db = openDatabase(databaseConfig(read), 'import');
  const journal = new Journal('import', { db, log, metrics: ingestMetrics(), owner: hostname(), rows });
  return {
    put: async ({ sha256 }, { number, body }) => {
      const origin = { stream: `file/${sha256}`, sequence_number: number, record_index: 0 };
      const stored = journal.append({ body, source: source ?? undefined, origin });
      if (stored === null) throw new Error('a chunk is larger than what may wait to be stored');
      return stored;
    },
    close: async () => {
      await journal.idle();
      await journal.close();
      await db.close();
    },
  };
}

const answer = z.object({ data: z.object({ records: z.number(), kinds: z.record(z.string(), z.number()) }) });

/** Through a running API. Waits while it is away or busy; anything it refuses ends the import. */
function openRemote(url: string, key: string, source: string | null): Sink {
  const target = new URL(`/v1/intake/${encodeURIComponent(source ?? 'any')}`, url);
  const stop = new AbortController();
  return {
    put: async ({ path, sha256 }, { number, body }) => {
      const packed = await promisify(gzip)(body);
      const outcome = await retryUntilDone(async () => post(target, key, packed, `${sha256}/${number}`), {
        signal: stop.signal,
        onFailure: (error) => process.stderr.write(`${path}: ${error.message}; tried again\n`),
      });
      if (outcome.kind === 'refused')
        throw new ConfigurationError(`${path}: ${target.origin} refused: ${outcome.detail}`);
      return outcome.stored;
    },
    close: async () => stop.abort(),
  };
}

type Posted =
  | { readonly kind: 'stored'; readonly stored: Stored }
  | { readonly kind: 'refused'; readonly detail: string };

async function post(target: URL, key: string, packed: Buffer, origin: string): Promise<Posted> {
  const response = await fetch(target, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': 'application/x-ndjson',
      'content-encoding': 'gzip',
      'gatemeter-origin': origin,
    },
    body: new Uint8Array(packed),
  });
  const text = await response.text();
  if (response.status === 202) return { kind: 'stored', stored: answer.parse(JSON.parse(text)).data };
  if (response.status === 429 || response.status >= 500)
    throw new Error(`${target.origin} answered ${response.status}`);
  return { kind: 'refused', detail: `${response.status} ${text.slice(0, 500)}` };
}
