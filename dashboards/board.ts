import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import {
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  type Panel,
  RowBuilder,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { variables } from './variables.ts';

const tag = 'gatemeter';

export type Board = {
  readonly title: string;
  readonly uid: string;
  readonly description: string;
  /** How far back it looks at first, in Grafana's words. */
  readonly from: string;
  readonly sections: readonly (readonly [title: string, panels: readonly Builder<Panel>[]])[];
};

/** A dashboard with the variables that all have, and a link to the others that keeps what was chosen. */
export function board({ title, uid, description, from, sections }: Board): Dashboard {
  const others = new DashboardLinkBuilder('Gatemeter')
    .type(DashboardLinkType.Dashboards)
    .tags([tag])
    .includeVars(true)
    .keepTime(true);
  const dashboard = new DashboardBuilder(title)
    .uid(uid)
    .description(description)
    .tags([tag])
    .link(others)
    .readonly()
    .tooltip(DashboardCursorSync.Crosshair)
    .time({ from, to: 'now' })
    .refresh('1m');
  for (const variable of variables()) dashboard.withVariable(variable);
  let id = 0;
  for (const [name, panels] of sections) {
    dashboard.withRow(new RowBuilder(name).id((id += 1)));
    for (const panel of panels) dashboard.withPanel({ build: () => ({ ...panel.build(), id: (id += 1) }) });
  }
  return dashboard.build();
}
