import type { Database } from '#clickhouse/client.ts';
import { differences } from '#clickhouse/contract.ts';
import { messageOf } from '#common/environment.ts';
import type { Readiness } from './routes/health.ts';

const believedMs = 5_000;

/** Whether the database answers and fits its declarations; asked at most every 5 s, because anyone may ask. */
export function readiness(db: Database, now: () => Date): Readiness {
  let believed: { until: number; reasons: Promise<string[]> } | null = null;
  return async () => {
    const at = now().getTime();
    if (believed === null || at >= believed.until) believed = { until: at + believedMs, reasons: reasons(db) };
    return believed.reasons;
  };
}

async function reasons(db: Database): Promise<string[]> {
  try {
    return await differences(db);
  } catch (error) {
    return [`the database does not answer: ${messageOf(error)}`];
  }
}
