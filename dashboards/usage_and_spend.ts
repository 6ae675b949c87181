import { board } from './board.ts';
import { errorPanels, latencyPanels, pipelinePanels } from './health_panels.ts';
import { spendPanels, totals, usagePanels } from './spend_panels.ts';

/** What is used, by whom, at what list price, how fast, how well, and whether the numbers are complete. */
export function usageAndSpend(): ReturnType<typeof board> {
  return board({
    title: 'Usage, spend and latency',
    uid: 'gatemeter-usage-and-spend',
    description:
      'Calls, tokens, list cost, latency and errors of AI and ML traffic by tenant and deployment, and how complete the numbers are.',
    from: 'now-24h',
    sections: [
      ['Window', totals()],
      ['Usage', usagePanels()],
      ['Spend', spendPanels()],
      ['Latency', latencyPanels()],
      ['Errors', errorPanels()],
      ['Pipeline', pipelinePanels()],
    ],
  });
}
