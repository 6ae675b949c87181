import type { Database } from './client.ts';
import { classify } from './error.ts';
import { tables } from './tables.ts';
import type { Table, Types, View } from './view.ts';
import { views } from './views.ts';

/**
 * Every difference between the declarations and the live database, one sentence each; empty when they agree. A program
 * that finds any must not start: its types would lie.
 */
export async function differences(db: Database): Promise<string[]> {
  const [columns, parameters] = await Promise.all([liveColumns(db), liveParameters(db)]);
  const found: string[] = [];
  for (const table of tables) found.push(...compare(table, columns.get(table.name), 'subset'));
  for (const view of views) {
    const live = parameters.get(view.name);
    if (live === undefined) {
      found.push(`view ${view.name} does not exist; run the migrations`);
      continue;
    }
    found.push(...compareNames(view, live));
    try {
      found.push(...compare(view, await describe(db, view), 'equal'));
    } catch (error) {
      // A database that is away says nothing about its views; a view that it cannot describe is a difference.
      const failure = classify(error);
      if (failure.kind === 'transient') throw error;
      found.push(`view ${view.name} cannot be described: ${failure.message}`);
    }
  }
  return found;
}

type Columns = ReadonlyMap<string, string>;

async function liveColumns(db: Database): Promise<Map<string, Columns>> {
  const rows = await db.query<{ table: string; name: string; type: string }>(
    'SELECT table, name, type FROM system.columns WHERE database = {database:String}',
    { database: db.name },
  );
  const byTable = new Map<string, Map<string, string>>();
  for (const row of rows) {
    const columns = byTable.get(row.table) ?? new Map<string, string>();
    byTable.set(row.table, columns.set(row.name, row.type));
  }
  return byTable;
}

/** View name → parameter name → type, from the view's own text, because older servers have no table of parameters. */
async function liveParameters(db: Database): Promise<Map<string, Columns>> {
  const rows = await db.query<{ name: string; create_table_query: string }>(
    "SELECT name, create_table_query FROM system.tables WHERE database = {database:String} AND engine = 'View'",
    { database: db.name },
  );
  return new Map(
    rows.map((row) => [
      row.name,
      new Map([...row.create_table_query.matchAll(/\{(\w+):([^}]+)\}/g)].map((m) => [String(m[1]), String(m[2])])),
    ]),
  );
}

/** The columns of a view called with each parameter's default value. */
async function describe(db: Database, view: View): Promise<Columns> {
  const call = Object.entries(view.parameters).map(([name, type]) => `\`${name}\` = ${placeholder(type)}`);
  const target = call.length === 0 ? view.name : `${view.name}(${call.join(', ')})`;
  const rows = await db.query<{ name: string; type: string }>(`DESCRIBE (SELECT * FROM ${target})`);
  return new Map(rows.map((row) => [row.name, row.type]));
}

function placeholder(type: string): string {
  if (type.startsWith('Array')) return '[]';
  if (type.startsWith('DateTime')) return "'2026-01-01 00:00:00.000'";
  return type === 'String' ? "'UTC'" : '0';
}

function compareNames(view: View, live: Columns): string[] {
  const declared = Object.keys(view.parameters);
  return [
    ...declared.filter((name) => !live.has(name)).map((name) => `view ${view.name} has no parameter ${name}`),
    ...declared
      .filter((name) => live.has(name) && plain(live.get(name) ?? '') !== plain(view.parameters[name] ?? ''))
      .map((name) => `view ${view.name}: parameter ${name} is ${live.get(name)}, declared ${view.parameters[name]}`),
    ...[...live.keys()]
      .filter((name) => !declared.includes(name))
      .map((name) => `view ${view.name}: parameter ${name} is not declared`),
  ];
}

function compare(declared: Table | View, live: Columns | undefined, how: 'equal' | 'subset'): string[] {
  if (live === undefined) return [`${declared.kind} ${declared.name} does not exist; run the migrations`];
  const wrong = Object.entries<string>(declared.columns satisfies Types).flatMap(([name, type]) => {
    const actual = live.get(name);
    if (actual === undefined) return [`${declared.kind} ${declared.name} has no column ${name}`];
    return plain(actual) === plain(type)
      ? []
      : [`${declared.kind} ${declared.name}: column ${name} is ${actual}, declared ${type}`];
  });
  const extra = [...live.keys()].filter((name) => !(name in declared.columns));
  if (how === 'equal')
    wrong.push(...extra.map((name) => `${declared.kind} ${declared.name}: column ${name} is not declared`));
  return wrong;
}

/** LowCardinality and Bool are storage, not meaning: an expression over them may lose the wrapper. */
function plain(type: string): string {
  return type
    .replaceAll(/LowCardinality\(([^()]*(?:\([^()]*\))?)\)/g, '$1')
    .replaceAll('\\', '')
    .replaceAll('Bool', 'UInt8');
}
