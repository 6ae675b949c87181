import { alertPanels, comparedPanels, foundPanels } from './alert_panels.ts';
import { board } from './board.ts';
import { errorPanels, pipelinePanels } from './health_panels.ts';

/** What is wrong, against what is usual, and whether anybody can know: where the links of alerts lead. */
export function onCall(): ReturnType<typeof board> {
  return board({
    title: 'On call',
    uid: 'gatemeter-on-call',
    description:
      'Firing alerts, the traffic they speak of beside what is usual, findings, cold starts, errors, and how complete all of it is.',
    from: 'now-6h',
    sections: [
      ['Now', alertPanels()],
      ['Against what is usual', comparedPanels()],
      ['Found', foundPanels()],
      ['Errors', errorPanels()],
      ['Pipeline', pipelinePanels()],
    ],
  });
}
