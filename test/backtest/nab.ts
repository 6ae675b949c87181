/*
 * The score of the Numenta Anomaly Benchmark, written from its definition (Lavin and Ahmad, Evaluating Real-time Anomaly
 * Detection Algorithms, 2015; github.com/numenta/NAB, nab/sweeper.py): early detections in a window are worth more, late
 * ones after it cost less than ones out of nowhere, and of a window only the best detection counts.
 */

/** What a false detection costs and what a window that was not found; a window found at once is worth 1. */
export type Profile = { readonly falsePositive: number; readonly missed: number };

export const profiles = {
  standard: { falsePositive: 0.11, missed: 1 },
  'low FP': { falsePositive: 0.22, missed: 1 },
  'low FN': { falsePositive: 0.11, missed: 2 },
} as const satisfies Readonly<Record<string, Profile>>;

/** First and last row of a labelled window, both in it. */
export type Window = readonly [first: number, last: number];

/** What the detections of one file add up to; files add up. */
export type Tally = {
  /** Of windows found, the worth of the best detection, at most 1 each. */
  readonly found: number;
  /** Of detections outside, how false they are, at most 1 each. */
  readonly wrong: number;
  readonly missed: number;
  readonly windows: number;
};

/** Rows at the start of a file in which nothing is scored: a detector learns there. */
export function probation(rows: number): number {
  return Math.min(Math.floor(0.15 * rows), 750);
}

/** From 1 well before 0 to -1 after it; `y` is in widths of a window, 0 at its end. */
function worth(y: number): number {
  return y > 3 ? -1 : 2 / (1 + Math.exp(5 * y)) - 1;
}

const mostWorth = worth(-1);

/** `rows` are those at which something was detected, in any order; windows do not overlap. */
export function tallyOf(detected: readonly number[], windows: readonly Window[], from: number): Tally {
  const best = windows.map(() => 0);
  const found = windows.map(() => false);
  let wrong = 0;
  for (const row of detected.filter((one) => one >= from)) {
    const inside = windows.findIndex(([first, last]) => row >= first && row <= last);
    const [first, last] = windows[inside] ?? [0, 0];
    if (inside >= 0) {
      best[inside] = Math.max(best[inside] ?? 0, worth(-(last - row + 1) / (last - first + 1)) / mostWorth);
      found[inside] = true;
      continue;
    }
    const before = windows
      .filter(([, end]) => end < row)
      .reduce<Window | null>((a, b) => (a && a[1] > b[1] ? a : b), null);
    wrong -= before === null ? -1 : worth((row - before[1]) / (before[1] - before[0]));
  }
  const sum = best.reduce((a, b) => a + b, 0);
  return { found: sum, wrong, missed: found.filter((one) => !one).length, windows: windows.length };
}

export function added(tallies: readonly Tally[]): Tally {
  const sum = (name: keyof Tally): number => tallies.reduce((n, tally) => n + tally[name], 0);
  return { found: sum('found'), wrong: sum('wrong'), missed: sum('missed'), windows: sum('windows') };
}

/** 0 is a detector that detects nothing, 100 one that finds each window at its first row and nothing else. NaN without windows. */
export function nabScore({ found, wrong, missed, windows }: Tally, { falsePositive, missed: cost }: Profile): number {
  const nothing = -cost * windows;
  return (100 * (found - falsePositive * wrong - cost * missed - nothing)) / (windows - nothing);
}
