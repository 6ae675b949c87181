import { deliveryFailing } from '#clickhouse/alerts.ts';
import type { Database } from '#clickhouse/client.ts';
import { prepareMetrics } from '#clickhouse/compare.ts';
import { ask, lookBack as look, prepare } from '#clickhouse/detect.ts';
import { detectors, wallDetectors } from '#clickhouse/detection.ts';
import { classify } from '#clickhouse/error.ts';
import type { Detection } from './alert.ts';
import { instant } from './instant.ts';

/** What was found, and what could not be looked for: what it watches is not known. */
export type Detected = {
  readonly detections: readonly Detection[];
  readonly failed: readonly Failed[];
  /** Whether everything up to the instant was looked at, by all who were asked. */
  readonly complete: boolean;
};

/** A detector that did not answer, with a word for the reason. */
export type Failed = { readonly detector: string; readonly reason: string; readonly clock: Clock };

type Clock = 'ledger' | 'wall';

/** At which instants to look (ms): at calls, and at the state of things. Null does not look. */
export type Instants = { readonly ledger: number | null; readonly wall: number | null };

const asked = { ledger: detectors, wall: [...wallDetectors, deliveryFailing] } as const;

/**
 * Measures up to an instant and asks all detectors of it. One that fails does not silence the others: what they find is
 * told, and what it watches is held as it is. Throws when all of them fail, because then it is the database that does
 * not answer.
 */
export async function detect(db: Database, at: Instants): Promise<Detected> {
  const measured =
    at.ledger === null ? null : await settle({ detector: 'prepare', clock: 'ledger' }, prepare(db, at.ledger));
  // A backlog, as on the first day or after an outage, is measured in several ticks; half of it would be judged wrongly.
  const behind = measured?.kind === 'answered' && !measured.value.complete;
  const ledger = behind ? null : at.ledger;
  // Metrics are told by the clock, so what is found in calls need not wait for them.
  const metrics =
    at.wall === null ? null : settle({ detector: 'prepare_metrics', clock: 'wall' }, prepareMetrics(db, at.wall));
  const ofTheClock = async (): Promise<Settled<Detection[]>[]> => {
    await metrics;
    return answersOf(db, 'wall', at.wall);
  };
  const answers = (await Promise.all([answersOf(db, 'ledger', ledger), ofTheClock()])).flat();
  const compared = await metrics;
  const failures = answers.filter((answer) => answer.kind === 'failed');
  if (failures.length > 0 && failures.length === answers.length) throw failures[0]?.error;
  for (const one of [measured, compared]) if (one?.kind === 'failed') failures.push(one);
  return {
    detections: answers.flatMap((answer) => (answer.kind === 'answered' ? answer.value : [])),
    failed: failures.map(({ detector, clock, error }) => ({ detector, clock, reason: word(error) })),
    complete: failures.length === 0 && !behind,
  };
}

/** What no alert of this tick waits for; a failure is told with the next. */
export async function lookBack(db: Database, at: number): Promise<readonly Failed[]> {
  const who = { detector: 'look_back', clock: 'ledger' } as const;
  const settled = await settle(who, look(db, at));
  return settled.kind === 'answered' ? [] : [{ ...who, reason: word(settled.error) }];
}

async function answersOf(db: Database, clock: Clock, at: number | null): Promise<Settled<Detection[]>[]> {
  if (at === null) return [];
  return Promise.all(
    asked[clock].map(async (view) => {
      const asking = clock === 'ledger' ? ask(db, view, at) : db.read(view, { at: instant(at) });
      return settle({ detector: view.name, clock }, asking as Promise<Detection[]>);
    }),
  );
}

type Who = Pick<Failed, 'detector' | 'clock'>;

type Settled<T> =
  | { readonly kind: 'answered'; readonly value: T }
  | (Who & { readonly kind: 'failed'; readonly error: unknown });

async function settle<T>(who: Who, asking: Promise<T>): Promise<Settled<T>> {
  try {
    return { kind: 'answered', value: await asking };
  } catch (error) {
    return { kind: 'failed', ...who, error };
  }
}

/** Never the text of the database, which repeats the statement. */
function word(error: unknown): string {
  const failure = classify(error);
  return failure.kind === 'permanent'
    ? `code ${failure.code}`
    : (/^code \d+/.exec(failure.message)?.[0] ?? 'no answer');
}

/** The alerts about detectors that fail. */
export function failing(failed: readonly Failed[], at: number): Detection[] {
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
