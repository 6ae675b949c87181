import type { Database } from '#clickhouse/client.ts';
import { calls, links } from '#clickhouse/tables.ts';
import { clock, linked, orphans, sealed, statedLinks } from '#clickhouse/ledger.ts';
import { present } from '#common/assert.ts';
import { wireInstant } from './reader.ts';

/** Later than any record: "no orphans in this sealing". */
const never = '2200-01-01 00:00:00.000';
const minuteMs = 60_000;

/** Messages (after, through] of a stream, and calls to show although only usage has come. */
type Range = {
  readonly stream: string;
  readonly after: number;
  readonly through: number;
  readonly orphans: string[];
  readonly orphans_since: string;
};

/** Writes the calls that the messages (after, through] of a stream touched. May be repeated: same records, same rows. */
export async function seal(db: Database, stream: string, after: number, through: number): Promise<void> {
  await db.insertFrom(links, statedLinks, { stream, after, through });
  await sealRange(db, { stream, after, through, orphans: [], orphans_since: never });
}

async function sealRange(db: Database, range: Range): Promise<void> {
  const { stream, after, through, orphans: waiting } = range;
  const roots = rootsOf(await db.read(linked, { stream, after, through, orphans: waiting }));
  await db.insertFrom(calls, sealed, { ...range, linked_ids: [...roots.keys()], roots: [...roots.values()] });
}

/** For each id one that stands for all ids linked with it, whichever way round and however often a pair is stated. */
export function rootsOf(pairs: readonly { id: string; linked_id: string }[]): Map<string, string> {
  const parents = new Map<string, string>();
  const rootOf = (id: string): string => {
    let root = id;
    for (let parent = parents.get(root); parent !== undefined && parent !== root; parent = parents.get(root))
      root = parent;
    return root;
  };
  for (const { id, linked_id } of pairs) {
    const [a, b] = [rootOf(id), rootOf(linked_id)];
    parents.set(a > b ? a : b, a > b ? b : a);
  }
  const ids = new Set(pairs.flatMap(({ id, linked_id }) => [id, linked_id]));
  return new Map([...ids].sort().map((id) => [id, rootOf(id)]));
}

/**
 * Shows the calls whose gateway record has not come for 15 minutes, so that their tokens are in every total, under
 * `unattributed`. The view withdraws them when the record comes. Returns how far the sweep has come (database clock);
 * `from` is the last answer, or null for all of time.
 */
export async function sweepOrphans(db: Database, from: string | null): Promise<{ through: string; shown: number }> {
  const now = Date.parse(present((await db.read(clock, {}))[0], 'the clock has one row').now);
  const through = wireInstant(now - 15 * minuteMs);
  // Overlaps the last sweep: an insert stamps its rows when it begins and shows them when it ends.
  const inserted_from =
    from === null ? '2000-01-01 00:00:00.000' : wireInstant(Date.parse(`${from.replace(' ', 'T')}Z`) - 2 * minuteMs);
  const waiting = await db.read(orphans, { inserted_from, inserted_to: through });
  const chunk = 1_000;
  for (let start = 0; start < waiting.length; start += chunk) {
    const part = waiting.slice(start, start + chunk);
    const since = part.map((row) => row.since).sort()[0];
    await sealRange(db, {
      stream: '',
      after: 0,
      through: 0,
      orphans: part.map((row) => row.call_id),
      orphans_since: wireInstant(Date.parse(present(since, 'a part has rows'))),
    });
  }
  return { through, shown: waiting.length };
}
