import { recentChanges } from '#clickhouse/alerts.ts';
import type { Database } from '#clickhouse/client.ts';
import type { Row } from '#clickhouse/view.ts';
import { messageOf } from '#common/error.ts';
import type { Alert, Context } from './alert.ts';
import type { Changed } from './evaluate.ts';
import { instant } from './instant.ts';
import type { Notify } from './notice.ts';

const hourMs = 3_600_000;
const changesMax = 5;
/** When very many alerts fire at once they have one cause, and telling of them must not wait for all these questions. */
const lookedUpMax = 20;

/** What fires with this evaluation, with what people will ask next looked up. Never throws: an alert is told without. */
export async function withContext(db: Database, changed: readonly Changed[], notify: Notify): Promise<Changed[]> {
  const fired = changed.filter(({ turns }) => turns.includes('firing'));
  const pages = fired.filter(({ alert }) => alert.severity === 'page');
  const wanted = new Set([...pages, ...fired].slice(0, lookedUpMax));
  const after: Changed[] = [];
  for (const one of changed) {
    const { alert } = one;
    after.push(wanted.has(one) ? { ...one, alert: { ...alert, context: await lookUp(db, alert, notify) } } : one);
  }
  return after;
}

async function lookUp(db: Database, alert: Alert, notify: Notify): Promise<Context> {
  try {
    return { contributors: statedContributors(alert.found.evidence), recentChanges: await changesBefore(db, alert) };
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

/** A detector that knows who it was says so in its evidence. */
function statedContributors(evidence: string): Record<string, number> {
  const { contributors } = JSON.parse(evidence === '' ? '{}' : evidence) as { contributors?: unknown };
  if (!Array.isArray(contributors)) return {};
  const found: [string, number][] = contributors.flatMap((one: unknown): [string, number][] => {
    if (typeof one !== 'object' || one === null) return [];
    const { what, share } = one as { what?: unknown; share?: unknown };
    return typeof what === 'string' && typeof share === 'number' ? [[what, share]] : [];
  });
  return Object.fromEntries(found);
}
