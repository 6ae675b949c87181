import { expect } from 'vitest';
import { z } from 'zod';
import type { Database } from '#clickhouse/client.ts';
import { views } from '#clickhouse/views.ts';
import { files } from '../../dashboards/provisioning.ts';
import { expand, type Chosen } from './expand.ts';

const target = z.object({
  refId: z.string(),
  rawSql: z.string(),
  format: z.union([z.literal(0), z.literal(1)]),
  editorType: z.literal('sql'),
  queryType: z.enum(['timeseries', 'table']),
  datasource: z.object({ type: z.string(), uid: z.string() }),
});
const panel = z.object({
  id: z.number().int(),
  type: z.string(),
  title: z.string().min(1),
  description: z.string().min(10).optional(),
  gridPos: z.object({ x: z.number(), y: z.number(), w: z.number().min(1), h: z.number().min(1) }),
  datasource: z.object({ type: z.string(), uid: z.string() }).optional(),
  targets: z.array(target).optional(),
  fieldConfig: z.object({ defaults: z.object({ unit: z.string().optional() }) }).optional(),
});
const variable = z.object({
  name: z.string(),
  type: z.string(),
  label: z.string(),
  description: z.string(),
  query: z.string(),
  allValue: z.string().optional(),
});
const dashboard = z.object({
  uid: z.string(),
  title: z.string(),
  schemaVersion: z.number().min(36),
  panels: z.array(panel),
  templating: z.object({ list: z.array(variable) }),
  // None: one with a query would have to be run below.
  annotations: z.strictObject({}),
});

export type Row = Record<string, unknown>;
type Dashboard = z.infer<typeof dashboard>;
type Panel = Dashboard['panels'][number];
type Target = z.infer<typeof target>;

/** A dashboard as it is written: its text, and what Grafana would read of it. */
export type Written = {
  readonly text: string;
  readonly written: Dashboard;
  readonly questions: readonly Panel[];
  readonly targets: readonly (Target & { readonly title: string })[];
  readonly variables: Dashboard['templating']['list'];
  /** What a reader has chosen who has chosen nothing. */
  readonly all: Chosen['variables'];
};

export function read(name: string): Written {
  const text = files().get(`provisioning/dashboards/json/${name}.json`) ?? '';
  const written = dashboard.parse(JSON.parse(text));
  const questions = written.panels.filter((it) => it.type !== 'row');
  const variables = written.templating.list;
  return {
    text,
    written,
    questions,
    targets: questions.flatMap(({ title, targets = [] }) => targets.map((it) => ({ title, ...it }))),
    variables,
    all: {
      tenant: { all: variables.find((it) => it.name === 'tenant')?.allValue ?? '' },
      deployment: { all: variables.find((it) => it.name === 'deployment')?.allValue ?? '' },
      tz: 'UTC',
      step: 'auto',
    },
  };
}

/** A dictionary is how a text is stored; no reader sees it. */
const plain = (type: string): string => type.replace(/^LowCardinality\((.*)\)$/, '$1');

const types = new Map(views.map((view) => [view.name, view.columns as Readonly<Record<string, string>>]));

/** Columns and types of a query's answer; they are those that the declaration of its view says. */
export async function columnsOf(db: Database, sql: string, chosen: Chosen): Promise<[string, string][]> {
  const rows = await db.query<{ name: string; type: string }>(`DESCRIBE (${expand(sql, chosen)})`);
  const columns = types.get(/ FROM (\w+)/.exec(sql)?.[1] ?? '');
  const answered = rows.map(({ name, type }): [string, string] => [name, plain(type)]);
  expect(answered).toEqual(rows.map(({ name }) => [name, plain(columns?.[name] ?? '')]));
  return answered;
}

/** That a query runs, answers something, and that Grafana can make series of what is to be series. */
export async function expectAnswer(db: Database, { rawSql, format }: Target, chosen: Chosen): Promise<void> {
  const answered = await columnsOf(db, rawSql, chosen);
  const rows = await db.query<Row>(expand(rawSql, chosen));
  expect(rows.length).toBeGreaterThan(0);
  if (format === 1) return;
  // Long rows become series only if the first column is the time and the rows are in its order.
  expect(answered[0]?.[1]).toMatch(/^DateTime/);
  const times = rows.map((row) => String(row['bucket']));
  expect(times).toEqual(times.toSorted());
}

/** That each panel says what it shows, in which unit, and asks the data source of the variable. */
export function expectDescribed({ text, questions }: Written): void {
  const source = { type: 'grafana-clickhouse-datasource', uid: '${datasource}' };
  for (const it of questions) {
    expect(it.description, it.title).toBeDefined();
    expect(it.fieldConfig?.defaults.unit, it.title).toBeDefined();
    expect(it.datasource, it.title).toEqual(source);
    for (const query of it.targets ?? []) expect(query.datasource, it.title).toEqual(source);
  }
  // The only fixed data source is what the variable begins with.
  expect(text.match(/gatemeter-clickhouse/g)).toHaveLength(1);
}

/** That panels have ids of their own and do not overlap. */
export function expectLaidOut({ written }: Written): void {
  const ids = written.panels.map((it) => it.id);
  expect(new Set(ids).size).toBe(ids.length);
  const taken = new Set<string>();
  for (const { title, gridPos: at } of written.panels) {
    expect(at.x + at.w, title).toBeLessThanOrEqual(24);
    for (let x = at.x; x < at.x + at.w; x += 1) {
      for (let y = at.y; y < at.y + at.h; y += 1) {
        expect(taken.has(`${x},${y}`), `${title} overlaps at ${x},${y}`).toBe(false);
        taken.add(`${x},${y}`);
      }
    }
  }
}
