import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { Database } from '#clickhouse/client.ts';
import { argument } from '#clickhouse/detect.ts';
import { detectorValues, trafficFindings } from '#clickhouse/detection.ts';
import { assert } from '#common/assert.ts';
import { type Alert, alertsOf, type Finding, quantile } from './score.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const weekMs = 168 * hourMs;
/** How long after an incident an alert may still be about it: its windows hold the incident. */
const graceMs = 15 * minuteMs;

const instants = z.tuple([z.iso.datetime({ offset: true }), z.iso.datetime({ offset: true })]);
/** What happened, by series: `tenant/deployment`, or `tenant/` for a whole tenant. */
const labelled = z.record(z.string(), z.array(instants));
export type Labels = z.infer<typeof labelled>;

/** Reads a JSON of `tenant/deployment` → [[from, to], …]; what does not fit is an error that names it. */
export async function readLabels(file: string): Promise<Labels> {
  return labelled.parse(JSON.parse(await readFile(file, 'utf8')));
}

export type LedgerRun = {
  readonly from: number;
  readonly to: number;
  readonly series: number;
  readonly tenants: number;
  readonly alerts: readonly Alert[];
  /** Milliseconds of the search of each hour, which is 60 ticks. */
  readonly hourMs: readonly number[];
};

/**
 * Goes through a ledger's own past as it was measured, minute by minute, with the parameters that held then: the same view
 * that a tick asks, and the same state machine. Reads only. Instants are milliseconds and full hours.
 */
export async function replayLedger(db: Database, from: number, to: number): Promise<LedgerRun> {
  assert(from % hourMs === 0 && to % hourMs === 0 && from < to, '--from and --to are full hours, one before the other');
  const findings: Finding[] = [];
  const took: number[] = [];
  for (let hour = from; hour < to; hour += hourMs) {
    const began = performance.now();
    const rows = await db.read(trafficFindings, { from: argument(hour + minuteMs), to: argument(hour + hourMs) });
    took.push(performance.now() - began);
    for (const { rule, labels, severity, score, observed, expected, evidence, evaluated_at } of rows) {
      const series = `${labels['tenant_id'] ?? labels['provider_name'] ?? ''}/${labels['deployment'] ?? ''}`;
      findings.push({ rule, series, at: Date.parse(evaluated_at), severity, score, observed, expected, evidence });
    }
  }
  const [known] = await db.read(detectorValues, { at: argument(to) });
  const seconds = (rule: string, what: string): number => 1_000 * (known?.values[`${rule}.${what}`] ?? 0);
  const timing = (rule: string) => ({
    forMs: seconds(rule, 'for_seconds'),
    keepMs: seconds(rule, 'keep_firing_for_seconds'),
  });
  const [counted] = await db.query<{ series: string; tenants: string }>(
    `SELECT uniqExact(tenant_id, deployment) AS series, uniqExact(tenant_id) AS tenants FROM traffic_hours
     WHERE hour >= toDateTime('${argument(from).slice(0, 19)}', 'UTC') AND hour < toDateTime('${argument(to).slice(0, 19)}', 'UTC')`,
  );
  const [series, tenants] = [Number(counted?.series), Number(counted?.tenants)];
  return { from, to, series, tenants, alerts: alertsOf(findings, timing), hourMs: took };
}

/** The figures as lines of Markdown. Onsets only; without labels nothing is known to be right, so nothing is called false. */
export function ledgerTable(run: LedgerRun, labels: Labels | null): string[] {
  const weeks = (run.to - run.from) / weekMs;
  const rules = [...Map.groupBy(run.alerts, ({ rule, severity }) => `${rule} (${severity})`)];
  const firing = run.alerts.reduce((ms, { firedAt, endedAt }) => ms + endedAt - firedAt, 0) / minuteMs;
  const lines = [
    '| the ledger itself | figure |',
    '| --- | --- |',
    `| series; tenants; weeks | ${run.series}; ${run.tenants}; ${weeks.toFixed(2)} |`,
    ...rules.map(([rule, all]) => `| alerts ${rule} | ${all.length} |`),
    `| alerts per series-week; per tenant-week | ${per(run.alerts.length, run.series * weeks)}; ${per(run.alerts.length, run.tenants * weeks)} |`,
    `| minutes firing | ${firing.toFixed(0)} |`,
    `| an hour of 60 ticks, ms, median / p90 | ${quantile(run.hourMs, 0.5).toFixed(0)} / ${quantile(run.hourMs, 0.9).toFixed(0)} |`,
  ];
  return labels === null ? lines : [...lines, ...judged(run, labels, weeks)];
}

function per(count: number, of: number): string {
  return (count / of).toFixed(4);
}

function judged(run: LedgerRun, labels: Labels, weeks: number): string[] {
  const incidents = Object.entries(labels).flatMap(([series, all]) =>
    all.map(([begin, end]) => ({ series, from: Date.parse(begin), to: Date.parse(end) })),
  );
  const tells = (alert: Alert, one: (typeof incidents)[number]): boolean =>
    alert.series === one.series && alert.firedAt >= one.from && alert.firedAt <= one.to + graceMs;
  const firsts = incidents.map((one) => run.alerts.find((alert) => tells(alert, one)));
  const times = firsts.flatMap((alert, i) =>
    alert === undefined ? [] : [(alert.firedAt - (incidents[i]?.from ?? 0)) / minuteMs],
  );
  const wrong = run.alerts.filter((alert) => !incidents.some((one) => tells(alert, one)));
  const minutes = wrong.reduce((ms, { firedAt, endedAt }) => ms + endedAt - firedAt, 0) / minuteMs;
  const right = run.alerts.length - wrong.length;
  return [
    `| precision; recall | ${per(right, run.alerts.length)} of ${run.alerts.length}; ${per(times.length, incidents.length)} of ${incidents.length} |`,
    `| minutes to detect, median / p90 | ${quantile(times, 0.5)} / ${quantile(times, 0.9)} |`,
    `| false alerts per series-week; per tenant-week | ${per(wrong.length, run.series * weeks)}; ${per(wrong.length, run.tenants * weeks)} |`,
    `| minutes firing of false alerts | ${minutes.toFixed(0)} |`,
  ];
}
