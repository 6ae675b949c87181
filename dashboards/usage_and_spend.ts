import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import {
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  type Panel,
  RowBuilder,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { errorPanels, latencyPanels, pipelinePanels } from './health_panels.ts';
import { spendPanels, totals, usagePanels } from './spend_panels.ts';
import { variables } from './variables.ts';

/** What is used, by whom, at what list price, how fast, how well, and whether the numbers are complete. */
export function usageAndSpend(): Dashboard {
  const dashboard = new DashboardBuilder('Usage, spend and latency')
    .uid('gatemeter-usage-and-spend')
    .description(
      'Calls, tokens, list cost, latency and errors of AI and ML traffic by tenant and deployment, and how complete the numbers are.',
    )
    .tags(['gatemeter'])
    .readonly()
    .tooltip(DashboardCursorSync.Crosshair)
    .time({ from: 'now-24h', to: 'now' })
    .refresh('1m');
  for (const variable of variables()) dashboard.withVariable(variable);
  let id = 0;
  for (const [title, panels] of sections()) {
    dashboard.withRow(new RowBuilder(title).id((id += 1)));
    for (const panel of panels) dashboard.withPanel({ build: () => ({ ...panel.build(), id: (id += 1) }) });
  }
  return dashboard.build();
}

function sections(): [title: string, panels: Builder<Panel>[]][] {
  return [
    ['Window', totals()],
    ['Usage', usagePanels()],
    ['Spend', spendPanels()],
    ['Latency', latencyPanels()],
    ['Errors', errorPanels()],
    ['Pipeline', pipelinePanels()],
  ];
}
