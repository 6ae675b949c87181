import { ask, type Connection, type Engine } from './door-engine.ts';
import type { TableFunctions } from './door-guard.ts';

/** What the engine says of itself, read once when the door opens. */
export type Catalogue = {
  readonly version: string;
  readonly timezone: string;
  /** By the format's name in lower case, because ClickHouse does not mind the case. */
  readonly formats: ReadonlyMap<string, { readonly name: string; readonly contentType: string }>;
  readonly tableFunctions: TableFunctions;
};

/** Reads the catalogue through a connection of the door's own. */
export async function readCatalogue(engine: Engine, connection: Connection): Promise<Catalogue> {
  const [about] = await ask(engine, connection, 'SELECT version(), timezone()');
  const formats = await ask(engine, connection, 'SELECT name, content_type FROM system.formats WHERE is_output');
  const functions = await ask(engine, connection, 'SELECT lower(name), allow_readonly FROM system.table_functions');
  const named = (isOpen: boolean): Set<string> =>
    new Set(functions.filter(([, allowed]) => (allowed === 1) === isOpen).map(([name]) => String(name)));
  return {
    version: String(about?.[0]),
    timezone: String(about?.[1]),
    formats: new Map(
      formats.map(([name, contentType]) => [
        String(name).toLowerCase(),
        { name: String(name), contentType: String(contentType) },
      ]),
    ),
    tableFunctions: { open: named(true), closed: named(false) },
  };
}
