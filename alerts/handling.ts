import { acknowledged, alertRoutesKnown, recentChanges, silencesKnown } from '#clickhouse/alerts.ts';
import type { Database } from '#clickhouse/client.ts';
import type { Alert } from './alert.ts';
import { type Delivery, matchersOf, type Route, type Silence } from './config.ts';
import { type Changed, type Rule, ruleOf } from './evaluate.ts';
import { instant } from './instant.ts';
import { type Change, compose, type Places } from './message.ts';
import { keyOf, type Notice } from './outbox.ts';

/** What people have said, over the API and in the file. */
type Handling = {
  /** By alert id. */
  readonly acknowledged: ReadonlyMap<string, { readonly author: string; readonly at: number }>;
  readonly silences: readonly Silence[];
  readonly routes: readonly Route[];
};

const hourMs = 3_600_000;
const acknowledgedMs = 30 * 24 * hourMs;
const changesMax = 5;

export async function readHandling(db: Database, delivery: Delivery, now: number): Promise<Handling> {
  const byPosition = (['position', 'route_id'] as const).map((column) => ({ column, descending: false }));
  const [acks, silences, routes] = await Promise.all([
    db.read(acknowledged, { since: instant(now - acknowledgedMs) }),
    db.read(silencesKnown, { expired: false }),
    db.read(alertRoutesKnown, {}, { orderBy: byPosition }),
  ]);
  const written = silences
    .filter((row) => !row.withdrawn)
    .map((row) => ({
      id: row.silence_id,
      matchers: matchersOf(row.matchers),
      from: Date.parse(row.starts_at),
      to: Date.parse(row.ends_at),
    }));
  const made = routes.map((row) => ({
    matchers: matchersOf(row.matchers),
    receivers: row.receivers,
    goesOn: row.goes_on,
  }));
  return {
    acknowledged: new Map(acks.map((row) => [row.alert_id, { author: row.author, at: Date.parse(row.written_at) }])),
    silences: [...delivery.silences, ...written],
    routes: [...made, ...delivery.routes],
  };
}

/** The notifications of one change, one per receiver. */
export async function noticesOf(
  { db, places }: { readonly db: Database; readonly places: Places },
  alert: Alert,
  told: Changed['told'],
  rules: ReadonlyMap<string, Rule>,
): Promise<Notice[]> {
  const notices: Notice[] = [];
  for (const { action, receivers } of told) {
    const changes = action === 'trigger' ? await changesBefore(db, alert) : [];
    for (const receiver of receivers) {
      const key = keyOf(alert.id, action, receiver);
      const message = compose(alert, action, key, ruleOf(rules, alert.rule), changes, places);
      notices.push({ key, alertId: alert.id, fingerprint: alert.fingerprint, action, receiver, message });
    }
  }
  return notices;
}

/** In the day before it began. */
async function changesBefore(db: Database, alert: Alert): Promise<Change[]> {
  const at = alert.found.startedAt ?? alert.state.activeAt ?? 0;
  const args = {
    from: instant(at - 24 * hourMs),
    to: instant(at + hourMs),
    tenant_id: alert.labels['tenant_id'] ?? '',
    deployment: alert.labels['deployment'] ?? '',
  };
  return db.read(recentChanges, args, { orderBy: [{ column: 'at', descending: true }], limit: changesMax });
}
