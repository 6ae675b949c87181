import { type Chance, chance } from './chance.ts';

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;

/** The knobs of generated back ends; with a seed they are all that their calls depend on. */
export type BackendConfig = {
  readonly backends: number;
  /** Share of them that never goes to zero. */
  readonly alwaysWarmShare: number;
  readonly from: number;
  readonly hours: number;
  /** Idle seconds after which an instance goes. */
  readonly keepAliveSeconds: readonly [number, number];
  /** Median seconds of a boot; its logarithm has `bootSpread`. */
  readonly bootSeconds: readonly [number, number];
  readonly bootSpread: number;
  /** Seconds between sessions, drawn per back end. */
  readonly sessionSeconds: readonly [number, number];
  /** Share of calls that take eight times as long for no reason. */
  readonly tailShare: number;
  /** Overloads and slow upstreams per back end and day. */
  readonly incidentsPerDay: number;
};

export const days: BackendConfig = {
  backends: 40,
  alwaysWarmShare: 0.4,
  from: Date.UTC(2026, 8, 14),
  hours: 72,
  keepAliveSeconds: [90, 1_800],
  bootSeconds: [4, 120],
  bootSpread: 0.5,
  sessionSeconds: [60, 3_600],
  tailShare: 0.001_5,
  incidentsPerDay: 0.5,
};

type BackendCall = {
  readonly at: number;
  readonly status: number;
  readonly input: number;
  readonly output: number;
  readonly firstMs: number;
  readonly wholeMs: number;
  readonly instance: string;
};

/** A boot that made at least one caller wait: the label of a cold start. */
type Boot = { readonly kind: 'zero' | 'out'; readonly from: number; readonly readyAt: number };

export type Backend = {
  readonly deployment: string;
  readonly alwaysWarm: boolean;
  readonly calls: readonly BackendCall[];
  readonly boots: readonly Boot[];
};

type Traits = {
  readonly alwaysWarm: boolean;
  readonly keepAlive: number;
  readonly boot: number;
  readonly refuses: boolean;
  readonly concurrency: number;
  readonly base: number;
  readonly perInput: number;
  readonly perOutput: number;
  readonly session: number;
};

type Instance = { readonly id: string; readonly readyAt: number; freeAt: number; lastEnd: number; served: boolean };

/** What disturbs a back end without any boot: more callers than it can serve, or something slow behind it. */
type Trouble = { readonly kind: 'overload' | 'upstream'; readonly from: number; readonly to: number };

/** Every back end of a seed with its calls and the boots that were felt. */
export function backendsOf(config: BackendConfig, seed: number): Backend[] {
  return Array.from({ length: config.backends }, (_, index) => {
    const draw = chance(seed * 1_000 + index);
    const traits = traitsOf(config, draw);
    return { deployment: `backend-${seed}-${index}`, alwaysWarm: traits.alwaysWarm, ...simulate(config, traits, draw) };
  });
}

function traitsOf(config: BackendConfig, draw: Chance): Traits {
  return {
    alwaysWarm: draw.uniform() < config.alwaysWarmShare,
    keepAlive: draw.logUniform(...config.keepAliveSeconds) * second,
    boot: draw.logUniform(...config.bootSeconds) * second,
    refuses: draw.uniform() < 0.2,
    concurrency: Math.round(draw.between(3, 8)),
    base: draw.between(80, 400),
    perInput: draw.between(0.1, 0.4),
    perOutput: draw.between(12, 40),
    session: draw.logUniform(...config.sessionSeconds) * second,
  };
}

function simulate(config: BackendConfig, traits: Traits, draw: Chance): Pick<Backend, 'calls' | 'boots'> {
  const ends = config.from + config.hours * hour;
  const troubles = troublesOf(config, draw);
  const calls: BackendCall[] = [];
  const boots: Boot[] = [];
  let instances: Instance[] = [];
  let born = 0;
  const bear = (readyAt: number): Instance => {
    const instance = { id: `i-${(born += 1)}`, readyAt, freeAt: readyAt, lastEnd: readyAt, served: false };
    instances.push(instance);
    return instance;
  };
  if (traits.alwaysWarm) bear(config.from).served = true;
  for (const at of arrivals(config, traits, troubles, draw)) {
    if (at >= ends) break;
    const kept = instances.filter((one) => at - one.lastEnd < traits.keepAlive);
    instances = kept.length > 0 || !traits.alwaysWarm ? kept : instances.slice(0, 1);
    const input = Math.round(Math.exp(6.9 + 0.9 * draw.normal()));
    // One in fifty is a long answer: slow as a whole, and not slow for what it is.
    const output = Math.round(Math.exp(4.8 + 0.9 * draw.normal()) * (draw.uniform() < 0.02 ? 10 : 1)) + 1;
    const trouble = troubles.find((one) => at >= one.from && at < one.to);
    const slowness = (trouble?.kind === 'upstream' ? 4 : 1) * (draw.uniform() < config.tailShare ? 8 : 1);
    const queued = trouble?.kind === 'overload' ? ((at - trouble.from) / (trouble.to - trouble.from)) * 15 * second : 0;
    const warmFirst = (traits.base + traits.perInput * input) * Math.exp(0.25 * draw.normal()) * slowness;
    const generation = traits.perOutput * output * Math.exp(0.15 * draw.normal()) * (slowness === 4 ? 4 : 1);
    if (instances.length === 0) {
      const readyAt = at + traits.boot * Math.exp(config.bootSpread * draw.normal());
      boots.push({ kind: 'zero', from: at, readyAt });
      bear(readyAt).served = true;
    }
    const warm = instances.filter((one) => one.readyAt <= at);
    if (warm.length === 0 && traits.refuses) {
      calls.push({
        at,
        status: 503,
        input,
        output: 0,
        firstMs: 0,
        wholeMs: Math.round(draw.between(5, 30)),
        instance: '',
      });
      const booting = instances[0];
      if (booting) booting.lastEnd = Math.max(booting.lastEnd, booting.readyAt);
      continue;
    }
    const chosen = chooseInstance(warm.length > 0 ? warm : instances, at);
    const held = Math.max(0, chosen.readyAt - at);
    let lazy = 0;
    if (!chosen.served) {
      // The first call of an instance that came by scaling out loads what the probe did not need.
      lazy = draw.logUniform(2, 12) * second;
      chosen.served = true;
      boots.push({ kind: 'out', from: at, readyAt: at + lazy });
    }
    const firstMs = Math.round(held + lazy + queued + warmFirst);
    const wholeMs = Math.round(firstMs + generation);
    calls.push({ at, status: 200, input, output, firstMs, wholeMs, instance: chosen.id });
    chosen.lastEnd = Math.max(chosen.lastEnd, at + wholeMs);
    chosen.freeAt = at + wholeMs;
    const busy = instances.filter((one) => one.freeAt > at).length;
    const recent = calls.slice(-40).filter((call) => call.at + call.wholeMs > at).length;
    if (
      busy > 0 &&
      instances.length < 6 &&
      recent > traits.concurrency * instances.length &&
      instances.every((i) => i.readyAt <= at)
    )
      bear(at + traits.boot * Math.exp(config.bootSpread * draw.normal()));
  }
  return { calls, boots };
}

/** An instance that has not served yet is next; else the one that has been free the longest. */
function chooseInstance(from: readonly Instance[], at: number): Instance {
  const fresh = from.find((one) => !one.served && one.readyAt <= at);
  const [first, ...rest] = from;
  if (first === undefined) throw new Error('there is an instance');
  return fresh ?? rest.reduce((least, one) => (one.freeAt < least.freeAt ? one : least), first);
}

function troublesOf(config: BackendConfig, draw: Chance): Trouble[] {
  const count = draw.poisson((config.incidentsPerDay * config.hours) / 24);
  return Array.from({ length: count }, (): Trouble => {
    const from = config.from + draw.uniform() * config.hours * hour;
    return { kind: draw.uniform() < 0.5 ? 'overload' : 'upstream', from, to: from + draw.between(5, 15) * minute };
  });
}

/** Sessions of people: some calls each, seconds apart; more by day. In an overload many sessions begin at once. */
function arrivals(config: BackendConfig, traits: Traits, troubles: readonly Trouble[], draw: Chance): number[] {
  const ends = config.from + config.hours * hour;
  const found: number[] = [];
  const session = (begin: number): void => {
    const calls = 1 + draw.poisson(draw.logUniform(2, 20));
    let at = begin;
    for (let i = 0; i < calls; i += 1) {
      found.push(Math.round(at));
      at += draw.exponential(6 * second);
    }
  };
  for (let at = config.from; at < ends;) {
    const byDay = 1 + 0.6 * Math.cos((2 * Math.PI * ((at % (24 * hour)) / hour - 14)) / 24);
    at += draw.exponential(traits.session / byDay);
    session(at);
  }
  for (const trouble of troubles) {
    if (trouble.kind === 'overload')
      for (let at = trouble.from; at < trouble.to; at += draw.exponential(Math.min(traits.session, minute) / 8))
        session(at);
    // Something slow behind a back end is felt only by those who call it.
    else for (let at = trouble.from - 2 * minute; at < trouble.to; at += draw.exponential(20 * second)) session(at);
  }
  return found.sort((a, b) => a - b);
}
