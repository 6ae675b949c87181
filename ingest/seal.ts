import type { Database } from '#clickhouse/client.ts';
import { calls, links } from '#clickhouse/tables.ts';
import { clock, orphans, sealed, statedLinks, touched } from '#clickhouse/ledger.ts';
import { present } from '#common/assert.ts';
import { haveSplit, nothingAround, readAround } from './linking.ts';
import { wireInstant } from './reader.ts';

const minuteMs = 60_000;

/** Messages (after, through] of a stream. */
export type Range = { readonly stream: string; readonly after: number; readonly through: number };

/**
 * Writes the calls that the messages of these ranges touched, in one statement for all of them. May be repeated: same
 * records, same rows.
 */
export async function seal(db: Database, ranges: readonly Range[]): Promise<void> {
  const where = arraysOf(ranges);
  const [found] = await db.read(touched, where);
  const { since, states_links, has_links } = present(found, 'an aggregate gives one row');
  if (since === null) return;
  // Before anything is merged: of two workers that store the two ends of a link, the later one to seal sees both.
  if (states_links) await db.insertFrom(links, statedLinks, where);
  await sealCalls(db, { ...where, orphans: [], since }, states_links || has_links);
}

/** What the views take for ranges: an element of each array is one range. */
type Where = { readonly streams: string[]; readonly afters: number[]; readonly throughs: number[] };

/** Ranges as the views take them. */
export function arraysOf(ranges: readonly Range[]): Where {
  return {
    streams: ranges.map(({ stream }) => stream),
    afters: ranges.map(({ after }) => after),
    throughs: ranges.map(({ through }) => through),
  };
}

async function sealCalls(
  db: Database,
  touching: Where & { readonly orphans: string[]; readonly since: string },
  mayBeLinked: boolean,
): Promise<void> {
  const { orphans: ids, since, ...ranges } = touching;
  const first = Date.parse(since);
  for (;;) {
    const around = mayBeLinked ? await readAround(db, { ...ranges, ids }) : nothingAround;
    const found = [...around.groups.values()];
    await db.insertFrom(calls, sealed, {
      ...touching,
      since: wireInstant(Math.min(first, around.since ?? first)),
      linked_ids: [...around.groups.keys()],
      roots: found.map(({ root }) => root),
      parts: found.map(({ part }) => part),
      weights: found.map(({ weight }) => weight),
    });
    // While this worker was held up, others may have learned that these are several calls, and sealed newer records that
    // it has merged. Nobody but it knows of that, so it must mend it.
    if (!(await haveSplit(db, around))) return;
  }
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
  return { through, shown: await showOrphans(db, inserted_from, through) };
}

/** Shows the waiting calls that were first seen in [inserted_from, inserted_to), and returns how many there were. */
export async function showOrphans(db: Database, inserted_from: string, inserted_to: string): Promise<number> {
  const waiting = await db.read(orphans, { inserted_from, inserted_to });
  const chunk = 1_000;
  for (let start = 0; start < waiting.length; start += chunk) {
    const part = waiting.slice(start, start + chunk);
    const since = part.map((row) => row.since).sort()[0];
    const shown = {
      ...arraysOf([]),
      orphans: part.map((row) => row.call_id),
      since: present(since, 'a part has rows'),
    };
    await sealCalls(db, shown, true);
  }
  return waiting.length;
}
