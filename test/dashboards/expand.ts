/** What a reader has chosen: the window, the interval that Grafana would compute, and the variables. */
export type Chosen = {
  readonly from: number;
  readonly to: number;
  readonly intervalMs: number;
  readonly variables: Readonly<Record<string, string | readonly string[] | All>>;
};

/** All of a variable whose All has a text of its own, which Grafana puts in as it stands. */
type All = { readonly all: string };

/**
 * A query as the data source sends it. Variables first, in the browser; then the macros of the plugin (pkg/macros in
 * grafana/clickhouse-datasource). What this does not know is an error, so that a dashboard cannot use it untested.
 */
export function expand(sql: string, chosen: Chosen): string {
  const filled = sql.replaceAll(/\$\{(\w+)(?::(\w+))?\}/g, (_, name: string, format: string | undefined) => {
    const value = chosen.variables[name];
    if (value === undefined) throw new Error(`no variable ${name}`);
    if (typeof value === 'object' && 'all' in value) return value.all;
    if (format !== 'singlequote') throw new Error(`${name} is put in without quotes`);
    return (typeof value === 'string' ? [value] : value)
      .map((text) => `'${text.replaceAll("'", String.raw`\'`)}'`)
      .join(',');
  });
  return filled.replaceAll(/\$__(\w+)/g, (_, macro: string) => {
    if (macro === 'fromTime_ms') return `fromUnixTimestamp64Milli(${chosen.from})`;
    if (macro === 'toTime_ms') return `fromUnixTimestamp64Milli(${chosen.to})`;
    if (macro === 'interval_s') return String(Math.max(Math.floor(chosen.intervalMs / 1_000), 1));
    throw new Error(`no macro ${macro}`);
  });
}
