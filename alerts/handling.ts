import { acknowledged, alertRoutesKnown, pagesTold, silencesKnown } from '#clickhouse/alerts.ts';
import type { Database } from '#clickhouse/client.ts';
import { detectorValues } from '#clickhouse/detection.ts';
import type { Alert } from './alert.ts';
import { type Delivery, matchersOf, type Route, type Silence } from './config.ts';
import { type Changed, type Pages, type Rule, ruleOf } from './evaluate.ts';
import { instant } from './instant.ts';
import { compose, type Places } from './message.ts';
import { keyOf, type Notice } from './outbox.ts';

/** What people have said, over the API and in the file. */
type Handling = {
  /** By alert id. */
  readonly acknowledged: ReadonlyMap<string, { readonly author: string; readonly at: number }>;
  readonly silences: readonly Silence[];
  readonly routes: readonly Route[];
  readonly pages: Pages;
};

const dayMs = 86_400_000;
const acknowledgedMs = 30 * dayMs;

export async function readHandling(db: Database, delivery: Delivery, now: number): Promise<Handling> {
  const byPosition = (['position', 'route_id'] as const).map((column) => ({ column, descending: false }));
  const [acks, silences, routes, pages, [parameters]] = await Promise.all([
    db.read(acknowledged, { since: instant(now - acknowledgedMs) }),
    db.read(silencesKnown, { expired: false }),
    db.read(alertRoutesKnown, {}, { orderBy: byPosition }),
    db.read(pagesTold, { since: instant(now - dayMs) }),
    db.read(detectorValues, { at: instant(now) }),
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
  const told = Map.groupBy(pages, (row) => row.tenant_id);
  return {
    pages: {
      perDay: parameters?.values['pages.per_day'] ?? Number.POSITIVE_INFINITY,
      told: new Map([...told].map(([tenant, rows]) => [tenant, new Set(rows.map((row) => row.alert_id))])),
    },
    acknowledged: new Map(acks.map((row) => [row.alert_id, { author: row.author, at: Date.parse(row.written_at) }])),
    silences: [...delivery.silences, ...written],
    routes: [...made, ...delivery.routes],
  };
}

/** The notifications of one change, one per receiver. */
export function noticesOf(
  places: Places,
  alert: Alert,
  told: Changed['told'],
  rules: ReadonlyMap<string, Rule>,
): Notice[] {
  const notices: Notice[] = [];
  for (const { action, receivers } of told) {
    for (const receiver of receivers) {
      const key = keyOf(alert.id, action, receiver);
      const message = compose(alert, action, key, ruleOf(rules, alert.rule), places);
      notices.push({ key, alertId: alert.id, fingerprint: alert.fingerprint, action, receiver, message });
    }
  }
  return notices;
}
