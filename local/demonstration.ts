import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Running } from '#common/lifecycle.ts';
import { replayTrace, type Replay } from './producer.ts';
import { startStack, type Stack } from './stack.ts';

export type DemonstrationOptions = {
  readonly dataDirectory: string;
  readonly port: number;
  readonly hubPort: number;
  readonly key: string | null;
  readonly seed: number;
  readonly traffic: 'trace' | 'none';
};

/** `npm start`: the stack, the trace through it, and what was counted. Stays up until closed. */
export async function demonstrate(options: DemonstrationOptions): Promise<Running> {
  const began = performance.now();
  const progress = progressLine();
  const dataDirectory = resolve(options.dataDirectory);
  const stack = await startStack({
    ...options,
    dataDirectory,
    onStep: (step) => progress.show(step),
    onRestart: (name, reason) => progress.say(`${name} ended (${reason}) and is started again`),
  });
  const stopping = new AbortController();
  const counted = count(stack, options, dataDirectory, progress, stopping.signal, began);
  const failed = counted.then(
    () => new Promise<void>(() => {}),
    (error: unknown) => {
      if (stopping.signal.aborted) return;
      throw error;
    },
  );
  return {
    closed: failed,
    close: async () => {
      stopping.abort();
      progress.show('stopping');
      await counted.catch(() => {});
      await stack.close();
      progress.say('stopped');
    },
  };
}

async function count(
  stack: Stack,
  options: DemonstrationOptions,
  dataDirectory: string,
  progress: ProgressLine,
  signal: AbortSignal,
  began: number,
): Promise<void> {
  if (options.traffic === 'none') {
    progress.say(ready(stack, dataDirectory));
    return;
  }
  let sent = '';
  let over = false;
  const replay = replayTrace({
    connectionString: stack.hubConnectionString,
    hub: 'gateway-logs',
    planFile: join(dataDirectory, 'traffic.json'),
    seed: options.seed,
    signal,
    onProgress: (done, of) => (sent = `sent ${done} of ${of} messages`),
  }).finally(() => (over = true));
  let firstAnswer = false;
  while (!over) {
    const calls = await totalCalls(stack);
    if (!firstAnswer && calls !== '0') {
      firstAnswer = true;
      progress.say(`first answer after ${seconds(began)} s: ${calls} calls`);
    }
    progress.show(`${sent}; counted ${calls} calls`);
    await delay(500, undefined, { signal }).catch(() => {});
  }
  const replayed = await replay;
  while (!signal.aborted && !(await settled(stack))) {
    progress.show(`${sent}; counted ${await totalCalls(stack)} calls`);
    await delay(300, undefined, { signal }).catch(() => {});
  }
  if (signal.aborted) return;
  progress.say(await summary(stack, replayed, began));
  progress.say(ready(stack, dataDirectory));
}

type Answer = { readonly data: readonly Record<string, unknown>[]; readonly meta: Record<string, unknown> };

async function ask(stack: Stack, path: string): Promise<Answer> {
  const response = await fetch(`${stack.apiUrl}${path}`, { headers: { authorization: `Bearer ${stack.key}` } });
  if (!response.ok)
    throw new Error(`GET ${path} answered ${response.status}: ${(await response.text()).slice(0, 500)}`);
  return (await response.json()) as Answer;
}

/** Months in both directions hold any replay, also one that was begun by an earlier start. */
function everything(): string {
  const day = 86_400_000;
  const iso = (ms: number): string => new Date(ms).toISOString();
  return `from=${iso(Date.now() - 60 * day)}&to=${iso(Date.now() + day)}`;
}

async function totalCalls(stack: Stack): Promise<string> {
  return String((await ask(stack, `/v1/usage?${everything()}`)).data[0]?.['calls'] ?? '0');
}

/** Everything the hub has is stored and sealed. */
async function settled(stack: Stack): Promise<boolean> {
  const { data } = await ask(stack, '/v1/pipeline');
  return (
    data.length > 0 &&
    data.every(
      (row) => row['waiting'] === '0' && row['sealed_through'] === row['watermark'] && row['state'] === 'reading',
    )
  );
}

async function summary(stack: Stack, replayed: Replay, began: number): Promise<string> {
  const window = everything();
  const [pipeline, usage, spend] = [
    await ask(stack, '/v1/pipeline'),
    await ask(stack, `/v1/usage?${window}`),
    await ask(stack, `/v1/spend?${window}`),
  ];
  const total = usage.data[0] ?? {};
  const coverage = spend.meta['coverage'] as Record<string, number | null>;
  const percent = (share: number | null | undefined): string =>
    share === null || share === undefined ? 'unknown' : `${(share * 100).toFixed(2)} %`;
  const lines = pipeline.data.map(
    (row) =>
      `  ${String(row['stream']).padEnd(28)} ${column(row['received'])} = ${row['balanced'] === true ? 'balanced' : 'NOT BALANCED'}: records ${column(row['records'])} = ` +
      `calls ${column(row['call_records'])} + parts ${column(row['part_records'])} + dropped ${column(row['dropped'])} + rejected ${column(row['rejected'])}`,
  );
  return [
    `counted after ${seconds(began)} s (latencies are modelled with seed ${replayed.seed}; instants and tokens are the trace's):`,
    ' received, by stream',
    ...lines,
    ` calls          ${total['calls']}`,
    ` input tokens   ${total['input_tokens']}`,
    ` output tokens  ${total['output_tokens']}`,
    ` list cost      ${spend.data[0]?.['list_cost']} ${spend.data[0]?.['pricing_currency']}`,
    ` coverage       priced ${percent(coverage['priced'])}, exact usage ${percent(coverage['exact_usage'])}, attributed ${percent(coverage['attributed'])}`,
  ].join('\n');
}

function ready(stack: Stack, dataDirectory: string): string {
  return [
    '',
    `The month's spend per tenant:`,
    `  curl -H 'Authorization: Bearer ${stack.key}' '${stack.apiUrl}/v1/spend?group_by=tenant_id&step=P1M&from=${monthStart()}&to=${monthEnd()}'`,
    `API and pages   ${stack.apiUrl}/   (reference: ${stack.apiUrl}/docs)`,
    `ClickHouse      ${stack.databaseUrl}   (user default, password in ${join(dataDirectory, 'clickhouse-password')})`,
    `Event Hub       ${stack.hubConnectionString}`,
    `logs            ${join(dataDirectory, 'logs')}`,
    'Ctrl-C stops everything; the next start goes on from here.',
  ].join('\n');
}

function monthStart(): string {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1, 1)).toISOString().replace('.000', '');
}

function monthEnd(): string {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1)).toISOString().replace('.000', '');
}

function column(value: unknown): string {
  return String(value).padStart(6);
}

function seconds(began: number): string {
  return ((performance.now() - began) / 1_000).toFixed(1);
}

type ProgressLine = { readonly show: (text: string) => void; readonly say: (text: string) => void };

/** One line that is written over on a terminal; a new line each time it changes elsewhere, as in a log. */
function progressLine(): ProgressLine {
  const terminal = process.stderr.isTTY;
  let last = '';
  return {
    show: (text) => {
      if (text === last) return;
      last = text;
      process.stderr.write(terminal ? `\r\u001b[K${text}` : `${text}\n`);
    },
    say: (text) => {
      if (terminal) process.stderr.write('\r\u001b[K');
      process.stdout.write(`${text}\n`);
    },
  };
}
