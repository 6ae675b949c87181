import type { Arguments, Row } from '#clickhouse/view.ts';
import type { Database } from '#clickhouse/client.ts';
import { linked } from '#clickhouse/ledger.ts';
import type { links } from '#clickhouse/tables.ts';

/*
 * Which ids mean one call. Ids that clients choose link calls, and a client may give several of its calls the same one;
 * so links are evidence and not proof. An id is shared, and links nothing, where one system links two of its own ids with
 * it, or where it is linked with more than 8. Where a system has two own ids among connected ones all the same, nobody
 * can tell which link is wrong, and each id is a call.
 */

/** A row of the table `links`. */
export type Link = Pick<Row<typeof links.columns>, 'id' | 'linked_id' | 'stated_by' | 'system'>;

/**
 * Where an id belongs. Records are merged by `part`. `root` stands for all ids that can have been merged with it, and is
 * another value than the part where these are several calls. `weight` only grows while links are added, and grows with
 * every link that changes what is merged with the id; below 2^40.
 */
export type Group = { readonly root: string; readonly part: string; readonly weight: number };

/** An id with more others than this is shared. The view `stated_links` knows the number, too. */
const most = 8;
/** Steps from a call to the farthest id that is asked for: twice a chain of four systems, and the way back. */
const steps = 8;

/** What was read of the links around some calls. */
export type Around = {
  readonly groups: ReadonlyMap<string, Group>;
  /** The earliest that one of their calls can have begun, in milliseconds; null without any. */
  readonly since: number | null;
};

export const nothingAround: Around = { groups: new Map(), since: null };

const noRanges = { streams: [], afters: [], throughs: [] };

/** Reads the links around the calls that ranges touched and around the given ids, step by step. */
export async function readAround(db: Database, from: Arguments<(typeof linked)['parameters']>): Promise<Around> {
  const rows = await db.read(linked, from);
  const touched = new Set(rows.map(({ id }) => id));
  const asked = new Set(touched);
  let last = rows;
  for (let step = 0; step < steps && last.length > 0; step += 1) {
    const next = [...new Set(onward(last, step, touched))].filter((id) => !asked.has(id));
    for (const id of next) asked.add(id);
    last = next.length === 0 ? [] : await db.read(linked, { ...noRanges, ids: next });
    for (const row of last) rows.push(row);
  }
  const days = rows.filter(({ linked_id }) => asked.has(linked_id)).map(({ since }) => Date.parse(since));
  const since = days.length === 0 ? null : days.reduce((a, b) => Math.min(a, b));
  return { groups: groupsOf(rows), since };
}

/** Whether ids that were one call when these groups were read are several by now. */
export async function haveSplit(db: Database, { groups }: Around): Promise<boolean> {
  const parts = [...Map.groupBy(groups.keys(), (id) => groups.get(id)?.part).values()];
  const merged = parts.filter((ids) => ids.length > 1);
  if (merged.length === 0) return false;
  // All of them are read, because what refutes a link may stand with an id that was not merged.
  const now = groupsOf(await db.read(linked, { ...noRanges, ids: [...groups.keys()] }));
  return merged.some((ids) => new Set(ids.map((id) => now.get(id)?.part)).size > 1);
}

/**
 * The ids to ask for next. A shared id leads on only from the calls that may have made it one: what was merged through
 * it before must be sealed again. `links` has no more than a few of its others, so the work has a bound.
 */
function onward(rows: readonly Link[], step: number, touched: ReadonlySet<string>): string[] {
  return [...Map.groupBy(rows, ({ id }) => id).values()].flatMap((own) => {
    const about = aboutId();
    for (const row of own) learn(about, row.linked_id, row);
    const made = step === 0 || (step === 1 && own.some(({ linked_id }) => touched.has(linked_id)));
    return made || !isShared(about) ? Array.from(about.others) : [];
  });
}

/** The group of each id whose links are among the rows, which are all that `links` has of it, in any order. */
export function groupsOf(rows: readonly Link[]): Map<string, Group> {
  const known = new Set(rows.map(({ id }) => id));
  const about = new Map<string, About>();
  for (const row of rows)
    for (const [id, other] of [[row.id, row.linked_id] as const, [row.linked_id, row.id] as const]) {
      const of = about.get(id) ?? aboutId();
      about.set(id, of);
      learn(of, other, row);
    }
  const shared = new Set([...about].flatMap(([id, of]) => (isShared(of) ? [id] : [])));
  const ignored = rows.filter(({ id, linked_id }) => shared.has(id) || shared.has(linked_id));
  const heeded = rows.filter(({ id, linked_id }) => !shared.has(id) && !shared.has(linked_id));
  const partOf = components(heeded);
  const riddles = conflicts(heeded, partOf);
  const torn = new Set(ignored.flatMap(({ id, linked_id }) => [partOf(id), partOf(linked_id)]));
  // Only a shared id's own rows are of calls that can have been merged through it before it was one.
  const once = rows.filter(({ id, linked_id }) => known.has(linked_id) && (shared.has(id) || !shared.has(linked_id)));
  const rootOf = components(once);
  return new Map(
    [...known].sort().map((id) => {
      const part = partOf(id);
      const alone = riddles.has(part);
      const root = alone || torn.has(part) ? `split ${rootOf(id)}` : part;
      return [id, { root, part: alone ? id : part, weight: weightOf(id, about) }];
    }),
  );
}

/** What is stated of an id: which others it is linked with, each statement once, and whose they are by system. */
type About = {
  readonly others: Set<string>;
  readonly statements: Set<string>;
  readonly owners: Map<string, Set<string>>;
};

function aboutId(): About {
  return { others: new Set(), statements: new Set(), owners: new Map() };
}

function learn({ others, statements, owners }: About, other: string, { stated_by, system }: Link): void {
  others.add(other);
  statements.add(JSON.stringify([other, stated_by, system]));
  const own = owners.get(system);
  if (own === undefined) owners.set(system, new Set([stated_by]));
  else own.add(stated_by);
}

function isShared({ others, owners }: About): boolean {
  return others.size > most || [...owners.values()].some((own) => own.size > 1);
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
function conflicts(pairs: readonly Link[], partOf: (id: string) => string): Set<string> {
  const own = new Map<string, string>();
  const found = new Set<string>();
  for (const { id, stated_by, system } of pairs) {
    const key = JSON.stringify([partOf(id), system]);
    if ((own.get(key) ?? stated_by) !== stated_by) found.add(partOf(id));
    own.set(key, stated_by);
  }
  return found;
}

/** The weight of a shared id within a level: more than an id has that is not shared. */
const sharedWeight = 31;
/** Distances at which links are weighed, and the most that one of them can weigh. */
const levels = 5;
const levelMax = 255;

/**
 * How many statements there are of the id, then of its neighbours, then of theirs, the nearest first. A new one adds at
 * the nearest of its ends; what it can take away, where an end becomes shared and leads no farther, is farther off. So
 * the whole only grows, whatever falls apart.
 */
function weightOf(id: string, about: ReadonlyMap<string, About>): number {
  const seen = new Set([id]);
  let at = [id];
  let weight = 0;
  for (let level = 0; level < levels; level += 1) {
    let sum = 0;
    const next: string[] = [];
    for (const here of at) {
      const of = about.get(here) ?? aboutId();
      const shared = isShared(of);
      sum += shared ? sharedWeight : Math.min(of.statements.size, sharedWeight - 1);
      if (shared) continue;
      for (const other of of.others) {
        if (!seen.has(other)) next.push(other);
        seen.add(other);
      }
    }
    weight = weight * (levelMax + 1) + Math.min(sum, levelMax);
    at = next;
  }
  return weight;
}
