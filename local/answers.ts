import type { Stack } from './stack.ts';
import type { Replay } from './producer.ts';

type Share = number | null | undefined;
type Answer<Row> = {
  readonly data: readonly Row[];
  readonly meta: {
    readonly coverage?: { readonly priced: Share; readonly exact_usage: Share; readonly attributed: Share };
  };
};
type UsageRow = { readonly calls: string; readonly input_tokens: string; readonly output_tokens: string };
type SpendRow = { readonly list_cost: string | null; readonly pricing_currency: string };
type PipelineRow = {
  readonly stream: string;
  readonly received: string;
  readonly records: string;
  readonly call_records: string;
  readonly part_records: string;
  readonly dropped: string;
  readonly rejected: string;
  readonly balanced: boolean;
  readonly waiting: string;
  readonly watermark: string;
  readonly sealed_through: string;
  readonly state: string;
};

const dayMs = 86_400_000;

/** What a user would ask with curl, with the answer's fields that we print. */
async function ask<Row>(stack: Stack, path: string): Promise<Answer<Row>> {
  const response = await fetch(`${stack.apiUrl}${path}`, { headers: { authorization: `Bearer ${stack.key}` } });
  if (!response.ok)
    throw new Error(`GET ${path} answered ${response.status}: ${(await response.text()).slice(0, 500)}`);
  return (await response.json()) as Answer<Row>;
}

/** A window that holds any replay, also one that was begun by an earlier start. */
function everything(): string {
  return `from=${instant(Date.now() - 60 * dayMs)}&to=${instant(Date.now() + dayMs)}`;
}

function instant(ms: number): string {
  return new Date(ms).toISOString();
}

/** Calls counted so far. */
export async function countedCalls(stack: Stack): Promise<string> {
  const { data } = await ask<UsageRow>(stack, `/v1/usage?${everything()}`);
  return data[0]?.calls ?? '0';
}

/** Whether everything that the hub has is stored and sealed. */
export async function settled(stack: Stack): Promise<boolean> {
  const { data } = await ask<PipelineRow>(stack, '/v1/pipeline');
  return (
    data.length > 0 &&
    data.every((row) => row.waiting === '0' && row.sealed_through === row.watermark && row.state === 'reading')
  );
}

/** What was counted, as lines to print: each figure can be checked against the trace by hand. */
export async function summary(stack: Stack, replayed: Replay, seconds: string): Promise<string> {
  const window = everything();
  const pipeline = await ask<PipelineRow>(stack, '/v1/pipeline');
  const usage = await ask<UsageRow>(stack, `/v1/usage?${window}`);
  const spend = await ask<SpendRow>(stack, `/v1/spend?${window}`);
  const coverage = spend.meta.coverage;
  return [
    `counted after ${seconds} s (latencies are modelled with seed ${replayed.seed}; instants and tokens are the trace's)`,
    '',
    `stream                          received    records =  calls +  parts + dropped + rejected`,
    ...pipeline.data.map(balance),
    '',
    `calls          ${usage.data[0]?.calls ?? '0'}`,
    `input tokens   ${usage.data[0]?.input_tokens ?? '0'}`,
    `output tokens  ${usage.data[0]?.output_tokens ?? '0'}`,
    `list cost      ${spend.data[0]?.list_cost ?? 'unpriced'} ${spend.data[0]?.pricing_currency ?? ''}`,
    `coverage       priced ${percent(coverage?.priced)}, exact usage ${percent(coverage?.exact_usage)}, attributed ${percent(coverage?.attributed)}`,
  ].join('\n');
}

function balance(row: PipelineRow): string {
  const figures = [
    row.received.padStart(9),
    row.records.padStart(10),
    row.call_records.padStart(9),
    row.part_records.padStart(8),
  ];
  return `${row.stream.padEnd(31)}${figures.join('')}${row.dropped.padStart(10)}${row.rejected.padStart(11)}  ${row.balanced ? 'balanced' : 'NOT BALANCED'}`;
}

function percent(share: Share): string {
  return share === null || share === undefined ? 'unknown' : `${(share * 100).toFixed(2)} %`;
}

/** The first instant of the month of an instant, or of one that many months later. */
function monthOf(ms: number, offset: number): string {
  const date = new Date(ms);
  return instant(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + offset, 1)).replace('.000', '');
}

/** Where everything is, with one question to copy. */
export function ready(stack: Stack): string {
  // The traffic is an hour long: in the first hour of a month it began in the one before.
  const [from, to] = [monthOf(Date.now() - 3_600_000, 0), monthOf(Date.now(), 1)];
  return `
Who spent what this month:
  curl -H 'Authorization: Bearer ${stack.key.replaceAll("'", String.raw`'\''`)}' '${stack.apiUrl}/v1/spend?group_by=tenant_id&from=${from}&to=${to}'

API and pages   ${stack.apiUrl}/   (reference: ${stack.apiUrl}/docs)
ClickHouse      ${stack.databaseUrl}   (user default, password in ${stack.dataDirectory}/clickhouse-password)
Event Hub       ${stack.hubConnectionString}
logs            ${stack.dataDirectory}/logs
Ctrl-C stops everything; the next start goes on from here.`;
}
