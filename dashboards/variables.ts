import {
  CustomVariableBuilder,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { rendered } from '#clickhouse/view.ts';
import { usage } from '#clickhouse/views.ts';
import { datasource } from './panels.ts';
import { allValue, offered } from './question.ts';
import { datasourceName, datasourceType, datasourceUid } from './source.ts';

/** What the reader chooses above the panels. */
export function variables(): (DatasourceVariableBuilder | QueryVariableBuilder | CustomVariableBuilder)[] {
  return [
    new DatasourceVariableBuilder('datasource')
      .label('Data source')
      .description('The ClickHouse of Gatemeter')
      .type(datasourceType)
      .current({ text: datasourceName, value: datasourceUid }),
    valuesOf('tenant', 'tenant_id', 'Tenant', 'Who pays; unattributed are calls that no rule gives to a tenant'),
    valuesOf('deployment', 'deployment', 'Deployment', 'The deployment of a model; empty where the log has none'),
    choice('tz', 'Time zone', 'Whose midnight begins a day', [
      'UTC',
      'Europe/London',
      'Europe/Berlin',
      'America/New_York',
      'America/Los_Angeles',
      'Asia/Kolkata',
      'Asia/Singapore',
      'Asia/Tokyo',
      'Australia/Sydney',
    ]),
    choice('step', 'Step', 'Of what length a bar or a point is; auto follows the window', [
      'auto : auto',
      '1 minute : PT1M',
      '5 minutes : PT5M',
      '1 hour : PT1H',
      '1 day : P1D',
    ]),
  ];
}

/** The values of a dimension in the window, several of them or all. */
function valuesOf(
  name: string,
  column: 'tenant_id' | 'deployment',
  label: string,
  description: string,
): QueryVariableBuilder {
  return new QueryVariableBuilder(name)
    .label(label)
    .description(description)
    .datasource(datasource)
    .query(
      rendered(usage, offered(column), { columns: [column], orderBy: [{ column, descending: false }], limit: 10_000 }),
    )
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.Disabled)
    .multi(true)
    .includeAll(true)
    .allValue(allValue)
    .current({ text: ['All'], value: ['$__all'] });
}

/** The first value, as `text : value` or as a value alone, is chosen at first. */
function choice(name: string, label: string, description: string, values: readonly string[]): CustomVariableBuilder {
  const [text = '', value = text] = (values[0] ?? '').split(' : ');
  return new CustomVariableBuilder(name)
    .label(label)
    .description(description)
    .values(values.join(', '))
    .current({ text, value });
}
