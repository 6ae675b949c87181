import { type Chance, chance } from './chance.ts';
import type { TrafficConfig } from './config.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** `errors` and `throttling` take a share of the calls, an `outage` fails every one of them at the server. */
export type IncidentKind = 'spike_10' | 'spike_3' | 'errors' | 'outage' | 'throttling' | 'slow' | 'silence';

/** What was put into a series, and when; the label that a detector is measured against. */
export type Incident = {
  readonly kind: IncidentKind;
  readonly tenant_id: string;
  readonly deployment: string;
  readonly from: number;
  readonly to: number;
};

/** One tenant's traffic to one deployment: how much, how uneven, and what goes wrong by itself. */
export type Series = {
  readonly tenant_id: string;
  readonly deployment: string;
  readonly provider_name: string;
  /** Calls per five minutes. */
  readonly mean: number;
  readonly amplitude: number;
  readonly weekend: number;
  readonly peakHour: number;
  readonly dispersion: number;
  readonly noise: number;
  readonly errorRate: number;
  readonly throttledRate: number;
  readonly tokensPerCall: number;
  readonly level: { readonly from: number; readonly factor: number } | null;
  readonly holiday: number | null;
  readonly incidents: readonly Incident[];
};

/** One minute of a series. */
export type Minute = {
  readonly at: number;
  readonly calls: number;
  readonly failed: number;
  readonly throttled: number;
  readonly tokens: number;
  readonly timed: number;
  readonly log: number;
};

/** The series of a seed with their incidents. Incidents lie in [scoredFrom, to) only. */
export function seriesOf(config: TrafficConfig, seed: number): Series[] {
  const draw = chance(seed);
  return Array.from({ length: config.tenants * config.deployments }, (_, index) => {
    const tenant_id = `seed-${seed}-tenant-${Math.floor(index / config.deployments)}`;
    const deployment = `deployment-${index % config.deployments}`;
    const trained = config.scoredFrom - config.trainingDays * dayMs;
    return {
      tenant_id,
      deployment,
      provider_name: `provider-${seed}`,
      mean: draw.logUniform(config.mean[0], config.mean[1]),
      amplitude: draw.between(...config.amplitude),
      weekend: draw.between(...config.weekend),
      peakHour: draw.between(10, 16),
      dispersion: draw.pick(config.dispersions),
      noise: draw.between(...config.noise),
      errorRate: draw.between(...config.errorRate),
      throttledRate: draw.between(...config.throttledRate),
      tokensPerCall: draw.logUniform(200, 4_000),
      level:
        draw.uniform() < config.levelShare
          ? {
              from: draw.between(trained + 7 * dayMs, config.scoredFrom + config.scoredDays * dayMs),
              factor: draw.between(...config.levelFactor),
            }
          : null,
      holiday:
        draw.uniform() < config.holidayShare
          ? config.scoredFrom + Math.floor(draw.uniform() * config.scoredDays) * dayMs
          : null,
      incidents: index % config.incidentsEvery === 0 ? incidentsOf(config, draw, tenant_id, deployment) : [],
    };
  });
}

/** One incident of each kind per week, or per run where that is shorter, in an order of chance, in slots of their own, so that none hides another. */
function incidentsOf(config: TrafficConfig, draw: Chance, tenant_id: string, deployment: string): Incident[] {
  const weeks = Math.max(1, Math.floor(config.scoredDays / 7));
  const days = Math.min(7, config.scoredDays);
  return Array.from({ length: weeks }, (_, week) => {
    const order = config.kinds.map((kind) => ({ kind, at: draw.uniform() })).sort((a, b) => a.at - b.at);
    const slotMs = (days * dayMs) / order.length;
    return order.map(({ kind }, slot): Incident => {
      const earliest = config.scoredFrom + week * 7 * dayMs + slot * slotMs;
      const length = Math.round(draw.between(...config.incidentMinutes)) * minuteMs;
      const from = Math.floor((earliest + draw.uniform() * (slotMs - length - 2 * hourMs)) / minuteMs) * minuteMs;
      return { kind, tenant_id, deployment, from, to: from + length };
    });
  }).flat();
}

/** Every minute of a series from the first day of training, in order. The same seed gives the same minutes. */
export function* minutesOf(config: TrafficConfig, series: Series, seed: number): Generator<Minute> {
  const draw = chance(seed);
  const begins = config.scoredFrom - config.trainingDays * dayMs;
  const ends = config.scoredFrom + config.scoredDays * dayMs;
  let drift = series.noise * draw.normal();
  let slowness = 0;
  for (let five = begins; five < ends; five += 5 * minuteMs) {
    drift = config.memory * drift + Math.sqrt(1 - config.memory ** 2) * series.noise * draw.normal();
    slowness = config.memory * slowness + Math.sqrt(1 - config.memory ** 2) * config.latencyNoise * draw.normal();
    const mean = usual(series, five) * Math.exp(drift);
    // A gamma-mixed Poisson: over five minutes its variance is `dispersion` times its mean.
    const intensity = mean <= 0 ? 0 : draw.gamma(mean / (series.dispersion - 1), series.dispersion - 1);
    for (let at = five; at < five + 5 * minuteMs; at += minuteMs) {
      const incident = series.incidents.find((one) => at >= one.from && at < one.to)?.kind;
      yield minuteOf(config, series, draw, { at, intensity: intensity / 5, slowness, incident });
    }
  }
}

/** What is usual at an instant: calls per five minutes. */
function usual(series: Series, at: number): number {
  const hour = (at % dayMs) / hourMs;
  const weekday = new Date(at).getUTCDay();
  const daily = 1 + series.amplitude * Math.cos((2 * Math.PI * (hour - series.peakHour)) / 24);
  const weekly = weekday === 0 || weekday === 6 ? series.weekend : 1;
  const level = series.level !== null && at >= series.level.from ? series.level.factor : 1;
  const holiday = series.holiday !== null && at >= series.holiday && at < series.holiday + dayMs ? 0.2 : 1;
  return series.mean * daily * weekly * level * holiday;
}

function minuteOf(
  config: TrafficConfig,
  series: Series,
  draw: Chance,
  now: { at: number; intensity: number; slowness: number; incident: IncidentKind | undefined },
): Minute {
  const { at, incident } = now;
  const factor = incident === 'spike_10' ? 10 : incident === 'spike_3' ? 3 : incident === 'silence' ? 0 : 1;
  const calls = draw.poisson(now.intensity * factor);
  const throttledRate = incident === 'throttling' ? config.incidentRate : series.throttledRate;
  const errorRate = incident === 'errors' ? config.incidentRate : series.errorRate;
  const failed = incident === 'outage' ? calls : Math.min(calls, draw.poisson(calls * errorRate));
  const throttled = Math.min(calls - failed, draw.poisson(calls * throttledRate));
  const timed = calls - failed - throttled;
  const shift = now.slowness + (incident === 'slow' ? Math.log(config.slowFactor) : 0);
  return {
    at,
    calls,
    failed,
    throttled,
    timed,
    tokens: Math.round(timed * series.tokensPerCall * Math.exp((0.8 * draw.normal()) / Math.sqrt(Math.max(1, timed)))),
    log: timed === 0 ? 0 : cut(timed * shift + Math.sqrt(timed) * config.callSpread * draw.normal(), 2 * timed),
  };
}

/** As the ledger cuts it: no call counts for more than e^2 times what is expected of it. */
function cut(log: number, most: number): number {
  return Math.max(-most, Math.min(most, log));
}
