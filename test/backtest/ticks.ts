import { alertRulesKnown } from '#clickhouse/alerts.ts';
import type { Database } from '#clickhouse/client.ts';
import type { Alert } from '../../alerts/alert.ts';
import { detect, failing, type Instants } from '../../alerts/detect.ts';
import { evaluate } from '../../alerts/evaluate.ts';
import { instant } from '../../alerts/instant.ts';

/** A turn that an alert took, and the instant of the evaluation (ms) at which it did. */
export type Turned = {
  readonly at: number;
  readonly turn: string;
  readonly rule: string;
  readonly labels: Readonly<Record<string, string>>;
};

/**
 * Evaluates at each of the instants as the evaluator does, on their clock instead of the wall's: all detectors, the rules
 * in the versions of then, and the state machine. Nobody has said anything, and nobody is told.
 */
export async function tickThrough(db: Database, instants: readonly Instants[]): Promise<Turned[]> {
  const turned: Turned[] = [];
  let alerts: ReadonlyMap<string, Alert> = new Map();
  for (const at of instants) {
    const now = at.wall ?? at.ledger ?? 0;
    const rules = new Map((await db.read(alertRulesKnown, { at: instant(now) })).map((rule) => [rule.rule, rule]));
    const { detections, failed, complete } = await detect(db, at);
    const changed = evaluate(alerts, {
      detections: [...detections, ...failing(failed, now)],
      rules,
      at,
      now,
      acknowledged: new Map(),
      silences: [],
      routes: [],
      pages: { perDay: 1_000, told: new Map() },
      complete,
    });
    for (const { alert, turns } of changed)
      for (const turn of turns) turned.push({ at: at.ledger ?? now, turn, rule: alert.rule, labels: alert.labels });
    alerts = new Map([...alerts, ...changed.map(({ alert }) => [alert.fingerprint, alert] as const)]);
  }
  return turned;
}
