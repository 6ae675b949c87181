import { messageRows } from '../../ingest/rows.ts';
import { loadMessages } from './load.ts';
import { best, report, timed } from './part.ts';

// Decoding alone, over messages in memory; the first round warms the compiler up.
const input = JSON.parse(process.argv[2] ?? '') as { endsAtMs: number };
const messages = (await loadMessages(input.endsAtMs)).map(({ body }, sequence_number) => ({
  stream: 'bench/decode/0',
  sequence_number,
  enqueued_at_ms: input.endsAtMs,
  body: Buffer.from(body),
}));
let events = 0;
for (const message of messages) events += messageRows(message).rows.length;
const measure = await best(3, async () =>
  timed({ messages: messages.length, events }, () => {
    for (const message of messages) messageRows(message);
  }),
);
report(measure);
