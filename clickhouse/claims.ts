import type { Database } from './client.ts';
import { ownership } from './ledger.ts';
import { claims } from './tables.ts';

/**
 * Takes a stream: the next epoch, by compare-and-swap. Null when a rival took that epoch first. A holder is never asked:
 * who reads a partition is disconnected by its broker when we read with the higher epoch, and whatever an old holder
 * still writes is fenced by a compare-and-swap of its own.
 */
export async function claim(db: Database, stream: string, owner: string, lastEpoch: number): Promise<number | null> {
  const epoch = lastEpoch + 1;
  await db.insert(claims, JSON.stringify([stream, epoch, owner]), `${stream}/${epoch}`);
  const now = (await db.read(ownership, {})).find((row) => row.stream === stream);
  return now !== undefined && Number(now.epoch) === epoch && now.owner === owner ? epoch : null;
}
