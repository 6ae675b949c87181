import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import type { Panel } from '@grafana/grafana-foundation-sdk/dashboard';
import { alerts } from '#clickhouse/alerts.ts';
import { anomalyEpisodes, coldStartAnswers, measuredThrough, trafficCompared } from '#clickhouse/detection.ts';
import { rendered } from '#clickhouse/view.ts';
import { headed, lines, numbers, rows, target } from './panels.ts';
import { asked, byTime } from './question.ts';

const { from, to, step, tz, visible_tenants, tenant_id, deployment } = asked([], 'chosen');
const window = { from, to, visible_tenants, tenant_id };
const since = [{ id: 'unit', value: 'dateTimeFromNow' }];

/** What asks for somebody now, and how far anybody has looked. */
export function alertPanels(): Builder<Panel>[] {
  const every = { ...window, deployment, alert_id: '[]', rule: '[]', severity: '[]', status: `['firing']` };
  const firing = rendered(alerts, every, {
    columns: [
      'severity',
      'title',
      'labels',
      'fired_at',
      'observed',
      'expected',
      'unit',
      'cost_per_hour',
      'contributors',
    ],
    orderBy: [
      { column: 'severity', descending: false },
      { column: 'fired_at', descending: true },
    ],
    limit: 500,
  });
  const looked = rendered(measuredThrough, { at: `now64(3, 'UTC')` }, { columns: ['findings'] });
  return [
    numbers(
      {
        title: 'Looked through',
        description:
          'Up to when the detectors have looked at calls. What is later is unknown, which is not calm: no alert resolves by it.',
        unit: 'dateTimeFromNow',
        width: 4,
        height: 8,
        targets: [target('A', 'table', looked)],
      },
      '/^findings$/',
    ),
    rows({
      title: 'Firing alerts',
      description: 'In the window and of the chosen tenants; those of no tenant are left out where one is chosen.',
      unit: 'none',
      width: 20,
      height: 8,
      targets: [target('A', 'table', firing)],
    })
      .overrideByName('Since', since)
      .withTransformation(
        headed(
          {
            severity: 'Severity',
            title: 'Alert',
            labels: 'Of',
            fired_at: 'Since',
            observed: 'Observed',
            expected: 'Usual',
            unit: 'Unit',
            cost_per_hour: 'Cost per hour',
            contributors: 'Explained by',
          },
          [],
        ),
      ),
  ];
}

/** The traffic that alerts speak of, beside what is usual. */
export function comparedPanels(): Builder<Panel>[] {
  const args = { ...window, deployment, step, tz };
  const of = (...columns: (keyof (typeof trafficCompared)['columns'])[]): string =>
    rendered(trafficCompared, args, { columns: ['bucket', ...columns], orderBy: [byTime] });
  const third = { width: 8, height: 9 };
  return [
    lines({
      title: 'Calls and what is expected',
      description:
        'Expected from the same hour of the week, four weeks back, at the level of the last day. A point lasts one step.',
      unit: 'short',
      ...third,
      targets: [target('A', 'time_series', of('calls', 'expected_calls'))],
    }),
    lines({
      title: 'Failed and refused calls',
      description: 'Refused are those with status 429; failed is every other status from 400 on.',
      unit: 'short',
      ...third,
      targets: [target('A', 'time_series', of('failed', 'throttled'))],
    }),
    lines({
      title: 'Slowness',
      description: 'Times what a warm call of the same size takes: 1 is usual, whatever the length of the answers.',
      unit: 'short',
      ...third,
      targets: [target('A', 'time_series', of('first_token_slowness', 'generation_slowness'))],
    }),
  ];
}

/** What was found in the window, told or not, and who waited for back ends to start. */
export function foundPanels(): Builder<Panel>[] {
  const findings = rendered(
    anomalyEpisodes,
    { ...window, rule: '[]' },
    {
      columns: ['started_at', 'last_seen_at', 'rule', 'severity', 'labels', 'observed', 'expected', 'unit', 'score'],
      orderBy: [{ column: 'started_at', descending: true }],
      limit: 500,
    },
  );
  const starts = rendered(
    coldStartAnswers,
    { ...window, deployment, class: `['cold_from_zero', 'cold_scaleout']` },
    {
      columns: ['started_at', 'deployment', 'backend', 'class', 'calls_affected', 'added_seconds', 'confirmed'],
      orderBy: [{ column: 'started_at', descending: true }],
      limit: 500,
    },
  );
  const half = { unit: 'none', width: 12, height: 9 };
  return [
    rows({
      title: 'Findings',
      description: 'Everything that a detector found in traffic, whether it lasted long enough for an alert or not.',
      ...half,
      targets: [target('A', 'table', findings)],
    }),
    rows({
      title: 'Cold starts',
      description: 'Times at which callers waited for a back end to start; confirmed where its lifecycle was logged.',
      ...half,
      targets: [target('A', 'table', starts)],
    }),
  ];
}
