import type { Arguments, Order, Types, View } from '#clickhouse/view.ts';
import { completeness } from './answer.ts';
import { exported, type Format, formatOf, refuseCursor, wireName } from './export.ts';
import { refuse } from './problem.ts';
import type { AskedContext } from './route.ts';
import type { Setting } from './setting.ts';

const rowsMax = 100_000;

export type Listing<P extends Types> = {
  readonly name: string;
  readonly view: View<P>;
  readonly args: Arguments<P>;
  /** The columns of a row, in their order. */
  readonly columns: readonly string[];
  /** What tells rows apart: the default order, and the last one. */
  readonly keys: readonly string[];
  readonly given: {
    readonly order_by?: string | undefined;
    readonly limit?: number | undefined;
    readonly cursor?: string | undefined;
    readonly format?: Format | undefined;
  };
  readonly meta: Readonly<Record<string, unknown>>;
};

/** A list that comes whole: as JSON without pages, or as a file. More rows than fit are refused, never left out. */
export async function listed<P extends Types>(c: AskedContext, setting: Setting, what: Listing<P>): Promise<Response> {
  refuseCursor(what.given.cursor);
  const { view, args, columns } = what;
  const orderBy = orderOf(what);
  const format = formatOf(c, what.given.format);
  const complete = await completeness(setting.db);
  if (format !== 'json') {
    const limit = what.given.limit === undefined ? {} : { limit: what.given.limit };
    const completeThrough = complete.through;
    return exported(c, setting, {
      name: what.name,
      format,
      view,
      args,
      selection: { columns, orderBy, ...limit },
      completeThrough,
    });
  }
  const limit = what.given.limit ?? rowsMax + 1;
  const rows = await setting.db.read(view, args, { columns, orderBy, limit });
  if (rows.length > rowsMax) throw refuse('limit', `the answer has more than ${rowsMax} rows; ask for it as csv`);
  c.header('Vary', 'Accept');
  return c.json({
    data: 'bucket' in (rows[0] ?? {}) ? rows.map(timed) : rows,
    meta: { ...what.meta, complete_through: complete.bySource },
  });
}

function timed(row: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { bucket, ...rest } = row;
  return Object.assign({ time: bucket }, rest);
}

function orderOf<P extends Types>({ given, columns, keys }: Listing<P>): Order<Types>[] {
  const rest = (without?: string): Order<Types>[] =>
    keys.filter((column) => column !== without).map((column) => ({ column, descending: false }));
  if (given.order_by === undefined) return rest();
  const name = given.order_by.replace(/^-/, '');
  const column = columns.find((column) => wireName(column) === name);
  if (column === undefined) throw refuse('order_by', `${name} is not in this answer; it has ${columns.join(', ')}`);
  return [{ column, descending: given.order_by.startsWith('-') }, ...rest(column)];
}
