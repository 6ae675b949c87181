import { expect, test } from 'vitest';
import { type Alert, type Detection, noContext } from '../../alerts/alert.ts';
import type { Route, Silence } from '../../alerts/config.ts';
import { failing } from '../../alerts/detect.ts';
import { type Changed, evaluate, type Evaluated, type Rule } from '../../alerts/evaluate.ts';
import { compose } from '../../alerts/message.ts';
import { deliveryOf } from './stage.ts';

const minute = 60_000;
const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const hook = (name: string): unknown => ({ name, channel: 'webhook', url: 'https://example.com', secret });
const { routes } = deliveryOf({
  receivers: [hook('pager'), hook('mail')],
  routes: [
    { match: ['severity="page"'], receivers: ['pager'] },
    { match: ['severity="ticket"'], receivers: ['mail'] },
  ],
});

function rule(name: string, more: Partial<Rule> = {}): Rule {
  return {
    rule: name,
    version: 1,
    title: name,
    for_seconds: 0,
    keep_firing_for_seconds: 0,
    severity: 'page',
    clock: 'ledger',
    runbook: name,
    ...more,
  };
}

const rules = new Map(
  [
    rule('cost_spike'),
    rule('ticketed', { severity: 'ticket' }),
    rule('evaluation_failing', { clock: 'wall', for_seconds: 300 }),
  ].map((one) => [one.rule, one]),
);

function detection(tenant_id: string, more: Partial<Detection> = {}): Detection {
  return {
    rule: 'cost_spike',
    version: 1,
    labels: { tenant_id },
    state: 'firing',
    severity: 'page',
    started_at: '2026-10-01T00:00:00.000Z',
    observed: 9,
    expected: 1,
    unit: 'USD',
    score: 9,
    cost_per_hour: null,
    affected: [],
    evidence: '{}',
    confidence: 1,
    ...more,
  };
}

/** Evaluations one after another, each a minute later, of what is found in each. */
class Series {
  alerts = new Map<string, Alert>();
  #at = Date.parse('2026-10-01T00:00:00Z');
  readonly #told = new Map<string, Set<string>>();

  next(detections: readonly Detection[], more: Partial<Evaluated> = {}): Changed[] {
    this.#at += minute;
    const changed = evaluate(this.alerts, {
      detections,
      rules,
      at: { ledger: this.#at, wall: this.#at },
      now: this.#at,
      acknowledged: new Map(),
      silences: [],
      routes,
      pages: { perDay: 5, told: this.#told },
      complete: true,
      ...more,
    });
    for (const { alert, told } of changed) {
      this.alerts.set(alert.fingerprint, alert);
      const tenant = alert.labels['tenant_id'] ?? '';
      if (alert.severity === 'page' && told.some(({ action }) => action === 'trigger'))
        this.#told.set(tenant, (this.#told.get(tenant) ?? new Set<string>()).add(alert.id));
    }
    return changed;
  }

  get at(): number {
    return this.#at;
  }
}

function toldBy(changed: readonly Changed[]): string[] {
  return changed.flatMap(({ told }) =>
    told.flatMap(({ action, receivers }) => receivers.map((name) => `${action} ${name}`)),
  );
}

test('a tenant causes five pages in a day; what fires beyond them is told as a ticket for as long as it lasts, and says why', () => {
  const series = new Series();
  const many = Array.from({ length: 7 }, (_, index) =>
    detection('retail', { labels: { tenant_id: 'retail', deployment: `d${index}` } }),
  );
  const other = detection('travel');
  const ofNobody = Array.from({ length: 9 }, (_, index) => detection('', { labels: { stream: `s${index}` } }));
  const first = series.next([...many, other, ...ofNobody]);
  expect(toldBy(first).filter((one) => one === 'trigger mail')).toHaveLength(2);
  expect(toldBy(first).filter((one) => one === 'trigger pager')).toHaveLength(5 + 1 + 9);
  // It holds on, as serious as before: nobody is paged after all, by this evaluator or one that knows only what is stored.
  expect(toldBy(series.next([...many, other, ...ofNobody]))).toEqual([]);
  const demoted = [...series.alerts.values()].filter((alert) => alert.demoted);
  expect(demoted.map((alert) => alert.severity)).toEqual(['ticket', 'ticket']);
  const places = { base: 'https://g.example', grafana: null, runbook: 'https://g.example/runbook' };
  const message = compose(demoted[0] as Alert, 'trigger', 'k', rule('cost_spike'), places);
  expect(message.summary).toContain('its tenant has used up the pages of a day');
  // The next episode of it is a ticket too while the day's are used up, and what was paged is resolved where it was told.
  expect(toldBy(series.next([]))).toHaveLength(7 + 1 + 9);
  expect(toldBy(series.next([many[0] as Detection]))).toEqual(['trigger mail']);
});

test('a silenced alert costs none of the pages of its tenant', () => {
  const series = new Series();
  const silence: Silence = { id: 's', matchers: [], from: 0, to: Number.MAX_SAFE_INTEGER };
  const many = Array.from({ length: 6 }, (_, index) =>
    detection('retail', { labels: { tenant_id: 'retail', deployment: `d${index}` } }),
  );
  expect(toldBy(series.next(many, { silences: [silence] }))).toEqual([]);
  expect(toldBy(series.next([detection('retail')]))).toEqual(['trigger pager']);
});

test('while a detector fails, nothing is over that it might have found, and what the others find is told', () => {
  const series = new Series();
  series.next([detection('retail')]);
  expect(toldBy(series.next([detection('travel')], { complete: false }))).toEqual(['trigger pager']);
  for (let minutes = 0; minutes < 30; minutes++) expect(toldBy(series.next([], { complete: false }))).toEqual([]);
  expect([...series.alerts.values()].map((alert) => alert.state.status)).toEqual(['firing', 'firing']);
  expect(toldBy(series.next([]))).toEqual(['resolve pager', 'resolve pager']);
});

test('evaluation_failing: a detector that fails for five minutes is told of by its name, and by no text of the database', () => {
  const series = new Series();
  const failed = [{ detector: 'slo_burn', clock: 'ledger' as const, reason: 'code 241' }];
  for (let minutes = 0; minutes < 5; minutes++)
    expect(toldBy(series.next(failing(failed, series.at), { complete: false }))).toEqual([]);
  expect(toldBy(series.next(failing(failed, series.at), { complete: false }))).toEqual(['trigger pager']);
  const [alert] = [...series.alerts.values()];
  expect(alert).toMatchObject({ rule: 'evaluation_failing', labels: { detector: 'slo_burn' }, context: noContext });
  expect(alert?.found.evidence).toBe('{"last_answer":"code 241"}');
});

test('within an episode the severity rises and never falls, and no rule is more serious than its table says', () => {
  const series = new Series();
  expect(toldBy(series.next([detection('retail', { severity: 'ticket' })]))).toEqual(['trigger mail']);
  expect(toldBy(series.next([detection('retail')]))).toEqual(['trigger pager']);
  expect(toldBy(series.next([detection('retail', { severity: 'info' })]))).toEqual([]);
  expect(toldBy(series.next([]))).toEqual(['resolve mail', 'resolve pager']);
  expect(toldBy(series.next([detection('travel', { rule: 'ticketed' })]))).toEqual(['trigger mail']);
  expect(toldBy(new Series().next([detection('retail', { rule: 'in_no_table' })]))).toEqual(['trigger mail']);
});

test('an acknowledged alert is told to nobody else, whatever becomes of it; a rule that is not due is left as it is', () => {
  const series = new Series();
  const [first] = series.next([detection('retail', { severity: 'ticket' })]);
  const acknowledged = new Map([[first?.alert.id ?? '', { author: 'ada', at: series.at }]]);
  expect(toldBy(series.next([detection('retail')], { acknowledged }))).toEqual(['acknowledge mail']);
  const more: Route = { matchers: [], receivers: ['pager'], goesOn: false };
  expect(toldBy(series.next([detection('retail')], { acknowledged, routes: [more] }))).toEqual([]);
  expect(toldBy(series.next([], { acknowledged, at: { ledger: null, wall: series.at } }))).toEqual([]);
  expect(toldBy(series.next([], { acknowledged }))).toEqual(['resolve mail']);
});

/** So many minutes after the series' first. */
function since(minutes: number): string {
  return new Date(Date.parse('2026-10-01T00:00:00Z') + minutes * minute).toISOString();
}

test('an incident began when it was first seen, however far its window has moved on; the next one begins anew', () => {
  const series = new Series();
  const begun = (): (number | null)[] => [...series.alerts.values()].map((alert) => alert.found.startedAt);
  // A window of five minutes, that was of an hour once it was surer.
  for (const minutes of [5, 6, 7, 3, 60, 61]) series.next([detection('retail', { started_at: since(minutes) })]);
  expect(begun()).toEqual([Date.parse(since(3))]);
  series.next([]);
  series.next([detection('retail', { started_at: since(90) })]);
  expect(begun()).toEqual([Date.parse(since(90))]);
});
