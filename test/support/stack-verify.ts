import type { Database } from '#clickhouse/client.ts';
import { pipeline } from '#clickhouse/pipeline.ts';
import { spend } from '#clickhouse/money.ts';
import { unfiltered, usage } from '#clickhouse/views.ts';
import type { TracedCall } from '../../local/trace.ts';
import { messageRows } from '../../ingest/rows.ts';
import { sealedByHand, type ExpectedCall, type Sent } from './stack-expected.ts';
import type { Stack } from './stack.ts';
import { until, notYet } from './stack-until.ts';

/** Totals as texts, so that nothing is rounded. */
export type Totals = { calls: string; input: string; output: string; listCost: string };

const everything = {
  from: '2000-01-01 00:00:00.000',
  to: '2100-01-01 00:00:00.000',
  step: '',
  tz: 'UTC',
  as_known_at: '2100-01-01 00:00:00.000',
  visible_tenants: ['*'],
  ...unfiltered,
  group_by: [],
  currency: '',
};

/** What the trace must come to: gpt-4o at 2.50 USD per million input and 10 USD per million output tokens. */
export function totalsOf(trace: readonly TracedCall[]): Totals {
  const input = trace.reduce((sum, call) => sum + call.input_tokens, 0);
  const output = trace.reduce((sum, call) => sum + call.output_tokens, 0);
  const tenMillionths = (BigInt(input) * 25n + BigInt(output) * 100n).toString().padStart(8, '0');
  const cost = `${tenMillionths.slice(0, -7)}.${tenMillionths.slice(-7)}`.replace(/\.?0+$/, '');
  return { calls: String(trace.length), input: String(input), output: String(output), listCost: cost };
}

/** What the views answer. */
export async function totals(db: Database): Promise<Totals> {
  const [used] = await db.read(usage, everything);
  const [spent] = await db.read(spend, everything);
  return {
    calls: used?.calls ?? '0',
    input: used?.input_tokens ?? '0',
    output: used?.output_tokens ?? '0',
    listCost: spent?.list_cost ?? '0',
  };
}

/** Waits until everything that was sent is stored and sealed, by every stream's own report. */
export async function settled(stack: Stack, deadlineMs: number = 60_000): Promise<void> {
  let state = '';
  await until(
    'everything sent is stored and sealed',
    async () => {
      const rows = new Map((await stack.db.read(pipeline, {})).map((row) => [row.stream, row]));
      const behind = [...stack.sent].filter(([stream, bodies]) => {
        const last = String(bodies.length - 1);
        const row = rows.get(stream);
        return bodies.length > 0 && (row?.watermark !== last || row.sealed_through !== last);
      });
      if (behind.length === 0) return true;
      state = behind
        .map(([stream, { length }]) => `${stream}: sent ${length}, ${JSON.stringify(rows.get(stream))}`)
        .join('\n');
      return notYet;
    },
    deadlineMs,
  ).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${state}`);
  });
}

/** Every way in which the tables differ from what was sent, one sentence each; empty when all is exact. */
export async function deviations(db: Database, sent: Sent): Promise<string[]> {
  return [...(await unbalanced(db, sent)), ...(await wrongRecords(db, sent)), ...(await wrongCalls(db, sent))];
}

async function unbalanced(db: Database, sent: Sent): Promise<string[]> {
  const rows = await db.read(pipeline, {});
  const found = rows
    .filter((row) => !row.balanced || row.missing !== '0' || row.received !== String(sent.get(row.stream)?.length ?? 0))
    .map((row) => `stream ${row.stream} is not balanced: ${JSON.stringify(row)}`);
  const [counted] = await db.query<{ messages: string; distinct: string; rows: string; distinct_rows: string }>(
    `SELECT countIf(record_index = 0) AS messages, uniqExactIf((stream, sequence_number), record_index = 0) AS distinct,
            count() AS rows, uniqExact(stream, sequence_number, record_index) AS distinct_rows FROM events`,
  );
  const expected = String([...sent.values()].reduce((sum, bodies) => sum + bodies.length, 0));
  if (counted?.messages !== expected || counted.distinct !== expected || counted.rows !== counted.distinct_rows)
    found.push(`messages sent ${expected}, stored ${JSON.stringify(counted)}`);
  return found;
}

/** Each stored message has exactly its records, by their hashes. */
export async function wrongRecords(db: Database, sent: Sent): Promise<string[]> {
  const rows = await db.query<{ stream: string; sequence_number: string; hashes: string[] }>(
    `SELECT stream, sequence_number, arrayMap(r -> toString(r.2), arraySort(groupArray((record_index, record_hash)))) AS hashes
     FROM events GROUP BY stream, sequence_number`,
  );
  const found: string[] = [];
  for (const { stream, sequence_number, hashes } of rows) {
    const body = sent.get(stream)?.[Number(sequence_number)];
    const message = {
      stream,
      sequence_number: Number(sequence_number),
      enqueued_at_ms: 0,
      body: body ?? new Uint8Array(0),
    };
    const expected = body === undefined ? [] : messageRows(message).rows.map((row) => row.record_hash);
    if (hashes.join() !== expected.join())
      found.push(
        `${stream} ${sequence_number}: ${expected.length} records were sent, ${hashes.length} others are stored`,
      );
  }
  return found.slice(0, 20);
}

export async function wrongCalls(db: Database, sent: Sent): Promise<string[]> {
  const expected = sealedByHand(sent);
  const names = Object.keys(expected[0] ?? { call_id: '' }) as (keyof ExpectedCall)[];
  const stored = await db.query<Record<string, unknown>>(
    `SELECT ${names.join(', ')} FROM calls FINAL ORDER BY call_id, started_at`,
  );
  const found: string[] = [];
  if (stored.length !== expected.length)
    found.push(`${expected.length} calls were sent, ${stored.length} are in calls`);
  const byId = new Map(stored.map((row) => [row['call_id'], row]));
  for (const call of expected) {
    const row = byId.get(call.call_id);
    if (row === undefined) {
      found.push(`call ${call.call_id} is missing`);
      continue;
    }
    const wrong = names.filter((name) => plain(row[name]) !== String(call[name]));
    if (wrong.length > 0)
      found.push(
        `call ${call.call_id}: ${wrong.map((name) => `${name} is ${String(row[name])}, by hand ${String(call[name])}`).join('; ')}`,
      );
  }
  return found.slice(0, 20);
}

/** 64-bit integers come as texts, instants as ISO 8601. */
function plain(value: unknown): string {
  return String(value).replace(/^(\d{4}-\d\d-\d\d)T([\d:.]+)Z$/, '$1 $2');
}
