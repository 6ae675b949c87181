import { expect, test } from 'vitest';
import { contiguous } from '../../ingest/worker.ts';

function messages(...numbers: number[]): Parameters<typeof contiguous>[0] {
  return numbers.map((sequence_number) => ({
    stream: 'namespace/hub/0',
    sequence_number,
    enqueued_at_ms: 0,
    body: new Uint8Array(0),
  }));
}

test.each([
  ['all that follows', [5, 6, 7], [5, 6, 7], null],
  ['not what is stored already', [3, 4, 5, 6], [5, 6], null],
  ['nothing of what is stored already', [3, 4], [], null],
  ['a message that comes twice once', [5, 5, 6], [5, 6], null],
  ['nothing after a gap at the start', [6, 7], [], 6],
  ['nothing after a gap in the middle, which would be a hole in the table', [5, 6, 9, 10], [5, 6], 9],
])('of what the hub delivers is stored %s', (_, received, stored, gapBefore) => {
  expect(contiguous(messages(...received), 5)).toEqual({ next: messages(...stored), gapBefore });
});
