import { recentChanges } from '#clickhouse/alerts.ts';
import type { Database } from '#clickhouse/client.ts';
import { contributors } from '#clickhouse/detection.ts';
import type { Row } from '#clickhouse/view.ts';
import { messageOf } from '#common/error.ts';
import type { Alert, Context } from './alert.ts';
import type { Changed } from './evaluate.ts';
import { instant, minuteMs } from './instant.ts';
import type { Notify } from './notice.ts';

const hourMs = 3_600_000;
const changesMax = 5;
/** When very many alerts fire at once they have one cause, and telling of them must not wait for all these questions. */
const lookedUpMax = 20;

/** What fires with this evaluation, with what people will ask next looked up. Never throws: an alert is told without. */
export async function withContext(
  db: Database,
  changed: readonly Changed[],
  at: number,
  notify: Notify,
): Promise<Changed[]> {
  const fired = changed.filter(({ turns }) => turns.includes('firing'));
  const pages = fired.filter(({ alert }) => alert.severity === 'page');
  const wanted = new Set([...pages, ...fired].slice(0, lookedUpMax));
  const after: Changed[] = [];
  for (const one of changed) {
    const { alert } = one;
    after.push(wanted.has(one) ? { ...one, alert: { ...alert, context: await lookUp(db, alert, at, notify) } } : one);
  }
  return after;
}

async function lookUp(db: Database, alert: Alert, at: number, notify: Notify): Promise<Context> {
  try {
    const [explained, recentChanges] = await Promise.all([whatExplains(db, alert, at), changesBefore(db, alert)]);
    return { contributors: explained, recentChanges };
  } catch (error) {
    notify('context_missing', { rule: alert.rule, alert_id: alert.id, reason: messageOf(error) });
    return { contributors: {}, recentChanges: [] };
  }
}

/** What was changed in the day before it began, and since. */
async function changesBefore(db: Database, alert: Alert): Promise<string[]> {
  const at = alert.found.startedAt ?? alert.state.activeAt ?? 0;
  const args = {
    from: instant(at - 24 * hourMs),
    to: instant(at + hourMs),
    tenant_id: alert.labels['tenant_id'] ?? '',
    deployment: alert.labels['deployment'] ?? '',
  };
  const newestFirst = [{ column: 'at', descending: true }] as const;
  return (await db.read(recentChanges, args, { orderBy: newestFirst, limit: changesMax })).map(sentence);
}

function sentence(change: Row<(typeof recentChanges)['columns']>): string {
  const by = change.author === '' ? '' : ` by ${change.author}`;
  const why = change.reason === '' ? '' : ` (${change.reason})`;
  return `${change.at ?? ''} ${change.kind}: ${change.what}${by}${why}`;
}

/** What is counted to find out who it was, by rule; of the others nobody in particular is the cause, or it is a label. */
const measures: Readonly<Record<string, string>> = {
  request_spike: 'calls',
  token_spike: 'tokens',
  cost_spike: 'tokens',
  error_burst: 'failed',
  throttle_burst: 'throttled',
  slo_burn: 'failed',
  silence: 'missing',
};

/** Who, or which combination, explains most of the difference to the same time of the day and the week before. */
async function whatExplains(db: Database, alert: Alert, at: number): Promise<Context['contributors']> {
  const measure = measures[alert.rule];
  const { tenant_id = '', deployment = '' } = alert.labels;
  if (measure === undefined || tenant_id === '' || deployment === '') return {};
  const begun = alert.found.startedAt ?? at;
  const from = Math.max(at - hourMs, Math.min(begun, at - 5 * minuteMs));
  const args = { from: instant(from), to: instant(at), tenant_id, deployment, measure };
  // In the order of the view, which names who had an error before it names the error.
  const rows = await db.read(contributors, args);
  return Object.fromEntries(
    rows.map(({ contributor, share }): [string, number] => [
      Object.entries(contributor)
        .map(([name, value]) => `${name} ${value}`)
        .join(', '),
      share,
    ]),
  );
}
