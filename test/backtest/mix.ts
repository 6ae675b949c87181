import { type Chance, chance } from './chance.ts';

const minuteMs = 60_000;
const dayMs = 86_400_000;

/** What a caller, its product, a model, a region and a back end may have to do with an incident. A caller has one product. */
export const dimensions = ['consumer_id', 'product_id', 'response_model', 'region', 'backend'] as const;
export type Dimension = (typeof dimensions)[number];

export const mixKinds = ['spike', 'tokens', 'errors', 'refusals', 'drop'] as const;
export type MixKind = (typeof mixKinds)[number];

/** Values that together name the calls that an incident is about; none where all of them are. */
type Segment = Readonly<Partial<Record<Dimension, string>>>;

type MixedCall = {
  readonly at: number;
  readonly values: Readonly<Record<Dimension, string>>;
  readonly status: number;
  readonly tokens: number;
};

/** A deployment that many call, with one incident of one segment of them, as it was found. */
export type MixedIncident = {
  readonly tenant_id: string;
  readonly deployment: string;
  readonly kind: MixKind;
  readonly segment: Segment;
  readonly begins: number;
  readonly ends: number;
  /** When it was first found, in a window of so many minutes before, and last. */
  readonly foundAt: number;
  readonly windowMinutes: number;
  readonly lastFoundAt: number;
  readonly calls: readonly MixedCall[];
};

type Weighted = { readonly value: string; readonly weight: number };
type Caller = Weighted & { readonly product: string; readonly failing: number };

type Population = {
  readonly callers: readonly Caller[];
  readonly others: Readonly<Record<'response_model' | 'region' | 'backend', readonly Weighted[]>>;
  readonly errorRate: number;
  readonly refusedRate: number;
  readonly perMinute: number;
};

type Effect = { readonly kind: MixKind; readonly segment: Segment; readonly strength: number };

/** One of a seed's incidents; the same seed and index give the same calls. `day` is the start of its day. */
export function mixedIncident(seed: number, index: number, day: number): MixedIncident {
  const draw = chance(seed * 10_000 + index);
  const tenant_id = `seed-${seed}-mixed-${index}`;
  const windowMinutes = draw.pick([5, 15, 60]);
  const begins = day + Math.floor(draw.between(4, 20) * 60) * minuteMs;
  // A window that an incident has only begun to fill is large against its mean already.
  const foundAt = begins + Math.ceil(draw.between(0.5, 1) * windowMinutes) * minuteMs;
  const ends = foundAt + Math.round(draw.between(5, 30)) * minuteMs;
  const lastFoundAt = ends + Math.floor(0.3 * windowMinutes) * minuteMs;
  const share = Math.min(1, (foundAt - begins) / (windowMinutes * minuteMs));
  // Beside every six that have one, one incident has no segment: the right answer is that it is broad.
  const size = index % 7 === 6 ? 0 : draw.uniform() < 0.4 ? 2 : 1;
  const { population, effect } = chosen(draw, tenant_id, { share, minutes: windowMinutes, size });
  const from = foundAt - windowMinutes * minuteMs;
  const calls = [0, dayMs, 7 * dayMs].flatMap((back) =>
    callsOf(draw, population, from - back, lastFoundAt - back, back === 0 ? { ...effect, begins, ends } : null),
  );
  const { kind, segment } = effect;
  return {
    tenant_id,
    deployment: 'mixed',
    kind,
    segment,
    begins,
    ends,
    foundAt,
    windowMinutes,
    lastFoundAt,
    calls,
  };
}

/** A population and an incident in it that is large enough for somebody to have been alerted. */
function chosen(
  draw: Chance,
  name: string,
  wanted: { readonly share: number; readonly minutes: number; readonly size: number },
): { readonly population: Population; readonly effect: Effect } {
  const kind = draw.pick([...mixKinds, 'spike', 'errors'] as const);
  const { share, minutes, size } = wanted;
  for (;;) {
    const population = populationOf(draw, name);
    for (let tries = 0; tries < 50; tries += 1) {
      const segment = segmentOf(draw, population, size);
      const strength = strengthOf(draw, kind);
      if (isFound(population, { kind, segment, strength }, share, minutes))
        return { population, effect: { kind, segment, strength } };
    }
  }
}

/** Spikes: calls added, in all calls of usual times. Tokens: times as many per call. Else the share of the segment's calls. */
function strengthOf(draw: Chance, kind: MixKind): number {
  if (kind === 'spike') return draw.between(1, 4);
  if (kind === 'tokens') return draw.logUniform(3, 30);
  return kind === 'drop' ? draw.between(0.8, 1) : draw.between(0.3, 1);
}

/** The limits of the detectors, on what is to be expected of the window in which it is found. */
function isFound(of: Population, effect: Effect, share: number, minutes: number): boolean {
  const { kind, segment, strength } = effect;
  const weight = weightOf(of, segment);
  const calls = of.perMinute * minutes;
  if (kind === 'spike') return strength * share >= 1;
  if (kind === 'tokens') return weight * (strength - 1) * share >= 1 && weight * calls * share >= 4;
  // What is less than usual is only missed where a good part of all calls is.
  if (kind === 'drop') return weight * strength * share >= 0.35;
  const base = kind === 'errors' ? of.errorRate : of.refusedRate;
  const rate = weight * strength * share;
  return rate * calls >= 8 && rate >= 0.05 && rate >= 4 * base;
}

function populationOf(draw: Chance, name: string): Population {
  const weighted = (what: string, count: number, spread: number): Weighted[] =>
    Array.from({ length: count }, (_, i) => ({ value: `${what}-${i}`, weight: Math.exp(spread * draw.normal()) }));
  const count = (low: number, high: number): number => Math.floor(draw.between(low, high + 1));
  const products = count(3, 8);
  const errorRate = draw.between(0.002, 0.02);
  return {
    // A caller in ten fails ten times as often as others at all times: its own mistakes.
    callers: weighted(`${name}-caller`, count(20, 60), 1.2).map((caller, i) =>
      Object.assign(caller, { product: `product-${i % products}`, failing: draw.uniform() < 0.1 ? 10 : 1 }),
    ),
    others: {
      response_model: weighted('model', count(2, 5), 1),
      region: weighted('region', count(2, 4), 1),
      backend: weighted('backend', count(2, 6), 1),
    },
    errorRate,
    refusedRate: draw.between(0.001, 0.01),
    perMinute: draw.logUniform(3, 40),
  };
}

function valuesOf(of: Population, dimension: Dimension): readonly string[] {
  if (dimension === 'consumer_id') return of.callers.map(({ value }) => value);
  if (dimension === 'product_id') return [...new Set(of.callers.map(({ product }) => product))];
  return of.others[dimension].map(({ value }) => value);
}

function areOfCaller(dimension: Dimension): boolean {
  return dimension === 'consumer_id' || dimension === 'product_id';
}

function segmentOf(draw: Chance, of: Population, size: number): Segment {
  const first = draw.pick(dimensions);
  // A caller's product says nothing that the caller does not.
  const others = dimensions.filter((one) => one !== first && !(areOfCaller(first) && areOfCaller(one)));
  const second = draw.pick(others);
  const named = [first, second].slice(0, size);
  return Object.fromEntries(named.map((dimension) => [dimension, draw.pick(valuesOf(of, dimension))]));
}

function shareOf(all: readonly Weighted[], isIn: (one: Weighted) => boolean): number {
  return all.filter(isIn).reduce((sum, one) => sum + one.weight, 0) / all.reduce((sum, one) => sum + one.weight, 0);
}

/** The share of usual calls that a segment has. */
function weightOf(of: Population, segment: Segment): number {
  const callers = shareOf(
    of.callers,
    (one) =>
      (segment.consumer_id ?? one.value) === one.value &&
      (segment.product_id ?? (one as Caller).product) === (one as Caller).product,
  );
  const others = (['response_model', 'region', 'backend'] as const).map((name) =>
    shareOf(of.others[name], (one) => (segment[name] ?? one.value) === one.value),
  );
  return others.reduce((product, share) => product * share, callers);
}

type Running = Effect & { readonly begins: number; readonly ends: number };

/** The calls of one window: each caller has its own day, the whole has its own level, and each call its own size. */
function callsOf(draw: Chance, of: Population, from: number, to: number, running: Running | null): MixedCall[] {
  const level = Math.exp(0.2 * draw.normal());
  const today = of.callers.map((caller) => Object.assign({}, caller, { weight: caller.weight * draw.gamma(4, 0.25) }));
  const total =
    today.reduce((sum, caller) => sum + caller.weight, 0) / of.callers.reduce((sum, one) => sum + one.weight, 0);
  const calls: MixedCall[] = [];
  const add = (count: number, begins: number, ends: number, only: Segment): void => {
    const callers = today.filter(
      (one) => (only.consumer_id ?? one.value) === one.value && (only.product_id ?? one.product) === one.product,
    );
    for (let i = 0; i < count; i += 1) {
      const caller = weightedPick(draw, callers) as Caller;
      const other = (name: keyof Population['others']): string =>
        only[name] ?? weightedPick(draw, of.others[name]).value;
      const values = {
        consumer_id: caller.value,
        product_id: caller.product,
        response_model: other('response_model'),
        region: other('region'),
        backend: other('backend'),
      };
      const at = Math.floor(draw.between(begins, ends));
      const call = callOf(draw, of, caller, values, at, running);
      if (call !== null) calls.push(call);
    }
  };
  const minutes = (to - from) / minuteMs;
  add(draw.poisson(of.perMinute * minutes * level * total), from, to, {});
  if (running?.kind === 'spike') {
    const until = Math.min(to, running.ends);
    const more = (running.strength * of.perMinute * (until - running.begins)) / minuteMs;
    add(draw.poisson(more), running.begins, until, running.segment);
  }
  return calls;
}

function weightedPick<T extends Weighted>(draw: Chance, from: readonly T[]): T {
  let left = draw.uniform() * from.reduce((sum, one) => sum + one.weight, 0);
  for (const one of from) {
    left -= one.weight;
    if (left < 0) return one;
  }
  return from.at(-1) as T;
}

/** One call; null where the incident keeps it away. */
function callOf(
  draw: Chance,
  of: Population,
  caller: Caller,
  values: MixedCall['values'],
  at: number,
  running: Running | null,
): MixedCall | null {
  const isIn =
    running !== null &&
    at >= running.begins &&
    at < running.ends &&
    dimensions.every((name) => (running.segment[name] ?? values[name]) === values[name]);
  const strength = isIn ? running.strength : 0;
  const kind = isIn ? running.kind : null;
  const tokens = Math.round(Math.exp(6.5 + 0.8 * draw.normal()) * (kind === 'tokens' ? strength : 1));
  const luck = draw.uniform();
  const failing = kind === 'errors' ? strength : Math.min(0.5, of.errorRate * caller.failing);
  const refusing = kind === 'refusals' ? strength : of.refusedRate;
  const status = luck < failing ? draw.pick([400, 404, 500, 500, 503]) : luck > 1 - refusing ? 429 : 200;
  if (kind === 'drop' && draw.uniform() < strength) return null;
  return { at, values, status, tokens: status === 200 ? tokens : 0 };
}
