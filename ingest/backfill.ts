import { parseISO } from 'date-fns';
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { databaseConfig, databaseVariables, openDatabase, type Database } from '#clickhouse/client.ts';
import { backfills } from '#clickhouse/tables.ts';
import { backfilled } from '#clickhouse/ledger.ts';
import { readEnvironment } from '#common/environment.ts';
import { ConfigurationError, messageOf } from '#common/error.ts';
import { createLog } from '#common/log.ts';
import { azureCredential } from './credential.ts';
import { Journal } from './journal.ts';
import { openLogAnalytics, type LogAnalytics } from './log_analytics.ts';
import { ingestMetrics } from './metrics.ts';
import { wireInstant } from './reader.ts';

const usage = `usage: npm run backfill -- --from 2026-10-01T00:00:00Z --to 2026-10-02T00:00:00Z [--workspace ID]
  --from, --to   the half-open window, instants with a zone
  --workspace    of Log Analytics (default LOG_ANALYTICS_WORKSPACE_ID)`;

const hourMs = 3_600_000;
/** Rows reach a workspace late: a window that ended less than this ago is read, and read again by the next run. */
const settledMs = 2 * hourMs;
const leastWindowMs = 1_000;
const chunkRows = 1_000;

/** What is read, and the columns that say something; message text is never asked for. */
const logs: readonly { readonly name: string; readonly where: string }[] = [
  { name: 'ApiManagementGatewayLogs', where: '' },
  {
    name: 'ApiManagementGatewayLlmLog',
    where:
      ' | where isnotempty(DeploymentName) or PromptTokens > 0 or CompletionTokens > 0 | project-away RequestMessages, ResponseMessages',
  },
];

export type BackfillOptions = {
  readonly db: Database;
  readonly journal: Journal;
  readonly logAnalytics: LogAnalytics;
  readonly workspace: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly now: () => number;
  readonly onProgress: (log: string, throughMs: number, records: number) => void;
};

/**
 * Reads logs of a workspace, hour by hour, into a stream of their own. Sealing takes a backfilled record only for what
 * no record of the hub says, so this fills holes and never overwrites. A window with more rows than one answer can hold
 * is halved; windows that were stored whole are not read again. Returns the records stored.
 */
export async function backfill(options: BackfillOptions): Promise<number> {
  const { db, workspace, fromMs, toMs } = options;
  let records = 0;
  for (const log of logs) {
    const before = await db.read(backfilled, { workspace, log: log.name });
    const done = new Set(before.map((row) => `${Date.parse(row.window_from)}/${Date.parse(row.window_to)}`));
    for (let from = fromMs; from < toMs; from = nextHour(from)) {
      const to = Math.min(toMs, nextHour(from));
      if (!done.has(`${from}/${to}`)) {
        const stored = await window(options, log, from, to);
        records += stored;
        if (to <= options.now() - settledMs) {
          const row = [workspace, log.name, wireInstant(from), wireInstant(to), stored];
          await db.insert(backfills, JSON.stringify(row));
        }
      }
      options.onProgress(log.name, to, records);
    }
  }
  return records;
}

function nextHour(ms: number): number {
  return (Math.floor(ms / hourMs) + 1) * hourMs;
}

/** Stores the rows of [from, to) and returns how many there were; settles only when they are in the ledger. */
async function window(options: BackfillOptions, log: (typeof logs)[number], from: number, to: number): Promise<number> {
  const between = `TimeGenerated >= datetime(${iso(from)}) and TimeGenerated < datetime(${iso(to)})`;
  const found = await options.logAnalytics.query(`${log.name} | where ${between}${log.where}`, from, to);
  if (found.kind === 'rows') {
    for (let start = 0; start < found.rows.length; start += chunkRows) {
      await store(options.journal, log.name, found.rows.slice(start, start + chunkRows));
    }
    return found.rows.length;
  }
  if (to - from <= leastWindowMs) {
    throw new Error(
      `${log.name} has more rows between ${iso(from)} and ${iso(to)} than one answer holds: ${found.detail}`,
    );
  }
  const middle = Math.floor((from + to) / 2);
  return (await window(options, log, from, middle)) + (await window(options, log, middle, to));
}

async function store(journal: Journal, log: string, rows: readonly Record<string, unknown>[]): Promise<void> {
  const body = Buffer.from(rows.map((row) => JSON.stringify({ Type: log, ...row })).join('\n'));
  const stored = journal.append({ body });
  if (stored === null) throw new Error('a chunk is larger than what may wait to be stored');
  await stored;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

/** The variables of a backfill. */
export const backfillVariables = {
  ...databaseVariables,
  LOG_ANALYTICS_WORKSPACE_ID: z
    .uuid()
    .optional()
    .describe('Workspace to backfill from, its id; the identity of DefaultAzureCredential needs Log Analytics Reader'),
  LOG_ANALYTICS_AUDIENCE: z
    .url()
    .default('https://api.loganalytics.io')
    .describe('Audience of the query API, another one in sovereign clouds (default https://api.loganalytics.io)'),
};

/** The command line of a backfill; prints its progress and what it stored. */
export async function backfillFromCommandLine(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const read = readEnvironment(backfillVariables, environment);
  const { fromMs, toMs, workspace } = flags(args, read.LOG_ANALYTICS_WORKSPACE_ID);
  const logAnalytics = openLogAnalytics(workspace, await azureCredential(), {
    audience: read.LOG_ANALYTICS_AUDIENCE,
  });
  const db = openDatabase(databaseConfig(read), 'backfill');
  const log = createLog('backfill', 'warn');
  const journal = new Journal('backfill', { db, log, metrics: ingestMetrics(), owner: hostname(), rows: {} });
  const onProgress = (name: string, throughMs: number, records: number): void => {
    const share = Math.floor(((throughMs - fromMs) / (toMs - fromMs)) * 100);
    process.stderr.write(`${name} ${share} % through ${iso(throughMs)}, ${records} records\n`);
  };
  try {
    const all = { db, journal, logAnalytics, workspace, fromMs, toMs, now: Date.now, onProgress };
    process.stdout.write(`${await backfill(all)} records\n`);
    await journal.idle();
  } finally {
    await journal.close();
    await db.close();
  }
}

function flags(
  args: readonly string[],
  fallback: string | undefined,
): { fromMs: number; toMs: number; workspace: string } {
  try {
    const text = { type: 'string' } as const;
    const { values } = parseArgs({ args: [...args], options: { from: text, to: text, workspace: text } });
    const instant = (name: 'from' | 'to'): number => {
      const given = z.iso.datetime({ offset: true }).safeParse(values[name]);
      if (!given.success) throw new Error(`--${name} is not an instant with a zone, such as 2026-10-01T00:00:00Z`);
      return parseISO(given.data).getTime();
    };
    const [fromMs, toMs] = [instant('from'), instant('to')];
    if (toMs <= fromMs) throw new Error('--to is not after --from');
    const workspace = values.workspace ?? fallback;
    if (workspace === undefined) throw new Error('--workspace is missing, and LOG_ANALYTICS_WORKSPACE_ID is not set');
    return { fromMs, toMs, workspace };
  } catch (error) {
    throw new ConfigurationError(`${messageOf(error)}\n${usage}`);
  }
}
