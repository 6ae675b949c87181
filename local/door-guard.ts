import { ask, type Connection, type Engine } from './door-engine.ts';

/** The table functions of the engine, by what a readonly request may do with them. Names in lower case. */
export type TableFunctions = { readonly open: ReadonlySet<string>; readonly closed: ReadonlySet<string> };

const stacked = 'Code: 62. DB::Exception: Syntax error: Multi-statements are not allowed. (SYNTAX_ERROR)';
const dropsDefault = /^\s*(?:DROP|DETACH|RENAME)\s+(?:DATABASE|SCHEMA)\s+(?:IF\s+EXISTS\s+)?[`"]?default\b/i;
const needed =
  'Code: 48. DB::Exception: The database default must stay: each connection of the embedded engine begins in it. ' +
  '(NOT_IMPLEMENTED)';
const writing = 'Code: 164. DB::Exception: default: Cannot execute query in readonly mode. (READONLY)';

/**
 * Why a statement must not run, as a message of the engine, or undefined. It is the engine's own parser that counts
 * and classifies: a second reading of SQL would differ from it somewhere, and there the door would stand open.
 * The engine has no users, so what a restricted user of a server could not do is refused here by hand.
 */
export async function refusal(
  engine: Engine,
  connection: Connection,
  judged: string,
  readonly: 0 | 1 | 2,
  tableFunctions: TableFunctions,
): Promise<string | undefined> {
  const { statementCount, queryClass } = await engine.DurableClassifyAsync(connection, judged);
  if (statementCount > 1) return stacked;
  if (readonly === 0) return dropsDefault.test(judged) ? needed : undefined;
  // Class 4 is not understood: what does not parse fails in the next line with the message of the parser.
  if (queryClass !== 0 && queryClass !== 4) return writing;
  const tree = await ask(engine, connection, `EXPLAIN AST ${judged}`);
  if (queryClass === 4) return writing;
  const outside = outsideFunction(
    tree.map(([line]) => String(line)),
    tableFunctions,
  );
  if (outside === undefined) return undefined;
  return `Code: 497. DB::Exception: default: Not enough privileges: ${outside} reaches outside the database. (ACCESS_DENIED)`;
}

/** The first function in a syntax tree that would read files or the network. */
function outsideFunction(tree: readonly string[], { open, closed }: TableFunctions): string | undefined {
  let isTable = false;
  for (const line of tree) {
    const name = /^ *Function (\S+)/.exec(line)?.[1]?.toLowerCase();
    // `format` is the one name that is harmless as a function of rows and not as a table.
    if (name !== undefined && isTable && !open.has(name)) return name;
    if (name !== undefined && name !== 'format' && closed.has(name)) return name;
    isTable = /^ *TableExpression /.test(line);
  }
  return undefined;
}
