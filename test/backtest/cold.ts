import type { Database } from '#clickhouse/client.ts';
import { argument } from '#clickhouse/detect.ts';
import { coldStartEpisodes, measuredFits, measuredGaps } from '#clickhouse/detection.ts';
import { idleGaps, latencyFits } from '#clickhouse/detection_tables.ts';
import { type Backend, type BackendConfig, backendsOf } from './backends.ts';
import { type Knowledge, storeCalls } from './store_calls.ts';

const hourMs = 3_600_000;
/** Hours from which is learned before anything is scored. */
const learnedHours = 24;

const gateways: readonly Knowledge[] = [
  { name: 'first-token-and-instance', firstToken: true, instance: true },
  { name: 'total-and-instance', firstToken: false, instance: true },
  { name: 'first-token', firstToken: true, instance: false },
];

type Episode = { readonly class: string; readonly from: number; readonly to: number };

/** What cold starts a gateway of some knowledge lets one see. */
export type ColdScore = {
  readonly gateway: string;
  readonly fromZero: { readonly right: number; readonly told: number; readonly found: number; readonly all: number };
  readonly scaleOut: { readonly right: number; readonly told: number; readonly found: number; readonly all: number };
  /** Cold episodes of back ends that never go to zero, with nothing cold in them, per back end and week. */
  readonly falsePerWarmWeek: number;
  /** Truth and class, and how often. */
  readonly confusion: ReadonlyMap<string, number>;
};

/** Writes the calls of a seed as three gateways would tell them, learns hour by hour, and compares. */
export async function runCold(db: Database, config: BackendConfig, seed: number): Promise<ColdScore[]> {
  const backends = backendsOf(config, seed);
  for (const backend of backends) for (const gateway of gateways) await storeCalls(db, backend, gateway);
  const from = config.from + learnedHours * hourMs;
  const to = config.from + config.hours * hourMs;
  const episodes = new Map<string, Episode[]>();
  for (let hour = config.from + 6 * hourMs; hour <= to; hour += hourMs) {
    if ((hour / hourMs) % 6 === 0) await db.insertFrom(latencyFits, measuredFits, { hour: argument(hour) });
    await db.insertFrom(idleGaps, measuredGaps, { hour: argument(hour - hourMs) });
    // What is judged was not learned from yet.
    if (hour < from || hour >= to || ((hour - from) / hourMs) % 6 !== 0) continue;
    const end = Math.min(to, hour + 6 * hourMs);
    for (const row of await db.read(coldStartEpisodes, { from: argument(hour), to: argument(end) })) {
      const own = episodes.get(row.deployment) ?? [];
      own.push({ class: row.class, from: Date.parse(row.started_at), to: Date.parse(row.ended_at) });
      episodes.set(row.deployment, own);
    }
  }
  return gateways.map((gateway) => scoreOf(gateway.name, backends, episodes, { from, to }));
}

/** An episode is right if a call in it waited for a boot; a boot is found if an episode of its kind begins by its end. */
function scoreOf(
  gateway: string,
  backends: readonly Backend[],
  episodes: ReadonlyMap<string, readonly Episode[]>,
  scored: { readonly from: number; readonly to: number },
): ColdScore {
  const fromZero = { right: 0, told: 0, found: 0, all: 0 };
  const scaleOut = { right: 0, told: 0, found: 0, all: 0 };
  const confusion = new Map<string, number>();
  let falseWarm = 0;
  for (const { deployment, alwaysWarm, boots } of backends) {
    const own = episodes.get(`${gateway}/${deployment}`) ?? [];
    for (const episode of own) {
      const felt = boots.filter((boot) => boot.from <= episode.to + 1_000 && boot.readyAt >= episode.from - 1_000);
      const truth = felt.some((boot) => boot.kind === 'zero') ? 'zero' : felt.length > 0 ? 'scale-out' : 'none';
      const cell = `${truth} → ${episode.class}`;
      confusion.set(cell, (confusion.get(cell) ?? 0) + 1);
      const tally = episode.class === 'cold_from_zero' ? fromZero : episode.class === 'cold_scaleout' ? scaleOut : null;
      if (tally === null) continue;
      tally.told += 1;
      if (truth !== 'none') tally.right += 1;
      else if (alwaysWarm) falseWarm += 1;
    }
    for (const boot of boots.filter((one) => one.from >= scored.from && one.from < scored.to)) {
      const tally = boot.kind === 'zero' ? fromZero : scaleOut;
      const kinds = boot.kind === 'zero' ? ['cold_from_zero'] : ['cold_scaleout', 'cold_from_zero'];
      tally.all += 1;
      if (
        own.some((one) => kinds.includes(one.class) && one.from <= boot.readyAt + 90_000 && one.to >= boot.from - 1_000)
      )
        tally.found += 1;
    }
  }
  const warmWeeks = (backends.filter((one) => one.alwaysWarm).length * (scored.to - scored.from)) / (168 * hourMs);
  return { gateway, fromZero, scaleOut, falsePerWarmWeek: falseWarm / warmWeeks, confusion };
}
