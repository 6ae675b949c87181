import type { TrafficConfig } from './config.ts';
import type { ContributorScore } from './contributors.ts';
import { mixKinds, type MixKind } from './mix.ts';
import { falseAlerts, falseMinutes, quantile, recall, seriesKey } from './score.ts';
import type { WeeksRun } from './weeks.ts';

/** Below, a series has too few calls for an hour to tell; it is reported apart. */
const busyMean = 10;

function share(part: number, whole: number): string {
  return whole === 0 ? 'none' : `${(part / whole).toFixed(3)} (${part} of ${whole})`;
}

/** The figures of a run over weeks, as lines of a Markdown table. Onsets only: what fires always has none. */
export function weeksTable(config: TrafficConfig, run: WeeksRun): string[] {
  const lines = ['| what | series ≥ 10 calls / 5 min | below |', '| --- | --- | --- |'];
  const groups = [
    run.series.filter((one) => one.mean >= busyMean),
    run.series.filter((one) => one.mean < busyMean),
  ].map((series, index) => {
    const keys = new Set(series.map(seriesKey));
    // What is told of a whole tenant or region belongs to neither; it counts against the first.
    const alerts = run.alerts.filter((alert) => keys.has(alert.series) || (index === 0 && alert.series.endsWith('/')));
    const incidents = series.flatMap((one) => one.incidents);
    return { series, alerts, incidents, scores: recall(alerts, incidents), wrong: falseAlerts(alerts, incidents) };
  });
  const cells = (of: (group: (typeof groups)[number]) => string): string => groups.map(of).join(' | ');
  const weeks = config.scoredDays / 7;
  for (const kind of config.kinds) {
    lines.push(
      `| recall ${kind} | ${cells(({ scores }) => {
        const score = scores.find((one) => one.kind === kind);
        return share(score?.found ?? 0, score?.incidents ?? 0);
      })} |`,
    );
    lines.push(
      `| minutes to detect ${kind}, median / p90 | ${cells(({ scores }) => {
        const times = scores.find((one) => one.kind === kind)?.minutesToDetect ?? [];
        return `${quantile(times, 0.5)} / ${quantile(times, 0.9)}`;
      })} |`,
    );
  }
  lines.push(
    `| minutes to detect, all, median / p90 | ${cells(({ scores }) => {
      const times = scores.flatMap((one) => one.minutesToDetect);
      return `${quantile(times, 0.5)} / ${quantile(times, 0.9)}`;
    })} |`,
    `| precision of alerts | ${cells(({ alerts, wrong }) => share(alerts.length - wrong.length, alerts.length))} |`,
    `| false alerts per series-week | ${cells(({ series, wrong }) => (wrong.length / (series.length * weeks)).toFixed(4))} |`,
    `| false firing minutes per series-week | ${cells(({ series, alerts, incidents }) => (falseMinutes(alerts, incidents) / (series.length * weeks)).toFixed(2))} |`,
  );
  const wrong = groups.flatMap((group) => group.wrong);
  const tenantWeeks = (run.series.length / config.deployments) * weeks;
  const pages = wrong.filter((alert) => alert.severity === 'page').length;
  const told = run.alerts.filter((alert) => alert.severity === 'page').length;
  lines.push(
    `| false alerts per tenant-week | ${(wrong.length / tenantWeeks).toFixed(2)} | |`,
    `| false pages per tenant-week | ${(pages / tenantWeeks).toFixed(3)} (${pages} of ${told} pages) | |`,
    `| an hour of 60 ticks, ms, median / p90 | ${quantile(run.findMs, 0.5).toFixed(0)} / ${quantile(run.findMs, 0.9).toFixed(0)} | |`,
    `| learning from an hour, ms, median / p90 | ${quantile(run.learnMs, 0.5).toFixed(0)} / ${quantile(run.learnMs, 0.9).toFixed(0)} | |`,
  );
  return lines;
}

function instant(ms: number): string {
  return new Date(ms).toISOString().slice(0, 16);
}

/** Each false alert with what was found and what went on in its series, as lines; for whoever improves a detector. */
export function falseList(run: WeeksRun): string[] {
  const bySeries = new Map(run.series.map((one) => [seriesKey(one), one]));
  return falseAlerts(
    run.alerts,
    run.series.flatMap((one) => one.incidents),
  ).map((alert) => {
    const one = bySeries.get(alert.series);
    const near = one?.incidents.findLast((incident) => incident.from <= alert.firedAt);
    const { score, observed, expected, evidence } = alert.found;
    return [
      alert.rule,
      alert.severity,
      alert.series,
      instant(alert.firedAt),
      `for ${(alert.endedAt - alert.firedAt) / 60_000} min`,
      `score ${score.toFixed(1)}, ${observed.toFixed(1)} of ${expected.toFixed(1)}, window ${(JSON.parse(evidence) as Record<string, string>)['window_minutes']}`,
      `mean ${one?.mean.toFixed(1)}, dispersion ${one?.dispersion}, noise ${one?.noise.toFixed(2)}, error rate ${one?.errorRate.toFixed(4)}, throttled ${one?.throttledRate.toFixed(4)}`,
      near === undefined ? 'no incident before' : `${near.kind} ${instant(near.from)} to ${instant(near.to)}`,
      one?.level ? `level ${one.level.factor.toFixed(2)} from ${instant(one.level.from)}` : '',
      one?.holiday ? `holiday ${instant(one.holiday)}` : '',
    ].join(' | ');
  });
}

/** What the contributors were asked of, by kind and by door; `first / among three / nothing said`. */
export function contributorsTable(scores: readonly ContributorScore[]): string[] {
  const sizes = ['everybody', 'one value', 'two values'];
  const cell = (kind: MixKind, size: number, door: string): string => {
    const own = scores.filter((one) => one.kind === kind && one.size === size && one.door === door);
    const sum = (name: 'incidents' | 'first' | 'amongThree' | 'nothing'): number =>
      own.reduce((n, one) => n + one[name], 0);
    return `${sum('first')} / ${sum('amongThree')} / ${sum('nothing')} of ${sum('incidents')}`;
  };
  const lines = mixKinds.flatMap((kind) =>
    sizes.map((name, size) => `| ${kind}, ${name} | ${cell(kind, size, 'alert')} | ${cell(kind, size, 'anomalies')} |`),
  );
  return [
    '| first / among three / nothing | when an alert fires | GET /v1/anomalies |',
    '| --- | --- | --- |',
    ...lines,
  ];
}
