import type { Database } from '#clickhouse/client.ts';
import type { Row } from '#clickhouse/view.ts';
import { replays } from '#clickhouse/tables.ts';
import { rejectedRecords } from '#clickhouse/pipeline.ts';
import { decodeMessage } from './decode.ts';
import type { Format } from './format.ts';
import type { Arrival, Journal } from './journal.ts';
import { rejectedBytesMax, type RowOptions } from './rows.ts';

/** What a replay found: records that are understood now, those that still are not, and those whose bytes were cut. */
export type Replayed = { readonly replayed: number; readonly still_rejected: number; readonly cut: number };

export type ReplayOptions = {
  readonly db: Database;
  readonly journal: Journal;
  readonly rows: RowOptions;
};

/** Rejected records are looked at this many at a time. */
const pageRecords = 500;

/**
 * Decodes stored rejects again, after a decoder has learned their format, and stores what is understood now. They keep
 * their first place as their origin, so that even a record that names no call is the same call however often this runs.
 */
export async function replay(
  options: ReplayOptions,
  wanted: { readonly reasons: string[]; readonly sources: string[] },
): Promise<Replayed> {
  const { db, journal, rows } = options;
  const total = { replayed: 0, still_rejected: 0, cut: 0 };
  const window = { from: '2000-01-01 00:00:00.000', to: '2100-01-01 00:00:00.000' };
  for (let offset = 0; ; offset += pageRecords) {
    const page = await db.read(
      rejectedRecords,
      { ...window, reason: wanted.reasons, source: wanted.sources },
      { limit: pageRecords, offset },
    );
    const understood: { row: Row<typeof rejectedRecords.columns>; arrival: Arrival }[] = [];
    for (const row of page) {
      if (row.replayed) continue;
      const arrival = again(row);
      if (arrival === null) total.cut += 1;
      else if (isUnderstood(arrival, rows.declared ?? [])) understood.push({ row, arrival });
      else total.still_rejected += 1;
    }
    if (understood.length > 0) {
      const stored = understood.map(async ({ arrival }) => journal.append(arrival) ?? full());
      await Promise.all(stored);
      const lines = understood.map(({ row }) => JSON.stringify([row.stream, row.sequence_number, row.record_index]));
      await db.insert(replays, lines.join('\n'));
      total.replayed += understood.length;
    }
    if (page.length < pageRecords) return total;
  }
}

/** What is not stored must not be noted as replayed. */
function full(): never {
  throw new Error('too much waits to be stored; replay again later');
}

/** The record as it came, or null where only its beginning was kept. */
function again(row: Row<typeof rejectedRecords.columns>): Arrival | null {
  if (row.body_bytes > rejectedBytesMax || row.reason === 'not_utf8') return null;
  const { stream, record_index } = row;
  return {
    body: Buffer.from(row.body),
    origin: { stream, sequence_number: Number(row.sequence_number), record_index },
  };
}

/** A message that gives any record but rejects; what is dropped on purpose is understood too. */
function isUnderstood(arrival: Arrival, declared: readonly Format[]): boolean {
  const message = { ...arrival, stream: '', sequence_number: 0, enqueued_at_ms: 0 };
  return decodeMessage(message, declared).every(({ event }) => event.kind !== 'rejected');
}
