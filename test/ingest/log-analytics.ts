import { openLogAnalytics, type LogAnalytics } from '../../ingest/log_analytics.ts';
import { credential, startHttps } from './https.ts';

/** One row of a table, by column. */
export type LogRow = Readonly<Record<string, string | number | boolean | null>>;

/**
 * A local server that speaks the query API of Log Analytics as far as a backfill uses it, and the real SDK's client on
 * it. Rows are chosen by table and by the half-open window of the query's timespan; more than `rowsMax` are answered as
 * the service does, with some of them and an error.
 */
export type LogsServer = {
  readonly client: LogAnalytics;
  /** Windows that were asked for, as they came. */
  readonly asked: { readonly table: string; readonly from: number; readonly to: number }[];
  readonly rows: Map<string, LogRow[]>;
  rowsMax: number;
  /** Statuses of the next answers, before any that has rows. */
  readonly failures: number[];
  readonly close: () => Promise<void>;
};

export async function startLogs(workspace: string): Promise<LogsServer> {
  const state = {
    asked: [] as LogsServer['asked'],
    rows: new Map<string, LogRow[]>(),
    rowsMax: 500_000,
    failures: [] as number[],
  };
  const service = await startHttps((_, body) => {
    const failure = state.failures.shift();
    if (failure === undefined) return { status: 200, body: queried(state, body) };
    const headers: Record<string, string> = failure === 429 ? { 'retry-after': '0' } : {};
    return { status: failure, headers, body: { error: { code: 'Failed', message: 'as the test wants' } } };
  });
  const client = openLogAnalytics(workspace, credential, {
    endpoint: `${service.url}/v1`,
    tlsOptions: { ca: service.certificate },
  });
  return Object.assign(state, { client, close: service.close });
}

function queried(state: Pick<LogsServer, 'asked' | 'rows' | 'rowsMax'>, body: string): unknown {
  const { query, timespan } = JSON.parse(body) as { query: string; timespan: string };
  const table = query.split(' ')[0] ?? '';
  const [from = 0, to = 0] = timespan.split('/').map((instant) => Date.parse(instant));
  state.asked.push({ table, from, to });
  const all = (state.rows.get(table) ?? []).filter((row) => {
    const at = Date.parse(String(row['TimeGenerated']));
    return at >= from && at < to;
  });
  const names = [...new Set(all.flatMap((row) => Object.keys(row)))];
  const rows = all.slice(0, state.rowsMax).map((row) => names.map((name) => row[name] ?? null));
  const columns = names.map((name) => ({ name, type: name === 'TimeGenerated' ? 'datetime' : 'string' }));
  const tables = [{ name: 'PrimaryResult', columns, rows }];
  if (all.length <= state.rowsMax) return { tables };
  return { tables, error: { code: 'PartialError', message: 'There were some errors when processing your query.' } };
}
