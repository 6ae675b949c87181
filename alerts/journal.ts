import { alertEvents } from '#clickhouse/alert_tables.ts';
import { tickRows } from '#clickhouse/alerts.ts';
import type { Database } from '#clickhouse/client.ts';
import { assert } from '#common/assert.ts';
import { instant } from './instant.ts';

/** `lost`: this tick is there already, from a rival or from an attempt of our own whose answer did not come. */
export type Committed = { readonly kind: 'committed' } | { readonly kind: 'lost'; readonly to: string };

const generationsMax = 20;
const hourMs = 3_600_000;

/**
 * Writes a tick: all its rows or none, once, and only if nobody else has written it. The insert's token is the tick, so
 * of rivals one wins; it is believed when it was read back, because a crash of the database can burn a token, which then
 * swallows the repetition. `attempt` is unique to this call, so that what is read back is ours and nothing else. Throws
 * when the database does not answer; the journal is to be read before another tick is written then.
 */
export async function commit(
  db: Database,
  tick: number,
  attempt: string,
  recordedAt: number,
  lines: readonly string[],
): Promise<Committed> {
  const since = instant(recordedAt - hourMs);
  for (let generation = 0; generation < generationsMax; generation++) {
    await db.insert(alertEvents, lines.join('\n'), `${tick}/${generation}`);
    const rows = await db.read(tickRows, { tick, since });
    const other = rows.find((row) => row.evaluator !== attempt);
    if (other !== undefined) return { kind: 'lost', to: other.evaluator };
    const found = Number(rows[0]?.rows ?? 0);
    assert(found === 0 || found === lines.length, `tick ${tick} is there in part`);
    if (found > 0) return { kind: 'committed' };
  }
  throw new Error(`tick ${tick} was acknowledged ${generationsMax} times and is not there`);
}
