import type { IncidentKind } from './traffic.ts';

type Range = readonly [low: number, high: number];

/** The knobs of the generated traffic; with a seed they are all that it depends on. */
export type TrafficConfig = {
  readonly tenants: number;
  /** Per tenant. */
  readonly deployments: number;
  readonly trainingDays: number;
  readonly scoredDays: number;
  /** Of the training, learned hour by hour through the same SQL, because unrest is learned so; before it, hours suffice. */
  readonly learnedDays: number;
  /** Start of a UTC day, ms. */
  readonly scoredFrom: number;
  /** Calls per five minutes, drawn on a logarithmic scale. */
  readonly mean: Range;
  readonly amplitude: Range;
  /** Factor of Saturday and Sunday. */
  readonly weekend: Range;
  /** Variance over mean of five minutes. */
  readonly dispersions: readonly number[];
  /** Standard deviation of the slow drift of ln(rate), and how much of it stays after five minutes. */
  readonly noise: Range;
  readonly memory: number;
  readonly errorRate: Range;
  readonly throttledRate: Range;
  /** Share of series whose level steps up once, legitimately, and by how much. */
  readonly levelShare: number;
  readonly levelFactor: Range;
  /** Share of series that have a day at a fifth of their traffic. */
  readonly holidayShare: number;
  readonly latencyNoise: number;
  /** Standard deviation of ln(time / expected) of one call. */
  readonly callSpread: number;
  /** Every so-many-th series has incidents, the first included; the others have none. */
  readonly incidentsEvery: number;
  readonly kinds: readonly IncidentKind[];
  readonly incidentMinutes: Range;
  /** Share of calls that fail or are refused in an incident. */
  readonly incidentRate: number;
  readonly slowFactor: number;
};

/** Weeks of traffic by the minute, for everything that counts. */
export const weeks: TrafficConfig = {
  tenants: 1,
  deployments: 50,
  trainingDays: 28,
  scoredDays: 7,
  learnedDays: 7,
  scoredFrom: Date.UTC(2026, 8, 7),
  mean: [0.5, 2_000],
  amplitude: [0.2, 0.9],
  weekend: [0.2, 1],
  dispersions: [1.5, 3, 15, 40],
  noise: [0.05, 0.3],
  memory: 0.9,
  errorRate: [0.002, 0.02],
  throttledRate: [0.001, 0.01],
  levelShare: 0.2,
  levelFactor: [1.3, 1.8],
  holidayShare: 0.1,
  latencyNoise: 0.08,
  callSpread: 0.5,
  incidentsEvery: 1,
  kinds: ['spike_10', 'spike_3', 'errors', 'outage', 'throttling', 'slow', 'silence'],
  incidentMinutes: [30, 60],
  incidentRate: 0.3,
  slowFactor: 2.5,
};
