import { expect, test } from 'vitest';
import { messageRows } from '../../ingest/rows.ts';
import { decodeMessage } from '../../ingest/decode.ts';
import { messageAt } from './fixtures.ts';

/*
 * Records that are well formed and absurd: none may hold up what follows it, or give a number that a column cannot hold.
 */

const kongRecord = {
  request: { id: '7c1d0a4be5f2439c8d6700000000a006' },
  latencies: { request: 5 },
  started_at: 1_787_217_331_446,
};
const apintoRecord = { request_id: 'a1', msec: 1_787_217_331_446, proxy_status: 200, status: 200 };

test('a list of more tries than any gateway makes says nothing of how many there were', () => {
  const many = Array.from({ length: 70_000 }, () => ({}));
  const attempts = [
    { ...kongRecord, tries: many },
    { ...apintoRecord, proxies: many },
    { ...kongRecord, tries: many.slice(0, 3) },
    { ...apintoRecord, proxies: many.slice(0, 3) },
  ].map((record) => {
    const [decoded] = decodeMessage(messageAt(0, record));
    return decoded !== undefined && 'fields' in decoded.event ? decoded.event.fields.attempts : decoded?.event;
  });
  expect(attempts).toEqual([null, null, 3, 3]);
});

test('the time of a back end in a unit that nobody knows is unknown, and the call is counted', () => {
  const record = { ...apintoRecord, request_time: 4_312, response_time: 4.309, ai_model: 'm', ai_provider: 'openai' };
  const [decoded] = decodeMessage(messageAt(0, record));
  expect(decoded?.event).toMatchObject({ kind: 'call', fields: { duration_ms: 4_312, backend_ms: null } });
});

test('a part of a message with an absurd number is rejected, and does not make billions of missing parts', () => {
  const [decoded] = decodeMessage(
    messageAt(0, {
      category: 'GatewayLlmLogs',
      time: '2026-08-20T09:15:31Z',
      properties: { correlationId: 'c', sequenceNumber: 2_000_000_000, responseMessages: '[' },
    }),
  );
  expect(decoded?.event).toMatchObject({ kind: 'rejected', reason: 'number_out_of_range' });
});

function kinds(message: unknown): unknown {
  return decodeMessage(messageAt(0, message)).map(({ event }) => [event.kind, 'reason' in event ? event.reason : '']);
}

test('spans under another name than theirs are kept as not understood, and an export without any is nothing', () => {
  expect(kinds({ resourceSpans: [{ scope_spans: [{ spans: [{}] }] }] })).toEqual([['rejected', 'unknown_format']]);
  expect(kinds({ resourceSpans: [] })).toEqual([['dropped', 'no_records']]);
});

test.each([
  ['a chain, each span below the one before', (n: number) => n - 1],
  ['a star, all below one', () => 0],
  ['a ring', (n: number) => (n + 9_999) % 10_000],
])('a message of ten thousand spans that are %s is read at once', (_what, parent) => {
  const spans = Array.from({ length: 10_000 }, (_, n) => ({
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    spanId: n.toString(16).padStart(16, '0'),
    parentSpanId: parent(n) < 0 ? '' : parent(n).toString(16).padStart(16, '0'),
    startTimeUnixNano: '1787217331446000000',
    attributes: [
      { key: 'gen_ai.operation.name', value: { stringValue: n % 2 === 0 ? 'chat' : 'invoke_agent' } },
      { key: 'http.request.method', value: { stringValue: 'POST' } },
    ],
  }));
  const began = performance.now();
  const { rows } = messageRows(messageAt(0, { resourceSpans: [{ scopeSpans: [{ spans }] }] }));
  expect(rows.length).toBe(10_000);
  // Walks down from each span take minutes here; the bound is far above what a slow machine needs.
  expect(performance.now() - began).toBeLessThan(20_000);
});
