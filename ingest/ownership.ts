import type { Database } from '#clickhouse/client.ts';
import { ownership, workers } from '#clickhouse/ledger.ts';

/** A holder that was not heard of for this long has lost its streams; by the database's clock. */
const leaseMs = 15_000;

export type Plan = {
  readonly take: readonly { stream: string; lastEpoch: number; sealedThrough: number }[];
  /** Whether this worker, of all that live, does what is to be done once for all streams. */
  readonly sweeps: boolean;
};

/**
 * Which streams a worker should take now. Each of n living workers holds its share, rounded up at the most; streams
 * without a living holder are taken first, and a worker that is two below the largest holder takes one from it, so that
 * shares even out one by one and settle. `owner` is name/boot: a worker that restarts under its name takes its own back
 * at once, instead of waiting for the lease to run out.
 */
export async function planned(
  db: Database,
  owner: string,
  streams: readonly string[],
  held: ReadonlySet<string>,
): Promise<Plan> {
  const [holdings, alive] = await Promise.all([db.read(ownership, {}), db.read(workers, {})]);
  const name = owner.slice(0, owner.lastIndexOf('/') + 1);
  const living = new Set(alive.map((row) => row.owner).filter((other) => !other.startsWith(name)));
  living.add(owner);
  const share = Math.ceil(streams.length / living.size);
  const byStream = new Map(holdings.map((row) => [row.stream, row]));
  const free: string[] = [];
  const counts = new Map<string, string[]>();
  for (const stream of streams) {
    if (held.has(stream)) continue;
    const holder = byStream.get(stream);
    const mine = holder?.owner.startsWith(name) ?? false;
    if (holder === undefined || mine || holder.state === 'released' || Number(holder.silent_ms) > leaseMs)
      free.push(stream);
    else counts.set(holder.owner, [...(counts.get(holder.owner) ?? []), stream]);
  }
  const wanted = free.slice(0, Math.max(0, share - held.size));
  const largest = [...counts.values()].sort((a, b) => b.length - a.length)[0] ?? [];
  if (wanted.length === 0 && largest.length >= held.size + 2) wanted.push(...largest.slice(0, 1));
  return {
    sweeps: [...living].sort()[0] === owner,
    take: wanted.map((stream) => {
      const holder = byStream.get(stream);
      return { stream, lastEpoch: Number(holder?.epoch ?? 0), sealedThrough: Number(holder?.sealed_through ?? -1) };
    }),
  };
}
