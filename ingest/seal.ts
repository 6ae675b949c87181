import type { Database } from '#clickhouse/client.ts';
import { calls } from '#clickhouse/tables.ts';
import { clock, orphans, sealed } from '#clickhouse/views.ts';
import { present } from '#common/assert.ts';
import { wireInstant } from './reader.ts';

/** Later than any record: "no orphans in this sealing". */
const never = '2200-01-01 00:00:00.000';
const minuteMs = 60_000;

/** Writes the calls that the messages (after, through] of a stream touched. May be repeated: same records, same rows. */
export async function seal(db: Database, stream: string, after: number, through: number): Promise<void> {
  await db.insertFrom(calls, sealed, { stream, after, through, orphans: [], orphans_since: never });
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
    await db.insertFrom(calls, sealed, {
      stream: '',
      after: 0,
      through: 0,
      orphans: part.map((row) => row.call_id),
      orphans_since: wireInstant(Date.parse(present(since, 'a part has rows'))),
    });
  }
  return { through, shown: waiting.length };
}
