import {
  LogsQueryClient,
  LogsQueryResultStatus,
  type LogsQueryClientOptions,
  type LogsTable,
} from '@azure/monitor-query-logs';
import pRetry, { AbortError } from 'p-retry';
import { messageOf } from '#common/error.ts';
import type { Credential } from './credential.ts';

/** An answer of Log Analytics: every row of the window, or that it has more than one answer can hold. */
type Answer =
  | { readonly kind: 'rows'; readonly rows: readonly Record<string, unknown>[] }
  | { readonly kind: 'too_much'; readonly detail: string };

export type LogAnalytics = { readonly query: (kql: string, fromMs: number, toMs: number) => Promise<Answer> };

/** Published limits of the query API: rows in one answer, and requests of one identity in 30 seconds. */
const rowsMax = 500_000;
const leastBetweenMs = 30_000 / 200;
const attempts = 6;

/** The only door to @azure/monitor-query-logs. The SDK waits itself where the service says for how long. */
export function openLogAnalytics(
  workspace: string,
  credential: Credential,
  options: LogsQueryClientOptions = {},
): LogAnalytics {
  const client = new LogsQueryClient(credential, options);
  let next = 0;
  const ask = async (kql: string, fromMs: number, toMs: number): Promise<Answer> => {
    const now = Date.now();
    const wait = Math.max(0, next - now);
    next = now + wait + leastBetweenMs;
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    const timespan = { startTime: new Date(fromMs), endTime: new Date(toMs) };
    const result = await client.queryWorkspace(workspace, kql, timespan, { serverTimeoutInSeconds: 600 });
    // Some of the rows: which ones is not said, so none is taken and the window is halved.
    if (result.status !== LogsQueryResultStatus.Success) return { kind: 'too_much', detail: detailOf(result) };
    const rows = result.tables.flatMap(rowsOf);
    return rows.length >= rowsMax ? { kind: 'too_much', detail: `${rows.length} rows` } : { kind: 'rows', rows };
  };
  return {
    query: async (kql, fromMs, toMs) =>
      pRetry(async () => ask(kql, fromMs, toMs).catch((error: unknown) => refusedOr(error)), {
        retries: attempts,
        minTimeout: 500,
        maxTimeout: 30_000,
        randomize: true,
      }),
  };
}

function detailOf(result: object): string {
  return 'partialError' in result ? JSON.stringify(result.partialError).slice(0, 300) : 'a part of the rows';
}

/** What is too large is an answer; what the service refuses is not asked again; the rest is tried again. */
function refusedOr(error: unknown): Answer {
  const { statusCode = 0, code = '' } = error as { statusCode?: number | string; code?: string };
  const status = Number(statusCode);
  const message = messageOf(error);
  if (
    status === 413 ||
    status === 504 ||
    /ResponsePayloadTooLarge|QueryTimeout|E_RUNAWAY/i.test(`${code} ${message}`)
  ) {
    return { kind: 'too_much', detail: message.slice(0, 300) };
  }
  if (status >= 400 && status < 500 && status !== 429 && status !== 408) throw new AbortError(error as Error);
  throw error;
}

function rowsOf(table: LogsTable): Record<string, unknown>[] {
  const names = table.columnDescriptors.map(({ name }) => name);
  return table.rows.map((cells) => Object.fromEntries(names.map((name, index) => [name, cells[index] ?? null])));
}
