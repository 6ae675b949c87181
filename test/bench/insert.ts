import { openDatabase, type DatabaseConfig } from '#clickhouse/client.ts';
import { events } from '#clickhouse/tables.ts';
import { insertLines, messageRows } from '../../ingest/rows.ts';
import { loadMessages } from './load.ts';
import { report, timed } from './part.ts';

// The bare insert: ready-made batches of 10,000 rows, one after the other, without reading back.
const input = JSON.parse(process.argv[2] ?? '') as { config: DatabaseConfig; endsAtMs: number; round: number };
const rowsPerBatch = 10_000;
const messages = await loadMessages(input.endsAtMs);
const lines = messages.flatMap(({ body }, sequence_number) => {
  const stream = `bench/insert/${input.round}`;
  const rows = messageRows({ stream, sequence_number, enqueued_at_ms: input.endsAtMs, body: Buffer.from(body) });
  return insertLines([rows], -1).trimEnd().split('\n');
});
const batches: Buffer[] = [];
for (let at = 0; at < lines.length; at += rowsPerBatch)
  batches.push(Buffer.from(`${lines.slice(at, at + rowsPerBatch).join('\n')}\n`));
const db = openDatabase(input.config, 'bench');
await db.ping();
const measure = await timed({ messages: messages.length, events: lines.length }, async () => {
  for (const [index, batch] of batches.entries()) await db.insert(events, batch, `bench/${input.round}/${index}`);
});
report(measure);
await db.close();
process.exit(0);
