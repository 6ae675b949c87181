import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Database } from '#clickhouse/client.ts';
import { events } from '#clickhouse/tables.ts';
import { positions } from '#clickhouse/ledger.ts';
import { insertLines, messageRows, type MessageRows } from '../../ingest/rows.ts';
import { openSchema, type Schema } from './schema.ts';
import { fixtures, messageAt } from './fixtures.ts';
import { mutatedText } from './mutations.ts';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000_000);
console.log(`rows.test.ts runs with SEED=${seed}`);

let schema: Schema;
let db: Database;
beforeAll(async () => {
  schema = await openSchema();
  db = schema.db;
});
afterAll(async () => schema.close());

const columns = Object.entries(events.columns);

/** A value as it was inserted and as the database gives it back, brought to one writing. */
function plain(value: unknown, type: string): unknown {
  if (value === null) return null;
  if (Array.isArray(value)) return value.map(String);
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return type.includes('DateTime64') ? text.replace('T', ' ').replace('Z', '') : text;
}

async function stored(stream: string): Promise<unknown[][]> {
  const rows = await db.query<Record<string, unknown>>(
    'SELECT * FROM events WHERE stream = {stream:String} ORDER BY sequence_number, record_index',
    { stream },
  );
  return rows.map((row) => columns.map(([name, type]) => plain(row[name], type)));
}

/** `prev` is the watermark of the batch, which differs from row to row. */
function withoutPrev(rows: unknown[][]): unknown[][] {
  return rows.map((row) => row.toSpliced(3, 1));
}

async function expectStored(stream: string, bodies: readonly (string | Uint8Array)[]): Promise<void> {
  const messages = bodies.map((body, index): MessageRows => {
    const message = { ...messageAt(index, ''), stream, body: typeof body === 'string' ? Buffer.from(body) : body };
    return messageRows(message);
  });
  for (let start = 0; start < messages.length; start += 1_000) {
    const batch = messages.slice(start, start + 1_000);
    await db.insert(events, insertLines(batch, start - 1), `${stream}/${start - 1}/0`);
  }
  const lines = insertLines(messages, 0).trimEnd().split('\n');
  const inserted = lines.map((line) =>
    (
      JSON.parse(line.replace(/^(\["[^"]*"),(\d+),(\d+),(-?\d+),("[^"]*"),"(\d+)"/, '$1,$2,$3,$4,$5,"$6"')) as unknown[]
    ).map((value, index) => plain(value, columns[index]?.[1] ?? '')),
  );
  const found = await stored(stream);
  expect(found.length).toBe(inserted.length);
  expect(withoutPrev(found)).toEqual(withoutPrev(inserted));
  const position = (await db.read(positions, {})).find((row) => row.stream === stream);
  expect(position).toMatchObject({ messages: String(bodies.length), records: String(inserted.length), missing: '0' });
}

test('every row of every fixture is in the table as it was decoded', async () => {
  await expectStored(
    'fixtures',
    fixtures().flatMap((fixture) =>
      fixture.messages.map((body) => (typeof body === 'string' ? body : JSON.stringify(body))),
    ),
  );
});

test('thousands of mutated records: none is refused by the database, none is changed or lost on the way', async () => {
  await expectStored('mutations', fc.sample(mutatedText, { numRuns: 5_000, seed }));
});

test('any bytes: what is no text is stored too', async () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
  );
  await expectStored('bytes', fc.sample(bytes, { numRuns: 1_000, seed }));
});

test('the largest numbers and the longest texts of every field are stored to the last digit', async () => {
  const text = '😀\u0000"\\\n'.repeat(170);
  const id = '0f3c6f8a-6f5e-4d5e-9c6a-000000000001';
  const big = Number.MAX_SAFE_INTEGER;
  const usage = { promptTokens: big, completionTokens: big, totalTokens: big, requestId: text, modelName: text };
  const gateway = {
    requestSize: big,
    responseSize: String(big),
    responseCode: 999,
    backendTime: 4_294_967_295,
    apiId: text,
  };
  const records = [
    { category: 'GatewayLlmLogs', time: '2099-12-31T23:59:59.999Z', properties: { correlationId: id, ...usage } },
    { category: 'GatewayLogs', time: '2000-01-01T00:00:00Z', properties: { correlationId: text, ...gateway } },
  ];
  await expectStored('largest', [JSON.stringify({ records })]);
  const [row] = await db.query<{ usage_total_tokens: string }>(
    "SELECT usage_total_tokens FROM events WHERE stream = 'largest' AND kind = 'usage'",
  );
  expect(row?.usage_total_tokens).toBe('9007199254740991');
});
