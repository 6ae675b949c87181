/**
 * The only TypeScript that composes SQL. A declaration holds a view's signature once, with literal ClickHouse types;
 * names in the SQL come from declarations only, values are bound parameters only.
 */
export type Types = Readonly<Record<string, string>>;

/** A parameterised view as its .sql file defines it; `contract.ts` proves it against the database. */
export type View<P extends Types = Types, C extends Types = Types> = {
  readonly kind: 'view';
  readonly name: string;
  readonly parameters: P;
  readonly columns: C;
};

/** A table as its migration leaves it, with the columns that programs write or read. */
export type Table<C extends Types = Types> = { readonly kind: 'table'; readonly name: string; readonly columns: C };

export function view<const P extends Types, const C extends Types>(
  name: string,
  parameters: P,
  columns: C,
): View<P, C> {
  return { kind: 'view', name, parameters, columns };
}

export function table<const C extends Types>(name: string, columns: C): Table<C> {
  return { kind: 'table', name, columns };
}

/** The wire value of a ClickHouse type: 64-bit integers, decimals and instants are strings, so nothing is rounded. */
type Value<T extends string> = T extends `Nullable(${infer U})`
  ? Value<U> | null
  : T extends `LowCardinality(${infer U})`
    ? Value<U>
    : T extends `Array(${infer U})`
      ? Value<U>[]
      : T extends `Map(${string}, ${infer U})`
        ? Record<string, Value<U>>
        : T extends 'Bool'
          ? boolean
          : T extends 'UInt8' | 'UInt16' | 'UInt32' | 'Int8' | 'Int16' | 'Int32' | 'Float64'
            ? number
            : string;

/** One row, as JSONEachRow brings it. */
export type Row<C extends Types> = { [K in keyof C]: Value<C[K]> };

/**
 * Bound parameters: instants are `YYYY-MM-DD hh:mm:ss.mmm` in UTC; 64-bit integers are strings, numbers or bigints, and
 * never strings in an array, where the database would read the quotes.
 */
export type Arguments<P extends Types> = {
  [K in keyof P]: P[K] extends `${'U' | ''}Int64`
    ? string | number | bigint
    : P[K] extends `Array(${'U' | ''}Int64)`
      ? (number | bigint)[]
      : Value<P[K]>;
};

export type Order<C extends Types> = { readonly column: keyof C & string; readonly descending: boolean };

export type Selection<C extends Types> = {
  readonly columns?: readonly (keyof C & string)[];
  readonly orderBy?: readonly Order<C>[];
  readonly limit?: number;
  readonly offset?: number;
};

function call(view: View, argument: (name: string, type: string) => string): string {
  const names = Object.entries(view.parameters);
  if (names.length === 0) return view.name;
  return `${view.name}(${names.map(([name, type]) => `${quoted(name)} = ${argument(name, type)}`).join(', ')})`;
}

/** Declared names only, yet `from` and `to` are words of SQL. */
function quoted(name: string): string {
  return `\`${name}\``;
}

function clauses<C extends Types>(columns: C, selection: Selection<C>): { list: string; tail: string } {
  const list = (selection.columns ?? Object.keys(columns)).map(quoted).join(', ');
  const order = (selection.orderBy ?? []).map((o) => `${quoted(o.column)}${o.descending ? ' DESC' : ''}`);
  const tail = [
    order.length > 0 ? ` ORDER BY ${order.join(', ')}` : '',
    selection.limit === undefined ? '' : ` LIMIT ${Math.trunc(selection.limit)}`,
    selection.offset === undefined ? '' : ` OFFSET ${Math.trunc(selection.offset)}`,
  ].join('');
  return { list, tail };
}

/** `SELECT … FROM view(p = {p:Type}, …)`, to be sent with the arguments as query parameters. */
export function selectFrom<P extends Types, C extends Types>(view: View<P, C>, selection: Selection<C> = {}): string {
  const { list, tail } = clauses(view.columns, selection);
  return `SELECT ${list} FROM ${call(view, (name, type) => `{${name}:${type}}`)}${tail}`;
}

/** `INSERT INTO table (…) SELECT … FROM view(…)`: the view's columns, which the table must have under the same names. */
export function insertFromView<P extends Types, C extends Types>(table: Table, view: View<P, C>): string {
  const list = Object.keys(view.columns).map(quoted).join(', ');
  return `INSERT INTO ${table.name} (${list}) ${selectFrom(view)}`;
}

/** `INSERT INTO table (…) FORMAT JSONCompactEachRow`: rows are arrays in the order of the table's declared columns. */
export function insertInto(table: Table): string {
  return `INSERT INTO ${table.name} (${Object.keys(table.columns).map(quoted).join(', ')}) FORMAT JSONCompactEachRow`;
}

/** The select with expressions instead of parameters, for Grafana's macros and variables. */
export function rendered<P extends Types, C extends Types>(
  view: View<P, C>,
  expressions: { readonly [K in keyof P]: string },
  selection: Selection<C> = {},
): string {
  const { list, tail } = clauses(view.columns, selection);
  return `SELECT ${list} FROM ${call(view, (name) => String(expressions[name]))}${tail}`;
}
