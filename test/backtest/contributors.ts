import { type Detection, newAlert } from '../../alerts/alert.ts';
import { withContext } from '../../alerts/context.ts';
import { notifier } from '../../alerts/notice.ts';
import type { Database } from '#clickhouse/client.ts';
import { argument } from '#clickhouse/detect.ts';
import { detections } from '#clickhouse/detection_tables.ts';
import { attributions } from '#clickhouse/money.ts';
import { table } from '#clickhouse/view.ts';
import { createLog } from '#common/log.ts';
import { type Dimension, dimensions, type MixedIncident, type MixKind, mixedIncident } from './mix.ts';

const minuteMs = 60_000;
const dayMs = 86_400_000;
/** So many on each day: more days are more partitions, and each question reads three of them. */
const perDay = 60;
const firstDay = Date.UTC(2026, 8, 14);

/** The columns of `calls` that say who, what for, and how it ended. */
const calls = table('calls', {
  call_id: 'String',
  call_ids: 'Array(String)',
  version: 'UInt64',
  is_deleted: 'UInt8',
  completeness: 'LowCardinality(String)',
  gateway: 'LowCardinality(String)',
  source: 'LowCardinality(String)',
  started_at: "DateTime64(3, 'UTC')",
  consumer_id: 'LowCardinality(String)',
  product_id: 'LowCardinality(String)',
  api_id: 'LowCardinality(String)',
  provider_name: 'LowCardinality(String)',
  response_model: 'LowCardinality(String)',
  deployment: 'LowCardinality(String)',
  backend: 'LowCardinality(String)',
  region: 'LowCardinality(String)',
  error_type: 'LowCardinality(String)',
  http_response_status_code: 'Nullable(UInt16)',
  usage_input_tokens: 'Nullable(UInt64)',
  usage_quality: 'LowCardinality(String)',
});

const rules: Readonly<Record<MixKind, string>> = {
  spike: 'request_spike',
  tokens: 'token_spike',
  errors: 'error_burst',
  refusals: 'throttle_burst',
  drop: 'silence',
};

/** What one door answered about one incident: its segments as texts, the best first. */
type Told = { readonly incident: MixedIncident; readonly door: string; readonly answers: readonly string[] };
export type ContributorScore = {
  readonly door: string;
  readonly kind: MixKind;
  /** Dimensions of the right answer: one, two, or none where the incident is everybody's. */
  readonly size: number;
  readonly incidents: number;
  readonly first: number;
  readonly amongThree: number;
  readonly nothing: number;
};

/** Asks `GET /v1/anomalies` of a tenant: each finding with its contributors. */
export type Anomalies = (
  tenant: string,
  from: number,
  to: number,
) => Promise<readonly { readonly contributors: readonly { readonly contributor: Record<string, string> }[] | null }[]>;

/**
 * Writes the calls of a seed's incidents with a finding of each, and asks who it was as it is asked in earnest: once as
 * an alert that fires looks it up, once as `GET /v1/anomalies` answers when all is over.
 */
export async function runContributors(
  db: Database,
  anomalies: Anomalies,
  seed: number,
  count: number,
): Promise<ContributorScore[]> {
  const incidents = Array.from({ length: count }, (_, index) =>
    mixedIncident(seed, index, firstDay + Math.floor(index / perDay) * dayMs),
  );
  for (const incident of incidents) await store(db, incident);
  return scoresOf(await asked(db, anomalies, incidents));
}

async function asked(db: Database, anomalies: Anomalies, incidents: readonly MixedIncident[]): Promise<Told[]> {
  const told: Told[] = [];
  for (const incident of incidents) {
    told.push({ incident, door: 'alert', answers: await ofAlert(db, incident) });
    const rows = await anomalies(incident.tenant_id, incident.begins - dayMs / 12, incident.lastFoundAt + 60_000);
    const answers = (rows[0]?.contributors ?? []).map(({ contributor }) => text(contributor));
    told.push({ incident, door: 'anomalies', answers });
  }
  return told;
}

function text(segment: Readonly<Record<string, string>>): string {
  return Object.entries(segment)
    .map(([name, value]) => `${name} ${value}`)
    .sort()
    .join(', ');
}

async function store(db: Database, incident: MixedIncident): Promise<void> {
  const { tenant_id, deployment, kind, foundAt, windowMinutes, lastFoundAt } = incident;
  const lines = incident.calls.map((call, i) => {
    const id = `${tenant_id}/${i}`;
    const failure = call.status >= 400 ? String(call.status) : '';
    const { consumer_id, product_id, response_model, region, backend } = call.values;
    const who = [
      argument(call.at),
      consumer_id,
      product_id,
      'chat',
      'custom',
      response_model,
      deployment,
      backend,
      region,
    ];
    const what = [failure, call.status, call.tokens, 'exact'];
    return JSON.stringify([id, [id], 1, 0, 'complete', 'generated', 'generated', ...who, ...what]);
  });
  await db.insert(calls, lines.join('\n'));
  const consumers = new Set(incident.calls.map(({ values }) => values.consumer_id));
  const payers = [...consumers].map((consumer) =>
    JSON.stringify([consumer, '', '', tenant_id, '', '', argument(0), null, 'backtest', 'backtest']),
  );
  await db.insert(attributions, payers.join('\n'));
  const labels = { tenant_id, deployment };
  const found: string[] = [];
  // Often enough to be one episode: its first finding says when it began, its last when it was last seen.
  for (let at = foundAt; at < lastFoundAt + 10 * minuteMs; at += 10 * minuteMs) {
    const seen = Math.min(at, lastFoundAt);
    const row = [argument(seen), rules[kind], 1, labels, 'firing', 'ticket', argument(seen - windowMinutes * minuteMs)];
    found.push(JSON.stringify([...row, 0, 0, 'calls', 9, null, [], '{}', 0.9]));
  }
  await db.insert(detections, found.join('\n'));
}

/** The alert that fires at the first finding. */
async function ofAlert(db: Database, incident: MixedIncident): Promise<string[]> {
  const { tenant_id, deployment, kind, foundAt, windowMinutes } = incident;
  const detection: Detection = {
    rule: rules[kind],
    version: 1,
    labels: { tenant_id, deployment },
    state: 'firing',
    severity: 'ticket',
    started_at: new Date(foundAt - windowMinutes * minuteMs).toISOString(),
    observed: 0,
    expected: 0,
    unit: 'calls',
    score: 9,
    cost_per_hour: null,
    affected: [],
    evidence: '{}',
    confidence: 0.9,
  };
  const alert = newAlert(detection, tenant_id);
  const notify = notifier(createLog('backtest', 'silent'));
  const [fired] = await withContext(db, [{ alert, kept: false, turns: ['firing'], told: [] }], foundAt, notify);
  // The parts of a segment are told in the order of the question; here in that of their names.
  return Object.keys(fired?.alert.context.contributors ?? {}).map((told) => told.split(', ').sort().join(', '));
}

function scoresOf(told: readonly Told[]): ContributorScore[] {
  const groups = Map.groupBy(told, ({ door, incident }) => `${door} ${incident.kind} ${sizeOf(incident)}`);
  return [...groups.values()].flatMap((all) => {
    const [one] = all;
    if (one === undefined) return [];
    const right = all.map(({ incident, answers }) => answers.indexOf(text(incident.segment)));
    return {
      door: one.door,
      kind: one.incident.kind,
      size: sizeOf(one.incident),
      incidents: all.length,
      first: right.filter((place) => place === 0).length,
      amongThree: right.filter((place) => place >= 0).length,
      nothing: all.filter(({ answers }) => answers.length === 0).length,
    };
  });
}

function sizeOf({ segment }: MixedIncident): number {
  return dimensions.filter((name: Dimension) => segment[name] !== undefined).length;
}
