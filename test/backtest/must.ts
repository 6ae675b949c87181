import type { ColdScore } from './cold.ts';
import type { ContributorScore } from './contributors.ts';
import { falseAlerts, quantile, recall, seriesKey } from './score.ts';
import type { TickTimes } from './tick.ts';
import type { IncidentKind } from './traffic.ts';
import type { WeeksRun } from './weeks.ts';

/** What must hold, and what would be better still; a line without a limit is only shown. */
type Limits = { readonly must: number; readonly stretch: number | null } | null;

/** A line of the table that decides. Limits are meant as `sense` says. */
export type Row = {
  readonly what: string;
  readonly limits: Limits;
  readonly sense: '≥' | '≤';
  readonly value: number;
  readonly got: string;
};

/** Below, a series has too few calls for an hour to tell. */
const busyMean = 10;
const recalls: readonly (readonly [IncidentKind, number, number])[] = [
  ['spike_10', 0.92, 0.97],
  ['errors', 0.97, 0.99],
  ['throttling', 0.96, 0.99],
  ['slow', 0.82, 0.92],
  ['silence', 0.6, 0.75],
];

function atLeast(what: string, must: number, stretch: number, part: number, whole: number): Row {
  const value = part / whole;
  return { what, limits: { must, stretch }, sense: '≥', value, got: `${value.toFixed(3)} of ${whole}` };
}

function atMost(what: string, limits: Limits, value: number, of: string): Row {
  return { what, limits, sense: '≤', value, got: `${value.toFixed(3)} ${of}` };
}

/** Of weeks of traffic: recall, time to detect, and what was told for nothing. */
export function weeksMust(days: number, tenants: number, run: Pick<WeeksRun, 'series' | 'alerts'>): Row[] {
  const busy = run.series.filter((one) => one.mean >= busyMean);
  const incidents = busy.flatMap((one) => one.incidents);
  const all = recall(run.alerts, incidents);
  const scores = all.filter(({ kind }) => recalls.some(([name]) => name === kind));
  const rows = recalls.map(([kind, must, stretch]) => {
    const score = scores.find((one) => one.kind === kind);
    return atLeast(`recall ${kind}`, must, stretch, score?.found ?? 0, score?.incidents ?? 0);
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
  const seriesWeeks = run.series.length * weeks;
  const told = { must: 0.04, stretch: 0.02 };
  const median = { must: 6, stretch: 4 };
  const most = { must: 20, stretch: 12 };
  const paged = { must: 0.5, stretch: 0.1 };
  return [
    ...rows,
    atMost('minutes to detect, median', median, quantile(times, 0.5), `of ${times.length}`),
    atMost('minutes to detect, p90', most, quantile(times, 0.9), `of ${times.length}`),
    ...outageRows(all.find(({ kind }) => kind === 'outage')),
    atMost('false notifications per series-week', told, wrong.length / seriesWeeks, `(${wrong.length})`),
    atMost('the same, busy series', told, busyWrong.length / (busy.length * weeks), `(${busyWrong.length})`),
    atMost('false pages per tenant-week', paged, pages / (tenants * weeks), `(${pages})`),
  ];
}

/**
 * Every call fails. The limit is meant of the median, as the other one: a series of ten calls in five minutes has at
 * night perhaps one in three minutes, and what nobody called cannot be known to be away.
 */
function outageRows(score: ReturnType<typeof recall>[number] | undefined): Row[] {
  const times = score?.minutesToDetect ?? [];
  const of = `of ${times.length} found of ${score?.incidents ?? 0}`;
  return [
    atMost('minutes to detect a total outage, median', { must: 3, stretch: null }, quantile(times, 0.5), of),
    atMost('the same, p90', null, quantile(times, 0.9), of),
  ];
}

/** Of back ends that start: what is called a cold start, and what is found of those there were. */
export function coldMust(scores: readonly ColdScore[]): Row[] {
  type Pair = readonly [must: number, stretch: number];
  const of = (gateway: string, kind: 'fromZero' | 'scaleOut', precision: Pair, found: Pair): Row[] => {
    const rows = scores.filter((score) => score.gateway === gateway).map((score) => score[kind]);
    const sum = (name: 'right' | 'told' | 'found' | 'all'): number => rows.reduce((n, row) => n + row[name], 0);
    const what = `${kind === 'fromZero' ? 'cold start from zero' : 'cold start at scale-out'}, ${gateway}`;
    return [
      atLeast(`${what}: precision`, ...precision, sum('right'), sum('told')),
      atLeast(`${what}: recall`, ...found, sum('found'), sum('all')),
    ];
  };
  const worst = Math.max(...scores.map((score) => score.falsePerWarmWeek));
  return [
    ...of('first-token-and-instance', 'fromZero', [0.95, 0.98], [0.85, 0.92]),
    ...of('total-and-instance', 'fromZero', [0.93, 0.98], [0.8, 0.92]),
    ...of('first-token-and-instance', 'scaleOut', [0.9, 0.97], [0.85, 0.95]),
    atMost('false cold episodes per always-warm week', { must: 1.5, stretch: 0.5 }, worst, 'at worst'),
  ];
}

/** Of incidents that were put into a part of the calls: how often the first answer names that part. */
export function contributorsMust(scores: readonly ContributorScore[]): Row[] {
  return ['alert', 'anomalies'].flatMap((door) => {
    const own = scores.filter((score) => score.door === door);
    const sum = (name: 'incidents' | 'first' | 'amongThree' | 'nothing', isBroad: boolean): number =>
      own.filter(({ size }) => (size === 0) === isBroad).reduce((n, score) => n + score[name], 0);
    const whole = sum('incidents', false);
    const broad = sum('incidents', true);
    const named = broad - sum('nothing', true);
    const nothing = sum('nothing', false);
    return [
      atLeast(`contributors, ${door}: right answer first`, 0.8, 0.88, sum('first', false), whole),
      atLeast(`contributors, ${door}: among three`, 0.85, 0.92, sum('amongThree', false), whole),
      atMost(`contributors, ${door}: nothing said`, null, nothing / whole, `of ${whole}`),
      atMost(`contributors, ${door}: a part named where all had it`, null, named / broad, `of ${broad}`),
    ];
  });
}

function verdict({ limits, sense, value }: Row): string {
  if (limits === null) return 'shown';
  const holds = (limit: number): boolean => (sense === '≥' ? value >= limit : value <= limit);
  if (!holds(limits.must)) return 'FAILS';
  return limits.stretch !== null && holds(limits.stretch) ? 'holds, and the stretch' : 'holds';
}

/** Of the largest site: how long an alert waits for the statements of its minute. */
export function tickMust({ tick }: TickTimes): Row[] {
  const seconds = quantile(tick, 0.95) / 1_000;
  return [
    atMost('one minute tick of 50,000 series, p95, seconds', { must: 3, stretch: 1 }, seconds, `of ${tick.length}`),
  ];
}

/** As lines of Markdown; `of` says what the figures are of. */
export function mustTable(rows: readonly Row[], of: string = 'synthetic'): string[] {
  const limit = (row: Row, least: number | null | undefined): string =>
    typeof least === 'number' ? `${row.sense} ${least}` : '';
  const lines = rows.map(
    (row) =>
      `| ${row.what} | ${limit(row, row.limits?.must)} | ${limit(row, row.limits?.stretch)} | ${row.got} | ${verdict(row)} |`,
  );
  return [`| what (${of}) | must | stretch | got | |`, '| --- | --- | --- | --- | --- |', ...lines];
}
