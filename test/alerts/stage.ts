import { detectionColumns } from '#clickhouse/detection_tables.ts';
import type { Database } from '#clickhouse/client.ts';
import { events } from '#clickhouse/tables.ts';
import { view } from '#clickhouse/view.ts';
import { readDelivery, type Delivery } from '../../alerts/config.ts';
import type { Detected, Instants } from '../../alerts/detect.ts';
import { Evaluator, type EvaluatorOptions } from '../../alerts/evaluator.ts';
import { instant } from '../../alerts/instant.ts';
import { notifier } from '../../alerts/notice.ts';
import { guard } from '../../alerts/outgoing.ts';
import { silent } from '../ingest/schema.ts';

/** A detector whose findings are rows of a table, so that tests say when a condition holds. */
const pretended = view('pretended', { at: "DateTime64(3, 'UTC')" }, detectionColumns);

export async function preparePretended(db: Database): Promise<void> {
  await db.command(
    `CREATE TABLE pretended_findings (rule String, labels Map(String, String), state String, severity String, observed Float64, expected Float64, cost_per_hour Nullable(Decimal(76, 24)), evidence String, holds_from DateTime64(3, 'UTC'), holds_to DateTime64(3, 'UTC')) ENGINE = MergeTree ORDER BY rule`,
  );
  await db.command(
    `CREATE VIEW pretended AS SELECT rule, toUInt32(1) AS version, labels, state, severity, holds_from AS started_at, observed, expected, 'calls' AS unit, toFloat64(9) AS score, cost_per_hour, ['app-1'] AS affected, evidence, toFloat64(0.9) AS confidence FROM pretended_findings WHERE holds_from <= {at:DateTime64(3, 'UTC')} AND {at:DateTime64(3, 'UTC')} < holds_to`,
  );
  await db.command(
    `INSERT INTO alert_rules (rule, version, title, severity, clock, runbook, valid_from, author, reason) VALUES ('at_once', 1, 'At once', 'page', 'ledger', 'at_once', '2000-01-01 00:00:00.000', 'test', 'test')`,
  );
}

async function detectPretended(db: Database, at: Instants): Promise<Detected> {
  const detections = at.ledger === null ? [] : await db.read(pretended, { at: instant(at.ledger) });
  return { detections, failed: [], complete: true };
}

export type Finding = {
  readonly rule?: string;
  readonly labels: Record<string, string>;
  readonly state?: 'firing' | 'no_data';
  readonly severity?: string;
  readonly observed?: number;
  readonly costPerHour?: string | null;
  readonly evidence?: unknown;
  readonly from: number;
  readonly to: number;
};

export async function find(db: Database, ...findings: readonly Finding[]): Promise<void> {
  for (const one of findings) {
    const labels = Object.entries(one.labels)
      .flat()
      .map((text) => `'${text}'`)
      .join(', ');
    const cost = one.costPerHour === undefined || one.costPerHour === null ? 'NULL' : `'${one.costPerHour}'`;
    await db.command(
      `INSERT INTO pretended_findings VALUES ('${one.rule ?? 'at_once'}', map(${labels}), '${one.state ?? 'firing'}', '${one.severity ?? 'page'}', ${one.observed ?? 90}, 10, ${cost}, '${JSON.stringify(one.evidence ?? {})}', '${instant(one.from)}', '${instant(one.to)}')`,
    );
  }
}

let sequence = 0;

function empty(type: string): unknown {
  if (type.startsWith('Nullable')) return null;
  if (type.startsWith('Array')) return [];
  if (type.startsWith('Map')) return {};
  return type.includes('String') ? '' : 0;
}

/** Moves the ingest watermark: a message that was enqueued then, and nothing is waiting before it. */
export async function advance(
  db: Database,
  to: number,
  more: Partial<Record<keyof (typeof events)['columns'], unknown>> = {},
): Promise<void> {
  const known: Partial<Record<keyof (typeof events)['columns'], unknown>> = {
    stream: 'test/hub/0',
    sequence_number: String(sequence),
    record_index: 0,
    prev: String(sequence - 1),
    enqueued_at: new Date(to).toISOString(),
    body_hash: '0',
    record_hash: '0',
    kind: 'dropped',
    ...more,
  };
  sequence += 1;
  const row = Object.entries(events.columns).map(([name, type]) => known[name as keyof typeof known] ?? empty(type));
  await db.insert(events, JSON.stringify(row));
}

/** The file's settings from an object; loopback may be spoken to. */
export function deliveryOf(file: Record<string, unknown>): Delivery {
  const read = readDelivery(JSON.stringify({ private_addresses: ['127.0.0.0/8'], ...file }), {});
  if (read.kind === 'problems') throw new Error(read.problems.join('\n'));
  return read.delivery;
}

export function evaluatorOf(db: Database, delivery: Delivery, more: Partial<EvaluatorOptions> = {}): Evaluator {
  return new Evaluator({
    db,
    name: 'one',
    detect: detectPretended,
    lookBack: async () => [],
    delivery,
    places: {
      base: 'https://gatemeter.example',
      grafana: 'https://grafana.example/d/usage',
      runbook: 'https://gatemeter.example/runbook',
    },
    guard: guard(delivery.private_addresses),
    notify: notifier(silent),
    ...more,
  });
}

/** A round of both loops. */
export async function round(evaluator: Evaluator): Promise<void> {
  await evaluator.round();
  await evaluator.deliver();
}
