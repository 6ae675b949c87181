import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog';
import {
  BigValueColorMode,
  type DataSourceRef,
  GraphDrawStyle,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import type { DataTransformerConfig } from '@grafana/grafana-foundation-sdk/dashboard';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TableBuilder } from '@grafana/grafana-foundation-sdk/table';
import { PanelBuilder as TimeSeriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';
import { datasourceType } from './source.ts';

/** The data source that the dashboard's variable chooses. */
export const datasource: DataSourceRef = { type: datasourceType, uid: '${datasource}' };

export type Shape = {
  readonly title: string;
  readonly description: string;
  /** A unit of Grafana, by its id. */
  readonly unit: string;
  /** Of 24 columns. */
  readonly width: number;
  readonly height: number;
  readonly targets: readonly Builder<Dataquery>[];
};

/** The queries of the plugin: rows of one time, labels and numbers become series; a table stays as it is. */
const formats = { time_series: { format: 0, queryType: 'timeseries' }, table: { format: 1, queryType: 'table' } };

/** A query of grafana-clickhouse-datasource 4, which the SDK has no type for. */
export function target(refId: string, kind: keyof typeof formats, rawSql: string): Builder<Dataquery> {
  const query = { refId, datasource, editorType: 'sql', rawSql, pluginVersion: '4.20.0', ...formats[kind] };
  return { build: () => ({ ...query, _implementsDataqueryVariant: (): void => {} }) };
}

/** Series of a line each; `label` is how they are named, with Grafana's `${__field…}`. */
export function lines(shape: Shape, label: string | null = null): TimeSeriesBuilder {
  const panel = new TimeSeriesBuilder()
    .title(shape.title)
    .description(shape.description)
    .datasource(datasource)
    .unit(shape.unit)
    .span(shape.width)
    .height(shape.height)
    .min(0)
    // What `auto` divides the window by.
    .maxDataPoints(300)
    .showPoints(VisibilityMode.Auto)
    .legend(new VizLegendOptionsBuilder().displayMode(LegendDisplayMode.List).placement(LegendPlacement.Bottom))
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending))
    .targets([...shape.targets]);
  return label === null ? panel : panel.displayName(label);
}

/** Bars on top of each other, for parts that add up. */
export function stacked(shape: Shape, label: string | null = null): TimeSeriesBuilder {
  return lines(shape, label)
    .drawStyle(GraphDrawStyle.Bars)
    .fillOpacity(80)
    .lineWidth(0)
    .stacking(new StackingConfigBuilder().mode(StackingMode.Normal).group('A'));
}

/** The numbers of one row; `fields` is a pattern of the columns to show. */
export function numbers(shape: Shape, fields: string, reducer: 'lastNotNull' | 'min' = 'lastNotNull'): StatBuilder {
  return new StatBuilder()
    .title(shape.title)
    .description(shape.description)
    .datasource(datasource)
    .unit(shape.unit)
    .span(shape.width)
    .height(shape.height)
    .colorMode(BigValueColorMode.None)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs([reducer]).fields(fields).values(false))
    .targets([...shape.targets]);
}

export function rows(shape: Shape): TableBuilder {
  return new TableBuilder()
    .title(shape.title)
    .description(shape.description)
    .datasource(datasource)
    .unit(shape.unit)
    .span(shape.width)
    .height(shape.height)
    .targets([...shape.targets]);
}

/** Puts the rows of all queries side by side by a column that they share. */
export function joined(by: string): DataTransformerConfig {
  return { id: 'joinByField', options: { byField: by, mode: 'outer' } };
}

/** A new column, the quotient of two. */
export function quotient(name: string, part: string, whole: string): DataTransformerConfig {
  return {
    id: 'calculateField',
    options: {
      mode: 'binary',
      alias: name,
      replaceFields: false,
      binary: { left: named(part), operator: '/', right: named(whole) },
    },
  };
}

function named(column: string): object {
  return { matcher: { id: 'byName', options: column } };
}

/** Leaves columns out and gives the others their headings, in this order. */
export function headed(headings: Readonly<Record<string, string>>, hidden: readonly string[]): DataTransformerConfig {
  return {
    id: 'organize',
    options: {
      excludeByName: Object.fromEntries(hidden.map((name) => [name, true])),
      indexByName: Object.fromEntries(Object.keys(headings).map((name, index) => [name, index])),
      renameByName: headings,
    },
  };
}

/** The rows with one value in a column, which is left out then, as series by their other texts. */
export function seriesWhere(column: string, value: string): DataTransformerConfig[] {
  const equal = { fieldName: column, config: { id: 'equal', options: { value } } };
  return [
    { id: 'filterByValue', options: { type: 'include', match: 'all', filters: [equal] } },
    { id: 'organize', options: { excludeByName: { [column]: true }, indexByName: {}, renameByName: {} } },
    { id: 'prepareTimeSeries', options: { format: 'multi' } },
  ];
}
