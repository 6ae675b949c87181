import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeMessage } from '../../ingest/decode.ts';
import { ticksMs, wireTicks } from '../../ingest/ticks.ts';
import type { Event } from '../../ingest/event.ts';
import { messageAt } from './fixtures.ts';

/** API Management's limit of a policy event. */
const limit = 200 * 1024;

function decodedBytes(bytes: Uint8Array): Event | undefined {
  const decoded = decodeMessage({ ...messageAt(7, ''), body: bytes });
  expect(decoded.length).toBe(1);
  return decoded[0]?.event;
}

const usage = { promptTokens: 15_000, responseTokens: 5_000, totalTokens: 20_000 };
const hub = {
  id: 'chatcmpl-1',
  gatewayName: 'apim-contoso',
  productName: 'AI-Retail',
  timestamp: '5/24/2026 2:45:56 PM',
};

test('a policy event that is cut keeps the members before the cut, is marked, and its counts are no longer exact', () => {
  const body = JSON.stringify({ ...hub, ...usage, answer: `SECRET ${'x'.repeat(limit)}` }, null, 2);
  const event = decodedBytes(Buffer.from(body).subarray(0, limit));
  expect(event).toMatchObject({
    kind: 'call',
    fields: { usage_input_tokens: 15_000, usage_output_tokens: 5_000, truncated: true, usage_quality: 'partial' },
  });
  expect(JSON.stringify(event)).not.toContain('SECRET');
});

test('wherever it is cut, no digit of a number is lost and no character is half', () => {
  const wide = '界'.repeat(limit / 3);
  const body = Buffer.from(JSON.stringify({ ...hub, answer: wide, ...usage, endUserId: '界' }));
  fc.assert(
    fc.property(fc.integer({ min: limit, max: body.length - 1 }), (end) => {
      const event = decodedBytes(body.subarray(0, end));
      if (event?.kind === 'rejected') {
        expect(event.reason).toBe('truncated');
      } else {
        if (event?.kind !== 'call') throw new Error(`a call is no ${event?.kind}`);
        expect([null, 15_000]).toContain(event.fields.usage_input_tokens);
        expect([null, 5_000]).toContain(event.fields.usage_output_tokens);
        expect([null, 20_000]).toContain(event.fields.usage_total_tokens);
        expect(event.fields.truncated).toBe(true);
        expect(event.fields.usage_quality).not.toBe('exact');
      }
    }),
  );
});

test('what is not understood without the rest is kept whole, and a short text that breaks off is no cut event', () => {
  const unknown = Buffer.from(`{"a":1,"b":"${'x'.repeat(limit)}`);
  const [decoded] = decodeMessage({ ...messageAt(7, ''), body: unknown });
  expect(decoded?.event).toMatchObject({ kind: 'rejected', reason: 'truncated' });
  expect(decoded?.rejectedText).toHaveLength(unknown.length);
  const list = Buffer.from(`[{"a":1},{"b":"${'x'.repeat(limit)}`);
  expect(decodedBytes(list)).toMatchObject({ kind: 'rejected', reason: 'truncated' });
  const short = Buffer.from(JSON.stringify({ ...hub, ...usage }).slice(0, -5));
  expect(decodedBytes(short)).toMatchObject({ kind: 'rejected', reason: 'not_json' });
});

test('a text that begins like an HTTP message and is none stays a rejected text', () => {
  for (const text of ['request:later\nhello', 'response: 200\n', 'request:x', 'response:a\nHTTP/1.1 soon\n\n'])
    expect(decodedBytes(Buffer.from(text)), text).toMatchObject({ kind: 'rejected', reason: 'not_json' });
});

test('ticks that JSON has rounded are out by less than 11 µs, so that a millisecond is out by one at most', () => {
  const year2000 = 630_822_816_000_000_000n;
  const year2100 = 662_380_416_000_000_000n;
  fc.assert(
    fc.property(fc.bigInt({ min: year2000, max: year2100 - 100_000n }), fc.nat(10_000), (ticks, millisecond) => {
      const read = ticksMs(JSON.parse(String(ticks)) as number);
      const exact = Number(ticks - 621_355_968_000_000_000n) / 10_000;
      expect(Math.abs((read ?? Number.NaN) - exact)).toBeLessThan(0.011);
      const later = ticksMs(Number(ticks + BigInt(millisecond) * 10_000n));
      if (later !== null) expect(Math.abs(later - (read ?? Number.NaN) - millisecond)).toBeLessThan(0.022);
    }),
  );
  expect(wireTicks(ticksMs(638_515_262_815_394_200))).toBe('2024-05-17 07:04:41.539');
  for (const none of [0, -1, '1e18', 'soon', null, true, {}, 2 ** 62]) expect(ticksMs(none)).toBeNull();
});
