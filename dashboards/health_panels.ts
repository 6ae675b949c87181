import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import type { Panel } from '@grafana/grafana-foundation-sdk/dashboard';
import { rendered } from '#clickhouse/view.ts';
import { pipeline, recordCounts } from '#clickhouse/pipeline.ts';
import { errors, latency } from '#clickhouse/views.ts';
import { lines, numbers, rows, seriesWhere, stacked, target } from './panels.ts';
import { asked, byTime } from './question.ts';

/** Percentiles over time by deployment. */
export function latencyPanels(): Builder<Panel>[] {
  const sql = rendered(latency, asked(['deployment'], 'chosen'), {
    columns: ['bucket', 'deployment', 'metric', 'p50', 'p95', 'p99'],
    orderBy: [byTime],
  });
  const of = (metric: string, title: string, description: string): Builder<Panel> =>
    lines(
      { title, description, unit: 'ms', width: 8, height: 9, targets: [target('A', 'table', sql)] },
      '${__field.labels.deployment} ${__field.name}',
    ).transformations(seriesWhere('metric', metric));
  return [
    of('duration_ms', 'Duration', 'From the request to the end of the answer, as the gateway measured it.'),
    of('time_to_first_token_ms', 'Time to first token', 'Only of calls whose log states it.'),
    of('ms_per_output_token', 'Time per output token', 'Compares answers of different lengths.'),
  ];
}

/** What failed over time, and why. */
export function errorPanels(): Builder<Panel>[] {
  const rates = rendered(errors, asked([], 'chosen'), {
    columns: ['bucket', 'error_rate', 'throttled_rate'],
    orderBy: [byTime],
  });
  const kinds = rendered(errors, asked(['error_type'], 'chosen'), {
    columns: ['bucket', 'error_type', 'failed'],
    orderBy: [byTime],
  });
  const deployments = rendered(errors, asked(['deployment'], 'chosen'), {
    columns: ['bucket', 'deployment', 'throttled_rate'],
    orderBy: [byTime],
  });
  const third = { width: 8, height: 8 };
  return [
    lines({
      title: 'Error and 429 share',
      description: 'The share of calls with a status from 400 on, and of those with 429.',
      unit: 'percentunit',
      ...third,
      targets: [target('A', 'time_series', rates)],
    }),
    lines(
      {
        title: '429 share by deployment',
        description: 'Where the quota of tokens or requests is used up.',
        unit: 'percentunit',
        ...third,
        targets: [target('A', 'time_series', deployments)],
      },
      '${__field.labels.deployment}',
    ),
    stacked(
      {
        title: 'Failed calls by reason',
        description: 'The gateway’s own reason, else the status.',
        unit: 'short',
        ...third,
        targets: [target('A', 'time_series', kinds)],
      },
      '${__field.labels.error_type}',
    ),
  ];
}

/** Whether the numbers above are complete. */
export function pipelinePanels(): Builder<Panel>[] {
  const streams = rendered(pipeline, {}, { orderBy: [{ column: 'stream', descending: false }] });
  const outcomes = rendered(recordCounts, {}, { orderBy: [{ column: 'records', descending: true }] });
  const from = [{ id: 'unit', value: 'dateTimeFromNow' }];
  return [
    numbers(
      {
        title: 'Complete through',
        description:
          'Until when the numbers above hold: the least of all streams. What came later is not yet known, which is not zero.',
        unit: 'dateTimeFromNow',
        width: 4,
        height: 8,
        targets: [target('A', 'table', streams)],
      },
      '/^complete_through$/',
      'min',
    ),
    rows({
      title: 'Streams',
      description:
        'Balanced says that no message is missing and that every record became a call, a part of one, dropped or rejected.',
      unit: 'none',
      width: 12,
      height: 8,
      targets: [target('A', 'table', streams)],
    }).overrideByName('complete_through', from),
    rows({
      title: 'Records by outcome',
      description: 'What was dropped or rejected, and why; rejected records are kept.',
      unit: 'none',
      width: 8,
      height: 8,
      targets: [target('A', 'table', outcomes)],
    }).overrideByName('newest_enqueued_at', from),
  ];
}
