import type { Arguments, Row } from '#clickhouse/view.ts';
import type { Database } from '#clickhouse/client.ts';
import { linked } from '#clickhouse/ledger.ts';
import type { links } from '#clickhouse/tables.ts';

/*
 * Which ids mean one call. Ids that clients choose link calls, and a client may give all of its calls the same one; so
 * links are evidence and not proof. Two things refute them: a system that has two own ids in one group has seen two
 * calls, and an id that is linked with more than 8 is of many calls.
 */

/** A row of the table `links`. */
export type Link = Pick<Row<typeof links.columns>, 'id' | 'linked_id' | 'stated_by' | 'system'>;

/**
 * Where an id belongs. Records are merged by `part`. `root` stands for the group of linked ids, and is no part where the
 * group is more than one call, or was before an id turned out to be shared. `weight` only grows while links are added,
 * and grows with every link that can change part or root; below 2^47.
 */
export type Group = { readonly root: string; readonly part: string; readonly weight: number };

const most = 8;
/** Steps from a call to the farthest id that is asked for: twice a chain of four systems, and the way back. */
const steps = 8;

/** The groups of the ids around some calls, and since when these can have begun (milliseconds), null without any. */
type Around = { readonly groups: Map<string, Group>; readonly since: number | null };

export const noGroups: Around = { groups: new Map(), since: null };

/** Reads the links around the calls that ranges touched and around the given ids, step by step. */
export async function groupsAround(db: Database, around: Arguments<(typeof linked)['parameters']>): Promise<Around> {
  const nothing = { streams: [], afters: [], throughs: [] };
  const rows = await db.read(linked, around);
  const touched = new Set(rows.map(({ id }) => id));
  const asked = new Set(touched);
  let last = rows;
  for (let step = 0; step < steps && last.length > 0; step += 1) {
    const next = new Set(onward(last, step, touched).filter((id) => !asked.has(id)));
    for (const id of next) asked.add(id);
    last = next.size === 0 ? [] : await db.read(linked, { ...nothing, ids: [...next] });
    for (const row of last) rows.push(row);
  }
  const known = new Set(rows.map(({ id }) => id));
  const days = rows.filter(({ linked_id }) => known.has(linked_id)).map(({ since }) => Date.parse(since));
  return { groups: groupsOf(rows), since: days.length === 0 ? null : days.reduce((a, b) => Math.min(a, b)) };
}

/**
 * The ids to ask for next. A shared id leads on only from the calls that may have made it one: then the few that it was
 * linked with before must be sealed again. `links` has no more than these few of it, so the work has a bound.
 */
function onward(rows: readonly Link[], step: number, touched: ReadonlySet<string>): string[] {
  return [...Map.groupBy(rows, ({ id }) => id).values()].flatMap((own) => {
    const others = [...new Set(own.map(({ linked_id }) => linked_id))];
    const made = step === 0 || (step === 1 && others.some((id) => touched.has(id)));
    return others.length <= most || made ? others : [];
  });
}

/** The group of each id whose links are among the rows, which are all that `links` has of it, in any order. */
export function groupsOf(rows: readonly Link[]): Map<string, Group> {
  const neighbours = neighboursOf(rows);
  const shared = (id: string): boolean => (neighbours.get(id)?.size ?? 0) > most;
  const known = new Set(rows.map(({ id }) => id));
  const links = rows.filter(({ id, linked_id }) => !shared(id) && !shared(linked_id));
  const partOf = components(links);
  const inConflict = conflicts(links, partOf);
  const ignored = rows.filter((row) => shared(row.id) || shared(row.linked_id));
  const torn = new Set(ignored.flatMap(({ id, linked_id }) => [partOf(id), partOf(linked_id)]));
  // Only a shared id's own rows are of the calls that were merged through it before it was one.
  const wide = rows.filter(({ id, linked_id }) => known.has(linked_id) && (shared(id) || !shared(linked_id)));
  const rootOf = components(wide);
  return new Map(
    [...known].sort().map((id) => {
      const part = partOf(id);
      const apart = inConflict.has(part);
      const root = apart || torn.has(part) ? `split ${rootOf(id)}` : part;
      return [id, { root, part: apart ? id : part, weight: weightOf(id, neighbours) }];
    }),
  );
}

function neighboursOf(rows: readonly Link[]): Map<string, Set<string>> {
  const neighbours = new Map<string, Set<string>>();
  for (const { id, linked_id } of rows)
    for (const [a, b] of [[id, linked_id] as const, [linked_id, id] as const])
      neighbours.set(a, (neighbours.get(a) ?? new Set()).add(b));
  return neighbours;
}

/** For each id the first, in the order of their letters, of all that pairs connect it with. */
function components(pairs: readonly Link[]): (id: string) => string {
  const parents = new Map<string, string>();
  const rootOf = (id: string): string => {
    let root = id;
    for (let parent = parents.get(root); parent !== undefined; parent = parents.get(root)) root = parent;
    return root;
  };
  for (const { id, linked_id } of pairs) {
    const [a, b] = [rootOf(id), rootOf(linked_id)];
    if (a !== b) parents.set(a > b ? a : b, a > b ? b : a);
  }
  return rootOf;
}

/** The components in which one system has two ids of its own. */
function conflicts(links: readonly Link[], partOf: (id: string) => string): Set<string> {
  const own = new Map<string, string>();
  const found = new Set<string>();
  for (const { id, stated_by, system } of links) {
    const key = JSON.stringify([partOf(id), system]);
    if ((own.get(key) ?? stated_by) !== stated_by) found.add(partOf(id));
    own.set(key, stated_by);
  }
  return found;
}

/** Bits for the links of the ids at each distance: of 8, 7, 7 and 7 more, each counts 9 at most. */
const bits = [4, 7, 9, 12, 15];

/**
 * How many links the id has, then its neighbours, then theirs, each counted up to one more than are heeded, the nearest
 * first. A new link adds one at the nearest of its ends; what it can take away, where that end becomes shared or a way
 * ends there, is farther. So the whole only grows, whatever falls apart.
 */
function weightOf(id: string, neighbours: ReadonlyMap<string, ReadonlySet<string>>): number {
  const seen = new Set([id]);
  let at = [id];
  return bits.reduce((weight, width) => {
    const around = at.map((here) => neighbours.get(here) ?? new Set<string>());
    const links = around.reduce((sum, { size }) => sum + Math.min(size, most + 1), 0);
    const next = around
      .flatMap((others) => (others.size > most ? [] : [...others]))
      .filter((other) => !seen.has(other));
    at = [...new Set(next)];
    for (const other of at) seen.add(other);
    return weight * 2 ** width + links;
  }, 0);
}
