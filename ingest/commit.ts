import { classify } from '#clickhouse/error.ts';
import type { Database } from '#clickhouse/client.ts';
import { events } from '#clickhouse/tables.ts';
import { committed } from '#clickhouse/ledger.ts';
import { assert, present } from '#common/assert.ts';
import { retryUntilDone } from '#common/retry.ts';
import { wireInstant } from './reader.ts';
import type { Notify } from './notice.ts';
import { insertLines, type MessageRows } from './rows.ts';
import { traced } from './span.ts';

const rowsMax = 10_000;
const bytesMax = 16 * 1024 * 1024;
const dayMs = 86_400_000;

/**
 * The first messages that may be inserted together: at most 10,000 rows and 16 MiB, so that they are one block, and of
 * one day of enqueued_at, so that they are one part whose rename is the commit. A single message is always allowed.
 */
export function cut(messages: readonly MessageRows[]): readonly MessageRows[] {
  let rows = 0;
  let bytes = 0;
  let length = 0;
  const day = Math.floor(present(messages[0], 'a batch has a first message').message.enqueued_at_ms / dayMs);
  for (const { message, rows: own } of messages) {
    rows += own.length;
    bytes += message.body.length;
    const full = rows > rowsMax || bytes > bytesMax || Math.floor(message.enqueued_at_ms / dayMs) !== day;
    if (full && length > 0) break;
    length += 1;
  }
  return messages.slice(0, length);
}

/** What the table says after an insert. `stored`: our batch; `overtaken`: another owner wrote after the same watermark. */
export type Outcome =
  | { readonly kind: 'stored'; readonly watermark: number; readonly burntTokens: number }
  | { readonly kind: 'overtaken'; readonly watermark: number };

export type RetryOptions = {
  readonly signal: AbortSignal;
  readonly onRetry: (asked: Asked, error: Error, tries: number) => void;
};

/** Who did not answer. */
export type Asked = 'database' | 'hub';

export type CommitOptions = RetryOptions & { readonly db: Database };

/**
 * Appends a batch after `watermark`, exactly once, or learns that another owner did. It is a compare-and-swap: the
 * token stream/watermark/generation lets one insert win, and only reading the table back tells which. An insert that
 * was answered well but left nothing has burnt its token (a crash between the token's record and the part's rename):
 * then, and only then, the generation moves on. Retries for ever; rejects only when the signal aborts.
 */
export async function commit(
  batch: readonly MessageRows[],
  watermark: number,
  options: CommitOptions,
): Promise<Outcome> {
  const first = present(batch[0], 'a batch has a first message').message;
  const last = present(batch.at(-1), 'a batch has a last message').message;
  const records = batch.reduce((sum, { rows }) => sum + rows.length, 0);
  const lines = insertLines(batch, watermark);
  for (let generation = 0; ; generation += 1) {
    assert(generation < 1_000, 'a thousand tokens after one watermark were burnt');
    const token = `${first.stream}/${watermark}/${generation}`;
    const attributes = { stream: first.stream, messages: batch.length, rows: records };
    await traced('insert', attributes, async () =>
      repeat('database', async () => options.db.insert(events, lines, token), options),
    );
    const found = await traced('verify', attributes, async () =>
      repeat('database', async () => readBack(options.db, first, watermark), options),
    );
    if (found === null) continue;
    if (found.watermark === last.sequence_number && found.records === records) {
      return { kind: 'stored', watermark: found.watermark, burntTokens: generation };
    }
    return { kind: 'overtaken', watermark: found.watermark };
  }
}

async function readBack(
  db: Database,
  first: MessageRows['message'],
  after: number,
): Promise<{ watermark: number; records: number } | null> {
  const rows = await db.read(committed, {
    stream: first.stream,
    after,
    since: wireInstant(first.enqueued_at_ms - dayMs),
  });
  const row = present(rows[0], 'an aggregate gives one row');
  return row.records === '0' ? null : { watermark: Number(row.watermark), records: Number(row.records) };
}

/** Nothing here may give up: a message that is not in the table must be tried until it is, or until we are stopped. */
export async function repeat<T>(asked: Asked, attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  return retryUntilDone(attempt, {
    signal: options.signal,
    onFailure: (error, tries) => options.onRetry(asked, error, tries),
  });
}

/** Tells of a retry under the name of what is retried. */
export function onRetryOf(notify: Notify, stream: string): RetryOptions['onRetry'] {
  return (asked, error, tries) => {
    const fields = { tries, error: error.message.slice(0, 500) };
    if (asked === 'hub') notify('hub_retry', stream, fields);
    else notify(classify(error).kind === 'permanent' ? 'database_refused' : 'database_retry', stream, fields);
  };
}
