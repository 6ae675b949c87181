import type { ColdScore } from './cold.ts';
import { falseAlerts, quantile, recall, seriesKey } from './score.ts';
import type { IncidentKind } from './traffic.ts';
import type { WeeksRun } from './weeks.ts';

/** What must hold, what was measured, and whether it does: a line of the table that decides. */
type Row = { readonly what: string; readonly must: string; readonly got: string; readonly holds: boolean };

/** Below, a series has too few calls for an hour to tell. */
const busyMean = 10;
const recalls: readonly (readonly [IncidentKind, number])[] = [
  ['spike_10', 0.92],
  ['errors', 0.97],
  ['throttling', 0.96],
  ['slow', 0.82],
  ['silence', 0.6],
];

function atLeast(what: string, must: number, part: number, whole: number): Row {
  const got = part / whole;
  return { what, must: `≥ ${must}`, got: `${got.toFixed(3)} of ${whole}`, holds: got >= must };
}

function atMost(what: string, must: number, got: number, of: string): Row {
  return { what, must: `≤ ${must}`, got: `${got.toFixed(3)} ${of}`, holds: got <= must };
}

/** Of weeks of traffic: recall, time to detect, and what was told for nothing. */
export function weeksMust(days: number, tenants: number, run: Pick<WeeksRun, 'series' | 'alerts'>): Row[] {
  const busy = run.series.filter((one) => one.mean >= busyMean);
  const incidents = busy.flatMap((one) => one.incidents);
  const scores = recall(run.alerts, incidents).filter(({ kind }) => recalls.some(([name]) => name === kind));
  const rows = recalls.map(([kind, must]) => {
    const score = scores.find((one) => one.kind === kind);
    return atLeast(`recall ${kind}`, must, score?.found ?? 0, score?.incidents ?? 0);
  });
  const times = scores.flatMap((score) => score.minutesToDetect);
  const wrong = falseAlerts(
    run.alerts,
    run.series.flatMap((one) => one.incidents),
  );
  const busyKeys = new Set(busy.map(seriesKey));
  const busyWrong = wrong.filter((alert) => busyKeys.has(alert.series) || alert.series.endsWith('/'));
  const pages = wrong.filter((alert) => alert.severity === 'page').length;
  const weeks = days / 7;
  return [
    ...rows,
    atMost('minutes to detect, median', 6, quantile(times, 0.5), `of ${times.length}`),
    atMost('minutes to detect, p90', 20, quantile(times, 0.9), `of ${times.length}`),
    atMost(
      'false notifications per series-week',
      0.04,
      wrong.length / (run.series.length * weeks),
      `(${wrong.length})`,
    ),
    atMost('the same, busy series', 0.04, busyWrong.length / (busy.length * weeks), `(${busyWrong.length})`),
    atMost('false pages per tenant-week', 0.5, pages / (tenants * weeks), `(${pages})`),
  ];
}

/** Of back ends that start: what is called a cold start, and what is found of those there were. */
export function coldMust(scores: readonly ColdScore[]): Row[] {
  const of = (gateway: string, kind: 'fromZero' | 'scaleOut', precision: number, found: number): Row[] => {
    const rows = scores.filter((score) => score.gateway === gateway).map((score) => score[kind]);
    const sum = (name: 'right' | 'told' | 'found' | 'all'): number => rows.reduce((n, row) => n + row[name], 0);
    const what = `${kind === 'fromZero' ? 'cold start from zero' : 'cold start at scale-out'}, ${gateway}`;
    return [
      atLeast(`${what}: precision`, precision, sum('right'), sum('told')),
      atLeast(`${what}: recall`, found, sum('found'), sum('all')),
    ];
  };
  const worst = Math.max(...scores.map((score) => score.falsePerWarmWeek));
  return [
    ...of('first-token-and-instance', 'fromZero', 0.95, 0.85),
    ...of('total-and-instance', 'fromZero', 0.93, 0.8),
    ...of('first-token-and-instance', 'scaleOut', 0.9, 0.85),
    atMost('false cold episodes per always-warm week', 1.5, worst, 'at worst'),
  ];
}

/** As lines of Markdown. */
export function mustTable(rows: readonly Row[]): string[] {
  const lines = rows.map(
    ({ what, must, got, holds }) => `| ${what} | ${must} | ${got} | ${holds ? 'holds' : 'FAILS'} |`,
  );
  return ['| what (synthetic) | must | got | |', '| --- | --- | --- | --- |', ...lines];
}
