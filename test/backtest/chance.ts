import { random } from '../../local/traffic.ts';

/** Draws from the distributions that traffic is made of; the same seed gives the same draws on every machine. */
export type Chance = {
  /** In [0, 1). */
  readonly uniform: () => number;
  readonly between: (low: number, high: number) => number;
  readonly logUniform: (low: number, high: number) => number;
  readonly normal: () => number;
  readonly gamma: (shape: number, scale: number) => number;
  readonly poisson: (mean: number) => number;
  readonly exponential: (mean: number) => number;
  readonly pick: <T>(from: readonly T[]) => T;
};

export function chance(seed: number): Chance {
  const uniform = random(seed);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  // Marsaglia and Tsang; below shape 1 by the power of a uniform.
  const gamma = (shape: number, scale: number): number => {
    if (shape < 1) return gamma(shape + 1, scale) * (1 - uniform()) ** (1 / shape);
    const d = shape - 1 / 3;
    const c = 1 / Math.sqrt(9 * d);
    for (;;) {
      const x = normal();
      const v = (1 + c * x) ** 3;
      if (v > 0 && Math.log(1 - uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v * scale;
    }
  };
  const poisson = (mean: number): number => {
    if (mean > 40) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal()));
    const limit = Math.exp(-mean);
    let count = 0;
    for (let product = uniform(); product > limit; product *= uniform()) count += 1;
    return count;
  };
  return {
    uniform,
    normal,
    gamma,
    poisson,
    between: (low, high) => low + (high - low) * uniform(),
    logUniform: (low, high) => low * (high / low) ** uniform(),
    exponential: (mean) => -mean * Math.log(1 - uniform()),
    pick: (from) => from[Math.floor(uniform() * from.length)] as (typeof from)[number],
  };
}
