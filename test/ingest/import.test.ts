import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';
import { decodeMessage } from '../../ingest/decode.ts';
import { chunksOf } from '../../ingest/file.ts';

/* What archives look like after years of shippers, editors and full disks. */

const files = mkdtempSync(join(tmpdir(), 'gatemeter-archives-'));
afterAll(() => rmSync(files, { recursive: true, force: true }));

/** What a file with this content gives: how many records of each kind, and how many calls they name. */
async function read(content: string | Buffer): Promise<Record<string, number>> {
  const path = join(files, `archive-${crypto.randomUUID()}`);
  writeFileSync(path, content);
  const kinds: Record<string, number> = {};
  const calls = new Set<string>();
  for await (const { number, body } of chunksOf(path, () => {})) {
    for (const { event } of decodeMessage({ stream: 'import', sequence_number: number, enqueued_at_ms: 0, body })) {
      kinds[event.kind] = (kinds[event.kind] ?? 0) + 1;
      if (event.kind !== 'rejected' && event.kind !== 'dropped') calls.add(event.fields.call_id);
    }
  }
  return { ...kinds, calls: calls.size };
}

const record = (n: number): Record<string, unknown> => ({
  ApiId: 'openai',
  ResponseStatusCode: 200,
  BackendResponseTime: 12,
  RequestId: `0f3c6f8a-6f5e-4d5e-9c6a-${String(n).padStart(12, '0')}`,
  ServiceName: 'gw',
});
const many = Array.from({ length: 10_400 }, (_, n) => record(n));
const lines = (records: readonly unknown[]): string => records.map((one) => JSON.stringify(one)).join('\n');
const span = (n: number): unknown => ({
  traceId: 'a'.repeat(32),
  spanId: String(n).padStart(16, '0'),
  startTimeUnixNano: '1760000000000000000',
  endTimeUnixNano: '1760000001000000000',
  attributes: [
    { key: 'gen_ai.operation.name', value: { stringValue: 'chat' } },
    { key: 'gen_ai.request.model', value: { stringValue: 'gpt-4o' } },
  ],
});
const exported = (from: number): unknown => ({
  resourceSpans: [{ scopeSpans: [{ spans: Array.from({ length: 26 }, (_, n) => span(from + n)) }] }],
});

test.each([
  ['one document', JSON.stringify({ records: many })],
  ['one document over many lines', JSON.stringify({ records: many }, null, 1)],
  [
    'lines of 26 records each',
    lines(Array.from({ length: 400 }, (_, n) => ({ records: many.slice(n * 26, n * 26 + 26) }))),
  ],
  ['lines that are arrays', lines(Array.from({ length: 400 }, (_, n) => many.slice(n * 26, n * 26 + 26)))],
  ['lines that are export requests of spans', lines(Array.from({ length: 400 }, (_, n) => exported(n * 26)))],
])('more records than one message may have are all read from %s', async (_, content) => {
  expect(await read(content)).toEqual({ calls: 10_400, call: 10_400 });
});

test('what is left of a cut first line is rejected, and the lines after it are read', async () => {
  const content = `"ServiceName":"gw"}\n${lines(many.slice(0, 20))}\n{"ApiId":"ope`;
  expect(await read(content)).toEqual({ calls: 20, call: 20, rejected: 2 });
});

test('a line of many megabytes holds up no other, and is read as far as a record may be long', async () => {
  const long = JSON.stringify({ ...record(1), Note: '€'.repeat(6 * 1024 * 1024) });
  expect(await read([lines([record(0)]), long, lines([record(2)])].join('\n'))).toEqual({ calls: 3, call: 3 });
  expect(await read(`${lines([record(0)])}\n${'x'.repeat(17 * 1024 * 1024)}`)).toEqual({
    calls: 1,
    call: 1,
    rejected: 1,
  });
});

test('a line ends at its line feed and not at a line separator within a text', async () => {
  const note = { Note: 'one\u2028two\u2029three\u0085four' };
  const texts = lines([0, 1].map((n) => Object.assign(record(n), note)));
  expect(await read(texts)).toEqual({ calls: 2, call: 2 });
  expect(await read(`${texts}\n`.replaceAll('\n', '\r\n'))).toEqual({ calls: 2, call: 2 });
});

test.each([
  ['lines', (text: string) => Buffer.from(text)],
  ['packed lines', (text: string) => gzipSync(text)],
])('a byte order mark before %s is no part of them', async (_, pack) => {
  const three = many.slice(0, 3);
  for (const text of [lines(three), JSON.stringify(three, null, 1), JSON.stringify({ records: three }, null, 1)])
    expect(await read(pack(`\uFEFF${text}`))).toEqual({ calls: 3, call: 3 });
});

/** Bytes that pack badly, so that a packed file ends where it is cut and not at its beginning. */
const noisy = lines(many.map((_, n) => Object.assign(record(n), { Note: String(Math.imul(n, 2_654_435_761)) })));

test.each([
  ['packed lines that break off', gzipSync(noisy).subarray(0, -2_000), /unexpected end of file/],
  ['packed lines with a flipped bit', flipped(gzipSync(noisy)), /incorrect|invalid/],
  ['an array that breaks off', JSON.stringify(many.slice(0, 50)).slice(0, -40), /./],
  ['an array with a word in it', `[${JSON.stringify(record(1))}, nonsense]`, /./],
  [
    'a large object without records',
    JSON.stringify({ rows: 'x'.repeat(17 * 1024 * 1024) }),
    /without a list of records/,
  ],
])('%s end the import with the name of the file, and nothing is passed over in silence', async (_, content, reason) => {
  const failed = await read(content).then(
    () => 'no error',
    (error: Error) => `${error.name}: ${error.message}`,
  );
  expect(failed).toMatch(/^ConfigurationError: .*archive-[\w-]+ cannot be read to its end/);
  expect(failed).toMatch(reason);
});

function flipped(bytes: Buffer): Buffer {
  const at = bytes.length - 6;
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  return bytes;
}
