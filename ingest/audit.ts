import type { Database } from '#clickhouse/client.ts';
import { events, gaps } from '#clickhouse/tables.ts';
import type { Row } from '#clickhouse/view.ts';
import { holes, lastMessage, positions } from '#clickhouse/ledger.ts';
import { present } from '#common/assert.ts';
import { cut, repeat, type CommitOptions } from './commit.ts';
import type { Held, Hub } from './hub.ts';
import type { Message } from './message.ts';
import type { Notify } from './notice.ts';
import { insertLines, messageRows, type RowOptions } from './rows.ts';
import { seal } from './seal.ts';

/**
 * Where reading may start. `reread`: the stored message at the watermark is to be met again first and must have this
 * hash. `recreated`: the hub ends before our watermark, so its positions mean other messages.
 */
export type Audit =
  | {
      readonly kind: 'ready';
      readonly watermark: number;
      readonly nextExpected: number;
      readonly held: Held;
      readonly reread: { readonly hash: string } | null;
    }
  | { readonly kind: 'recreated'; readonly watermark: number; readonly held: Held };

export type AuditOptions = CommitOptions & {
  readonly db: Database;
  readonly hub: Hub;
  readonly notify: Notify;
  readonly partition: string;
  readonly stream: string;
  readonly epoch: number;
  readonly messagesMax: number;
  readonly rows: RowOptions;
};

/**
 * Before the first message of a reading: the stored sequence numbers must be contiguous. A hole is repaired from the
 * hub while the hub has it; what the hub has dropped is recorded as lost, loudly, and never passed over in silence.
 */
export async function audit(options: AuditOptions): Promise<Audit> {
  const { db, hub, notify, stream } = options;
  const held = await repeat('hub', async () => hub.held(options.partition), options);
  const all = await repeat('database', async () => db.read(positions, {}), options);
  const position = all.find((row) => row.stream === stream);
  if (position === undefined) return { kind: 'ready', watermark: -1, nextExpected: held.beginning, held, reread: null };

  const watermark = Number(position.last);
  if (watermark > held.last) return { kind: 'recreated', watermark, held };
  const missing = Number(position.missing);
  if (missing > 0) await repair(options, held);
  if (missing < 0) notify('duplicate_messages', stream, { extra: -missing });
  if (held.beginning > watermark + 1) {
    await lost(options, watermark + 1, held.beginning - 1, 'retention');
    return { kind: 'ready', watermark, nextExpected: held.beginning, held, reread: null };
  }
  if (held.beginning > watermark) return { kind: 'ready', watermark, nextExpected: watermark + 1, held, reread: null };
  const last = await repeat(
    'database',
    async () => db.read(lastMessage, { stream, sequence_number: watermark }),
    options,
  );
  const hash = present(last[0], 'the watermark is a stored message').body_hash;
  return { kind: 'ready', watermark, nextExpected: watermark + 1, held, reread: { hash } };
}

async function lost(
  options: AuditOptions,
  first: number,
  last: number,
  reason: 'retention' | 'not_delivered',
): Promise<void> {
  options.notify('messages_lost', options.stream, { first, last, reason });
  await repeat(
    'database',
    async () => options.db.insert(gaps, JSON.stringify([options.stream, first, last, reason])),
    options,
  );
}

async function repair(options: AuditOptions, held: Held): Promise<void> {
  const { db, notify, stream, messagesMax } = options;
  const found = await repeat('database', async () => db.read(holes, { stream }), options);
  for (const hole of found) {
    const first = Number(hole.first);
    const last = Number(hole.last);
    const readable = Math.max(first, held.beginning);
    if (readable > first) await lost(options, first, Math.min(last, readable - 1), 'retention');
    if (readable > last) continue;
    notify('repair', stream, { first: readable, last });
    // In pieces, because a hole may be as long as a day.
    for (let from = readable; from <= last; from += messagesMax) {
      const through = Math.min(last, from + messagesMax - 1);
      await insertMissing(options, await readAgain(options, from, through));
      await repeat('database', async () => seal(db, [{ stream, after: from - 1, through }]), options);
    }
  }
  // The hub was asked for everything in between: what is still missing will not come.
  const left = await repeat('database', async () => db.read(holes, { stream }), options);
  for (const hole of left) await lost(options, Number(hole.first), Number(hole.last), 'not_delivered');
}

/** The messages [first, last] once more from the hub. */
async function readAgain(options: AuditOptions, first: number, last: number): Promise<Message[]> {
  const { hub, partition, epoch, messagesMax, signal } = options;
  // One that has aborted already is not heard any more.
  signal.throwIfAborted();
  const messages: Message[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const stopped = (): void => reject(new Error('stopped'));
  signal.addEventListener('abort', stopped, { once: true });
  const reading = hub.read({
    partition,
    after: { sequence_number: first, inclusive: true },
    ownerLevel: epoch,
    messagesMax,
    onMessages: async (received) => {
      messages.push(...received.filter((message) => message.sequence_number <= last));
      if ((received.at(-1)?.sequence_number ?? -1) >= last) resolve();
    },
    onEnd: (reason, detail) => reject(new Error(`reading again ended: ${reason} ${detail}`)),
  });
  try {
    await promise;
  } finally {
    signal.removeEventListener('abort', stopped);
    await reading.close().catch(() => {});
  }
  return messages;
}

async function insertMissing(options: AuditOptions, messages: readonly Message[]): Promise<void> {
  let rest = messages.map((message) => messageRows(message, options.rows));
  while (rest.length > 0) {
    const batch = cut(rest);
    const first = present(batch[0], 'a batch has a first message').message.sequence_number;
    const last = present(batch.at(-1), 'a batch has a last message').message.sequence_number;
    for (let generation = 0; ; generation += 1) {
      const token = `repair/${options.stream}/${first}-${last}/${generation}`;
      await repeat('database', async () => options.db.insert(events, insertLines(batch, first - 1), token), options);
      const left = await repeat('database', async () => options.db.read(holes, { stream: options.stream }), options);
      // Of these messages only: one that the hub left out stays a hole however often the others are inserted.
      if (!batch.some(({ message }) => isIn(left, message.sequence_number))) break;
    }
    rest = rest.slice(batch.length);
  }
}

function isIn(stretches: readonly Row<typeof holes.columns>[], sequence_number: number): boolean {
  return stretches.some(({ first, last }) => Number(first) <= sequence_number && sequence_number <= Number(last));
}
