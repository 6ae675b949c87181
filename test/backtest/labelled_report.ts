import { chance } from './chance.ts';
import { type LabelledRun, type LabelledSeries, lowestThreshold } from './labelled.ts';
import { added, nabScore, type Profile, profiles, type Tally, tallyOf } from './nab.ts';
import type { Row } from './must.ts';
import { type Alert, quantile } from './score.ts';

const minuteMs = 60_000;
const weekMs = 7 * 24 * 60 * minuteMs;
/** Thresholds that are tried. */
const thresholds = Array.from({ length: 61 }, (_, i) => Math.round(100 * lowestThreshold + 5 * i) / 100);
/** Each divides the files into two halves. */
const splits = Array.from({ length: 20 }, (_, i) => i + 1);

/** The row of the newest value that an alert had seen when it fired: those of five minutes that ended five minutes before. */
function rowOf(one: LabelledSeries, alert: Alert): number {
  const seen = Math.floor(alert.firedAt / (5 * minuteMs)) * 5 * minuteMs - 5 * minuteMs;
  return one.times.findLastIndex((time) => time < seen);
}

/** What alerts are told by people who are woken by them: onsets, and minutes for nothing. */
export type Operation = {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  readonly alerts: number;
  readonly windows: number;
  readonly minutesToDetect: readonly number[];
  readonly falsePerSeriesWeek: number;
  /** Minutes of firing outside every window, and as a share of all that was scored. */
  readonly falseMinutes: number;
  readonly falseShare: number;
};

/** An alert is right where the value that it began with lies in a window; one that fires already when a window begins tells nothing. */
export function operationOf(series: readonly LabelledSeries[], alerts: readonly (readonly Alert[])[]): Operation {
  let [right, wrong, found, scoredMs, falseMs] = [0, 0, 0, 0, 0];
  const minutesToDetect: number[] = [];
  for (const [index, one] of series.entries()) {
    const told = (alerts[index] ?? []).filter((alert) => rowOf(one, alert) >= one.scoredFrom);
    const spans = one.windows.map(([first, last]) => [one.times[first] ?? 0, one.times[last] ?? 0] as const);
    const firsts = one.windows.map(([first, last]) =>
      told.find((alert) => rowOf(one, alert) >= first && rowOf(one, alert) <= last),
    );
    for (const [i, first] of firsts.entries())
      if (first !== undefined) minutesToDetect.push((first.firedAt - (spans[i]?.[0] ?? 0)) / minuteMs);
    found += firsts.filter((first) => first !== undefined).length;
    for (const alert of told) {
      const row = rowOf(one, alert);
      if (one.windows.some(([first, last]) => row >= first && row <= last)) right += 1;
      else wrong += 1;
      const inside = spans.reduce(
        (ms, [from, to]) => ms + Math.max(0, Math.min(to, alert.endedAt) - Math.max(from, alert.firedAt)),
        0,
      );
      falseMs += alert.endedAt - alert.firedAt - inside;
    }
    scoredMs += (one.times.at(-1) ?? 0) - (one.times[one.scoredFrom] ?? 0);
  }
  const windows = series.reduce((n, one) => n + one.windows.length, 0);
  const [precision, recall] = [right / (right + wrong), found / windows];
  return {
    precision,
    recall,
    f1: (2 * precision * recall) / (precision + recall),
    alerts: right + wrong,
    windows,
    minutesToDetect,
    falsePerSeriesWeek: wrong / (scoredMs / weekMs),
    falseMinutes: falseMs / minuteMs,
    falseShare: falseMs / scoredMs,
  };
}

type Tried = { readonly threshold: number; readonly tallies: readonly Tally[] };

/** The tally of every file at every threshold that is tried. */
function tried(run: LabelledRun): Tried[] {
  return thresholds.map((threshold) => {
    const alerts = run.alertsAt(threshold);
    const tallies = run.series.map((one, index) =>
      tallyOf(
        (alerts[index] ?? []).map((alert) => rowOf(one, alert)),
        one.windows,
        one.scoredFrom,
      ),
    );
    return { threshold, tallies };
  });
}

/** The threshold under which some files score best, and their score. */
function best(
  all: readonly Tried[],
  files: ReadonlySet<number>,
  profile: Profile,
): { readonly tried: Tried; readonly score: number } {
  const scores = all.map((one) => nabScore(added(one.tallies.filter((_, file) => files.has(file))), profile));
  const most = scores.reduce((index, score, i) => (score > (scores[index] ?? 0) ? i : index), 0);
  const chosen = all[most];
  if (chosen === undefined) throw new Error('a threshold was tried');
  return { tried: chosen, score: scores[most] ?? Number.NaN };
}

/** Tunes the threshold on half of the files and scores the other half, both ways; both halves add up to one score. */
function heldOut(all: readonly Tried[], profile: Profile, seed: number): number {
  const draw = chance(seed);
  const files = (all[0]?.tallies ?? [])
    .map((_, file) => ({ file, order: draw.uniform() }))
    .sort((a, b) => a.order - b.order);
  const halves = [0, 1].map((half) => new Set(files.filter((_, i) => i % 2 === half).map(({ file }) => file)));
  const scored = halves.flatMap((tuned) =>
    best(all, tuned, profile).tried.tallies.filter((_, file) => !tuned.has(file)),
  );
  return nabScore(added(scored), profile);
}

/** Scores of one profile: with the threshold tuned on all files, and on halves that were not scored. */
export type Benchmark = {
  readonly corpus: number;
  readonly threshold: number;
  readonly asSet: number;
  readonly heldOut: readonly number[];
};

export function benchmarkOf(run: LabelledRun): Record<keyof typeof profiles, Benchmark> {
  const all = tried(run);
  const files = new Set(run.series.keys());
  const alerts = run.alertsAt(run.threshold);
  const set = added(
    run.series.map((one, index) =>
      tallyOf(
        (alerts[index] ?? []).map((alert) => rowOf(one, alert)),
        one.windows,
        one.scoredFrom,
      ),
    ),
  );
  const of = (profile: Profile): Benchmark => {
    const { tried: chosen, score } = best(all, files, profile);
    const held = splits.map((seed) => heldOut(all, profile, seed));
    return { corpus: score, threshold: chosen.threshold, asSet: nabScore(set, profile), heldOut: held };
  };
  return { standard: of(profiles.standard), 'low FP': of(profiles['low FP']), 'low FN': of(profiles['low FN']) };
}

/** The figures of a run as lines of Markdown. */
export function labelledTable(run: LabelledRun): string[] {
  const of = operationOf(run.series, run.alertsAt(run.threshold));
  const { tick } = run;
  const rows: (readonly [string, string])[] = [
    [
      'series; values; windows',
      `${run.series.length}; ${run.series.reduce((n, one) => n + one.times.length, 0)}; ${of.windows}`,
    ],
    ['threshold', String(run.threshold)],
    ['alerts', String(of.alerts)],
    ['precision (onset in a window)', of.precision.toFixed(3)],
    ['recall (window with an onset)', of.recall.toFixed(3)],
    ['F1', of.f1.toFixed(3)],
    [
      'minutes from the start of a window, median / p90',
      `${quantile(of.minutesToDetect, 0.5).toFixed(0)} / ${quantile(of.minutesToDetect, 0.9).toFixed(0)}`,
    ],
    ['false alerts per series-week', of.falsePerSeriesWeek.toFixed(3)],
    ['minutes firing outside windows', `${of.falseMinutes.toFixed(0)} (${(100 * of.falseShare).toFixed(2)} %)`],
    [
      `a tick of ${tick.series} series, ms, median / p95: every fifth`,
      `${quantile(tick.fifthMs, 0.5).toFixed(0)} / ${quantile(tick.fifthMs, 0.95).toFixed(0)}`,
    ],
    ['the others', `${quantile(tick.otherMs, 0.5).toFixed(0)} / ${quantile(tick.otherMs, 0.95).toFixed(0)}`],
  ];
  return ['| what, by onsets | got |', '| --- | --- |', ...rows.map(([what, got]) => `| ${what} | ${got} |`), ''];
}

type Benchmarks = ReturnType<typeof benchmarkOf>;

/** The scores of the benchmark by profile, as lines of Markdown. */
export function benchmarkTable(benchmarks: Benchmarks): string[] {
  const lines = Object.entries(benchmarks).map(([name, one]) => {
    const cells = [one.corpus.toFixed(1), one.threshold, mean(one.heldOut).toFixed(1)];
    const range = [Math.min(...one.heldOut), Math.max(...one.heldOut), one.asSet].map((score) => score.toFixed(1));
    return `| ${name} | ${[...cells, ...range].join(' | ')} |`;
  });
  return [
    '| NAB score | tuned on all files | at | held-out halves, mean of 20 splits | least | most | as set |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...lines,
    '',
  ];
}

/** What must hold of the benchmark's own files; of any others nothing must. */
export function benchmarkMust(run: Pick<LabelledRun, 'series'>, { standard }: Benchmarks): Row[] {
  const windows = run.series.reduce((n, one) => n + one.windows.length, 0);
  if (run.series.length !== 58 || windows !== 116) return [];
  return [
    atLeast('NAB standard, tuned on all files', 50, 58, standard.corpus),
    atLeast('NAB standard, held-out halves', 48, 54, mean(standard.heldOut)),
  ];
}

function atLeast(what: string, must: number, stretch: number, value: number): Row {
  return { what, limits: { must, stretch }, sense: '≥', value, got: value.toFixed(1) };
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}
