import { setTimeout as delay } from 'node:timers/promises';
import { pipeline } from '#clickhouse/pipeline.ts';
import { present } from '#common/assert.ts';
import { readTrace } from '../../local/trace.ts';
import { random, trafficMessages, type TrafficMessage } from '../../local/traffic.ts';
import { Stack } from '../support/stack.ts';
import { untilTrue } from '../support/stack-until.ts';
import { deviations, settled, totals, totalsOf } from '../support/stack-verify.ts';
import { compileShim } from './shim.ts';

export type ChaosOptions = {
  /** SIGKILLs of ingest, at random times. */
  readonly kills: number;
  /** SIGKILLs of the engine, each exactly before a part appears. */
  readonly renames: number;
  readonly seed: number;
  readonly say: (line: string) => void;
};

/** Small enough that every life of a worker ends among messages it has not stored yet. */
const messagesMax = 8;
const lifeMsMax = 2_000;

/** Sends the trace through a stack that is killed all the time. Every deviation from what was sent, or none. */
export async function runChaos(options: ChaosOptions): Promise<string[]> {
  const { kills, renames, seed, say } = options;
  say(`chaos: ${kills} kills of ingest, ${renames} kills of the engine before a rename, --seed ${seed}`);
  const began = performance.now();
  const stack = await Stack.start();
  try {
    const trace = await readTrace();
    const plan = { seed, endsAtMs: Date.now(), partitionCount: stack.partitionCount };
    const messages = trafficMessages(trace, plan);
    const next = random(seed ^ 0x5bd1e995);
    const forRenames = renames === 0 ? 0 : Math.floor((messages.length * renames) / (kills + renames));
    const split = messages.length - forRenames;
    await killIngest(stack, messages.slice(0, split), next, options);
    await killEngine(stack, messages.slice(split), next, options);
    const ingest = stack.ingest({ messagesMax });
    await settled(stack, 120_000);
    await ingest.stop();

    const expected = totalsOf(trace);
    const counted = await totals(stack.db);
    const found = await deviations(stack.db, stack.sent);
    if (JSON.stringify(counted) !== JSON.stringify(expected))
      found.push(`totals are ${JSON.stringify(counted)}, the trace has ${JSON.stringify(expected)}`);
    const burnt = (await stack.logged('burnt_token')).length;
    say(
      `${stack.sentCount} messages; burnt tokens met ${burnt}; lost races ${(await stack.logged('overtaken')).length}`,
    );
    say(`counted ${JSON.stringify(counted)} in ${((performance.now() - began) / 1_000).toFixed(1)} s`);
    for (const deviation of found) say(`DEVIATION ${deviation}`);
    say(found.length === 0 ? `exact (--seed ${seed})` : `${found.length} deviations (--seed ${seed})`);
    return found;
  } finally {
    await stack.close();
  }
}

async function waiting(stack: Stack): Promise<number> {
  const rows = new Map((await stack.db.read(pipeline, {})).map((row) => [row.stream, Number(row.watermark)]));
  return [...stack.sent].reduce((sum, [stream, bodies]) => sum + bodies.length - 1 - (rows.get(stream) ?? -1), 0);
}

/** One life of ingest per part of the messages; each is killed at a random time, also before it has started. */
async function killIngest(
  stack: Stack,
  messages: readonly TrafficMessage[],
  next: () => number,
  { kills, say }: ChaosOptions,
): Promise<void> {
  let atWork = 0;
  for (let kill = 0; kill < kills; kill += 1) {
    const from = Math.floor((messages.length * kill) / kills);
    const part = messages.slice(from, Math.floor((messages.length * (kill + 1)) / kills));
    const before = await waiting(stack);
    const ingest = stack.ingest({ messagesMax });
    const sending = stack.send(part);
    // One in eight dies while it starts.
    if (next() < 0.875) await ingest.started;
    await delay(next() * lifeMsMax);
    await ingest.kill();
    await sending;
    const left = await waiting(stack);
    if (left > 0 && left < before + part.length) atWork += 1;
  }
  if (kills > 0) say(`${kills} kills of ingest, ${atWork} of them with some messages stored and others waiting`);
  else await stack.send(messages);
}

/** Each life of the engine ends before a rename that the seed chose, of any table or of `events` alone in turn. */
async function killEngine(
  stack: Stack,
  messages: readonly TrafficMessage[],
  next: () => number,
  { renames, say }: ChaosOptions,
): Promise<void> {
  if (renames === 0) return;
  const shim = compileShim(stack.directory);
  if (shim.kind === 'missing') {
    say(`SKIPPED: no kills of the engine before a rename, because ${shim.reason}`);
    await stack.send(messages);
    return;
  }
  const [events] = await stack.db.query<{ uuid: string }>(
    "SELECT toString(uuid) AS uuid FROM system.tables WHERE database = currentDatabase() AND name = 'events'",
  );
  const eventsPath = present(events, 'the table events exists').uuid;
  const ingest = stack.ingest({ messagesMax });
  await ingest.started;
  for (let kill = 0; kill < renames; kill += 1) {
    const from = Math.floor((messages.length * kill) / renames);
    const part = messages.slice(from, Math.floor((messages.length * (kill + 1)) / renames));
    const only = kill % 2 === 0 ? { GATEMETER_RENAME_PATH: eventsPath } : {};
    await stack.engine.kill();
    await stack.restartEngine({
      LD_PRELOAD: shim.file,
      GATEMETER_RENAME_KILL: String(1 + Math.floor(next() * (kill % 2 === 0 ? 4 : 12))),
      ...only,
    });
    let dead = false;
    void stack.engine.exited.then(() => (dead = true));
    await stack.send(part);
    await untilTrue('the engine dies before a rename', () => dead, 60_000);
  }
  await stack.restartEngine();
  await ingest.stop();
  say(`${renames} kills of the engine before a rename`);
}
