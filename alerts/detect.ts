import { detectors } from '#clickhouse/alerts.ts';
import type { Database } from '#clickhouse/client.ts';
import { classify } from '#clickhouse/error.ts';
import type { Detection } from './alert.ts';
import { instant } from './instant.ts';

/** What was found, and the detectors that failed with the word for it: what they watch is not known. */
export type Detected = {
  readonly detections: readonly Detection[];
  readonly failed: readonly { readonly detector: string; readonly reason: string }[];
};

/**
 * Asks all detectors at one instant. One that fails does not silence the others: what they find is told, and what it
 * watches is held as it is. Throws when all of them fail, because then it is the database that does not answer.
 */
export async function detect(db: Database, at: Date): Promise<Detected> {
  const asked = await Promise.allSettled(
    detectors.map(async (view) => db.read(view, { at: instant(at.getTime()) }) as Promise<Detection[]>),
  );
  const reasons = asked.map((one) => (one.status === 'rejected' ? (one.reason as unknown) : null));
  if (reasons.every((reason) => reason !== null)) throw reasons[0];
  return {
    detections: asked.flatMap((one) => (one.status === 'fulfilled' ? one.value : [])),
    failed: detectors.flatMap(({ name }, index) => {
      const reason = reasons[index];
      return reason === null ? [] : [{ detector: name, reason: word(reason) }];
    }),
  };
}

/** Never the text of the database, which repeats the statement. */
function word(reason: unknown): string {
  const failure = classify(reason);
  return failure.kind === 'permanent'
    ? `code ${failure.code}`
    : (/^code \d+/.exec(failure.message)?.[0] ?? 'no answer');
}

/** The alerts about detectors that fail. */
export function failing(failed: Detected['failed'], at: number): Detection[] {
  return failed.map(({ detector, reason }) => ({
    rule: 'evaluation_failing',
    version: 1,
    labels: { detector },
    state: 'firing',
    severity: 'page',
    started_at: new Date(at).toISOString(),
    observed: 1,
    expected: 0,
    unit: 'detectors without an answer',
    score: 1,
    cost_per_hour: null,
    affected: [detector],
    evidence: JSON.stringify({ last_answer: reason }),
    confidence: 1,
  }));
}
