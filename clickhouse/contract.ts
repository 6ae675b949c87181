import { createHash } from 'node:crypto';
import type { Database } from './client.ts';
import { classify } from './error.ts';
import { tables } from './tables.ts';
import type { Table, Types, View } from './view.ts';
import { views } from './views.ts';

/**
 * Every difference between the declarations and the live database, one sentence each; empty when they agree. A program
 * that finds any must not start: its types would lie.
 *
 * Planning every view takes the database half a second, so what `prove` once found to agree is believed as long as
 * neither side has changed by a letter since.
 */
export async function differences(db: Database): Promise<string[]> {
  const live = await readLive(db);
  return live.proof === fingerprint(live) ? [] : compareAll(db, live);
}

/**
 * Compares, and where all agrees leaves the proof of it in the database, for the programs that start after. `known` are
 * proofs that were found elsewhere.
 */
export async function prove(db: Database, known: readonly string[] = []): Promise<string[]> {
  const live = await readLive(db);
  const now = fingerprint(live);
  if (live.proof === now) return [];
  const found = known.includes(now) ? [] : await compareAll(db, live);
  if (found.length === 0) await db.command(`ALTER TABLE ${proofTable} MODIFY COMMENT '${now}'`);
  return found;
}

type Columns = ReadonlyMap<string, string>;

/** The database as it is: columns by table, texts by view, and the proof that an earlier comparison left. */
type Live = {
  readonly version: string;
  readonly columns: ReadonlyMap<string, Columns>;
  readonly texts: ReadonlyMap<string, string>;
  readonly proof: string;
};

/** Its comment holds the proof: it is there before any other table, and nothing else has a use for it. */
const proofTable = 'schema_migrations';

async function readLive(db: Database): Promise<Live> {
  const [columns, tables] = await Promise.all([
    db.query<{ table: string; name: string; type: string }>(
      'SELECT table, name, type FROM system.columns WHERE database = {database:String} ORDER BY table, position',
      { database: db.name },
    ),
    db.query<{ name: string; engine: string; create_table_query: string; comment: string; version: string }>(
      `SELECT name, engine, create_table_query, comment, version() AS version
       FROM system.tables WHERE database = {database:String} ORDER BY name`,
      { database: db.name },
    ),
  ]);
  const byTable = new Map<string, Map<string, string>>();
  for (const row of columns) {
    const own = byTable.get(row.table) ?? new Map<string, string>();
    byTable.set(row.table, own.set(row.name, row.type));
  }
  return {
    version: tables[0]?.version ?? '',
    columns: byTable,
    // Without the database's name the same schema has the same proof wherever it is.
    texts: new Map(
      tables
        .filter((row) => row.engine === 'View')
        .map((row) => [row.name, row.create_table_query.replaceAll(`${db.name}.`, '')]),
    ),
    proof: tables.find((row) => row.name === proofTable)?.comment ?? '',
  };
}

/** Of everything that the comparison depends on. */
function fingerprint({ version, columns, texts }: Live): string {
  const sides = [tables, views, version, [...columns].map(([table, own]) => [table, [...own]]), [...texts]];
  return createHash('sha256').update(JSON.stringify(sides)).digest('hex');
}

async function compareDescribed(db: Database, view: View): Promise<string[]> {
  try {
    return compare(view, await describe(db, view), 'equal');
  } catch (error) {
    // A database that is away says nothing about its views; a view that it cannot describe is a difference.
    const failure = classify(error);
    if (failure.kind === 'transient') throw error;
    return [`view ${view.name} cannot be described: ${failure.message}`];
  }
}

async function compareAll(db: Database, live: Live): Promise<string[]> {
  const found = tables.flatMap((table) => compare(table, live.columns.get(table.name), 'subset'));
  const rest = views.values();
  const compareRest = async (): Promise<void> => {
    for (const view of rest) {
      const text = live.texts.get(view.name);
      if (text === undefined) found.push(`view ${view.name} does not exist; run the migrations`);
      else found.push(...compareNames(view, parametersOf(text)), ...(await compareDescribed(db, view)));
    }
  };
  // Planning is work of the database's processors: two at a time use a small machine, and leave room on a busy one.
  await Promise.all([compareRest(), compareRest()]);
  return found;
}

/** Parameter name → type, from the view's own text, because older servers have no table of parameters. */
function parametersOf(text: string): Columns {
  return new Map([...text.matchAll(/\{(\w+):([^}]+)\}/g)].map((m) => [String(m[1]), String(m[2])]));
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
