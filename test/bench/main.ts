import { parseArgs } from 'node:util';
import { createLog } from '#common/log.ts';
import { migrate } from '../../migrations/main.ts';
import { readTrace } from '../../local/trace.ts';
import { Stack } from '../support/stack.ts';
import { measureFreshness, type FreshnessMeasure } from './freshness.ts';
import { loadMessages, partitionCount } from './load.ts';
import { best, runPart, type Measure } from './part.ts';
import { measureWorker, type WorkerMeasure } from './worker.ts';

type Figures = {
  readonly receive: Measure;
  readonly insert: Measure;
  readonly decode: Measure;
  readonly worker: WorkerMeasure;
  readonly freshness: FreshnessMeasure;
};

const decodePart = new URL('./decode.ts', import.meta.url);
const insertPart = new URL('./insert.ts', import.meta.url);
const receivePart = new URL('./receive.ts', import.meta.url);

/** The parts of the way, then the whole, on the same messages in one run. */
async function measureAll(nodeArgs: readonly string[], seconds: number): Promise<Figures> {
  const endsAtMs = Date.now();
  const stack = await Stack.start({ partitionCount });
  try {
    const aside = { ...stack.config, database: 'bench' };
    await migrate({ database: aside, enginePrefix: '', log: createLog('bench', 'silent') });
    const messages = await loadMessages(endsAtMs);
    await stack.send(messages);
    const enginePid = stack.engine.pid;
    const decode = await runPart(decodePart, { endsAtMs }, enginePid);
    const counts = { messages: messages.length, events: decode.events };
    const receive = await best(3, async () =>
      runPart(receivePart, { connectionString: stack.hub.connectionString, ...counts }, enginePid),
    );
    const insert = await best(3, async (round) => runPart(insertPart, { config: aside, endsAtMs, round }, enginePid));
    const calls = (await readTrace()).length;
    const worker = await measureWorker(stack, { ...counts, calls }, nodeArgs);
    const freshness = await measureFreshness(stack, { messagesPerSecond: 20, seconds });
    return {
      receive: { ...receive, engineMicroseconds: 0 },
      insert,
      decode: { ...decode, engineMicroseconds: 0 },
      worker,
      freshness,
    };
  } finally {
    await stack.close();
  }
}

function line(name: string, measure: Measure): string {
  const { messages, events, seconds, clientMicroseconds, engineMicroseconds } = measure;
  const cells = [events / seconds, messages / seconds, seconds * 1_000].map((number) => number.toFixed(0));
  const times = [clientMicroseconds / events, engineMicroseconds / events].map((number) => number.toFixed(1));
  return `${name.padEnd(26)}${[...cells, ...times].map((cell) => cell.padStart(13)).join('')}`;
}

function percent(part: number, whole: number): string {
  return `${((100 * part) / whole).toFixed(0)} %`;
}

function table({ receive, insert, decode, worker, freshness }: Figures): string {
  const { stored, sealed } = worker;
  const head = ['events/s', 'messages/s', 'ms', 'µs/event', 'engine µs/ev'].map((name) => name.padStart(13)).join('');
  return [
    `${stored.messages} messages, ${stored.events} events, ${worker.inserts} inserts by the worker`,
    `${''.padEnd(26)}${head}`,
    line('(a) receive alone', receive),
    line('(b) insert alone', insert),
    line('(c) decode alone', decode),
    line('(d) worker, until stored', stored),
    line('    worker, until sealed', sealed),
    `worker : receive ${percent(receive.seconds, stored.seconds)} of its speed, ${(stored.clientMicroseconds / receive.clientMicroseconds).toFixed(2)} times its processor time`,
    `worker : insert  ${percent(insert.seconds, stored.seconds)} of its speed, ${(stored.clientMicroseconds / insert.clientMicroseconds).toFixed(2)} times its processor time`,
    `processor time of the worker against (a) + (b) + (c): ${(stored.clientMicroseconds / (receive.clientMicroseconds + insert.clientMicroseconds + decode.clientMicroseconds)).toFixed(2)}`,
    `sealed ${(worker.sealedSecondsAfter * 1_000).toFixed(0)} ms after everything was stored`,
    fresh(freshness),
  ].join('\n');
}

function fresh({ messages, seconds, p50, p99, max, ...cost }: FreshnessMeasure): string {
  const [at50, at99, most] = [p50, p99, max].map((ms) => `${ms.toFixed(0)} ms`);
  const engine = percent(cost.engineMicrosecondsPerSecond, 1e6);
  return `enqueued to visible in calls at ${(messages / seconds).toFixed(0)} messages/s: p50 ${at50}, p99 ${at99}, max ${most}; the engine at ${engine} of a processor`;
}

const { values } = parseArgs({
  options: { json: { type: 'boolean' }, profile: { type: 'string' }, seconds: { type: 'string', default: '60' } },
});
// With --profile DIR the worker leaves a CPU profile there; its figures are then not for comparison.
const nodeArgs = values.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.profile}`];
const figures = await measureAll(nodeArgs, Number(values.seconds));
process.stdout.write(`${values.json === true ? JSON.stringify(figures) : table(figures)}\n`);
process.exit(0);
