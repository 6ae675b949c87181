import { fork } from 'node:child_process';
import { processorMicroseconds } from '../support/stack-process.ts';

/** What one part of the way costs. Processor times in microseconds. */
export type Measure = {
  readonly messages: number;
  readonly events: number;
  readonly seconds: number;
  readonly clientMicroseconds: number;
  /** Of the engine meanwhile; 0 where it has nothing to do. */
  readonly engineMicroseconds: number;
};

/** Reports a part's figures to the program that started it. */
export function report(measure: Measure): void {
  process.send?.(measure);
}

/** Times what is done, with the processor time of this process. */
export async function timed(
  counts: { readonly messages: number; readonly events: number },
  act: () => Promise<void> | void,
): Promise<Measure> {
  const before = process.cpuUsage();
  const began = performance.now();
  await act();
  const seconds = (performance.now() - began) / 1_000;
  const { user, system } = process.cpuUsage(before);
  return { ...counts, seconds, clientMicroseconds: user + system, engineMicroseconds: 0 };
}

/** Runs a part in a process of its own; its input comes as JSON in the first argument. */
export async function runPart(part: URL, input: unknown, enginePid: number): Promise<Measure> {
  const before = processorMicroseconds(enginePid);
  const child = fork(part, [JSON.stringify(input)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const { promise, resolve, reject } = Promise.withResolvers<Measure>();
  let measure: Measure | null = null;
  child.once('message', (message) => (measure = message as Measure));
  child.once('exit', (code) =>
    measure === null ? reject(new Error(`${part.pathname} ended with ${code}`)) : resolve(measure),
  );
  const own = await promise;
  return { ...own, engineMicroseconds: processorMicroseconds(enginePid) - before };
}

/** The quickest of several rounds: the one that others on the machine disturbed least. */
export async function best(rounds: number, run: (round: number) => Promise<Measure>): Promise<Measure> {
  let least: Measure | null = null;
  for (let round = 0; round < rounds; round += 1) {
    const measure = await run(round);
    if (least === null || measure.clientMicroseconds < least.clientMicroseconds) least = measure;
  }
  if (least === null) throw new Error('at least one round');
  return least;
}
