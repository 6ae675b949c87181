import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { events } from '#clickhouse/tables.ts';
import { decodeMessage } from '../../ingest/decode.ts';
import { recordsPerMessageMax } from '../../ingest/envelope.ts';
import { messageRows, rejectedBytesMax, type EventRow } from '../../ingest/rows.ts';
import type { Message } from '../../ingest/message.ts';
import { fixtures, messageAt } from './fixtures.ts';
import { mutated, mutatedText } from './mutations.ts';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000_000);
console.log(`decode.test.ts runs with SEED=${seed}`);

const columns = Object.keys(events.columns);
const contentColumns = columns.slice(columns.indexOf('kind'));

function bytes(body: Uint8Array): Message {
  return { ...messageAt(7, ''), body };
}

/** What every row promises, whatever the bytes were. */
function expectRows(rows: readonly EventRow[]): void {
  expect(rows.length).toBeGreaterThan(0);
  expect(rows.map((row) => row.record_index)).toEqual(rows.map((_, index) => index));
  for (const row of rows) {
    const values = JSON.parse(`[${row.content}]`) as unknown[];
    expect(values.flat().filter((value) => typeof value === 'string' && !value.isWellFormed())).toEqual([]);
    expect(values.length).toBe(contentColumns.length);
    expect(['call', 'gateway', 'usage', 'backend', 'lifecycle', 'metric', 'dropped', 'rejected']).toContain(values[0]);
    // A decoder that threw is caught, and is a bug all the same.
    expect(row.reason).not.toBe('decoder_failed');
    expect(row.reason === '').toBe(values[0] !== 'dropped' && values[0] !== 'rejected');
  }
}

describe('whatever the bytes are, they have rows and nothing is thrown', () => {
  const anyText = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.json({ maxDepth: 5 }),
    fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.stringify({ records: [value] })),
    fc.constantFrom(...Object.getOwnPropertyNames(Object.prototype)).map((name) => JSON.stringify({ category: name })),
    fc.tuple(fc.string(), fc.jsonValue()).map(([category, properties]) => JSON.stringify({ category, properties })),
    mutatedText,
  );

  test('any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (body) => expectRows(messageRows(bytes(body)).rows)),
      { seed, numRuns: 500 },
    );
  });

  test('any text, any JSON, any mutation of a known record', () => {
    fc.assert(
      fc.property(anyText, (text) => expectRows(messageRows(messageAt(7, text)).rows)),
      { seed, numRuns: 4_000 },
    );
  });

  test('nesting deeper than any stack', () => {
    for (const depth of [10_000, 400_000]) {
      const deep = `${'['.repeat(depth)}${']'.repeat(depth)}`;
      for (const text of [deep, `{"records":[{"a":${deep}}]}`, `{"category":"GatewayLogs","properties":${deep}}`])
        expectRows(messageRows(messageAt(7, text)).rows);
    }
  });

  test('the largest message of a hub, of records or of one text', () => {
    const many = messageRows(messageAt(7, `[${'1,'.repeat(524_000)}1]`)).rows;
    expect(many.map((row) => row.reason)).toEqual(['too_many_records']);
    const [long] = messageRows(messageAt(7, '\u00e4'.repeat(524_288)), { keep: 'all' }).rows;
    const kept = JSON.parse(`[${long?.content}]`) as unknown[];
    expect(String(kept[contentColumns.indexOf('body')]).length).toBe(rejectedBytesMax / 2);
    expect(kept[contentColumns.indexOf('body_bytes')]).toBe(1_048_576);
  });

  test('an envelope of as many records as a batch may have has a row for each, and with one more is refused whole', () => {
    const most = Array.from({ length: recordsPerMessageMax }, () => ({}));
    const rows = messageRows(messageAt(7, { records: most })).rows;
    expect(rows.length).toBe(recordsPerMessageMax);
    expectRows(rows);
    expect(messageRows(messageAt(7, { records: [...most, {}] })).rows.length).toBe(1);
  });
});

test('the same message gives the same rows, and another place of the hub the same content', () => {
  fc.assert(
    fc.property(mutatedText, fc.nat(), (text, sequence_number) => {
      const rows = messageRows(messageAt(7, text)).rows;
      expect(messageRows(messageAt(7, text)).rows).toEqual(rows);
      const elsewhere = messageRows({ ...messageAt(7, text), sequence_number }).rows;
      for (const [index, row] of rows.entries()) {
        // A record without any id has no other identity than its place.
        if (!row.content.includes('"fixtures/hub/0/')) expect(elsewhere[index]?.record_hash).toBe(row.record_hash);
      }
    }),
    { seed, numRuns: 500 },
  );
});

const canary = 'CANARY7f3a';

/** Puts the canary wherever a gateway logs what a caller said: addresses, headers, bodies, messages, errors. */
function withSecrets(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(withSecrets);
  if (typeof json !== 'object' || json === null) return json;
  const entries = Object.entries(json).map(([name, value]): [string, unknown] => {
    if (/url$/i.test(name))
      return [name, `${String(value).split('?')[0]}?api-key=${canary}&a=${'x'.repeat(2_000)}#${canary}`];
    if (name.toLowerCase() === 'properties' && typeof value === 'object')
      return [name, withSecrets({ ...value, ...secrets })];
    if (/^(lasterror|usage)$/i.test(name) && typeof value === 'object' && value !== null)
      return [name, { ...(withSecrets(value) as object), message: canary, path: canary, prompt: canary }];
    return [name, withSecrets(value)];
  });
  return Object.fromEntries(entries);
}

const secrets = {
  requestHeaders: { authorization: canary },
  responseHeaders: { [canary]: canary },
  requestBody: canary,
  responseBody: canary,
  backendRequestBody: canary,
  backendResponseBody: canary,
  traceRecords: [{ a: canary }],
  backendRequestHeaders: { k: canary },
  backendResponseHeaders: { k: canary },
  errors: [{ message: canary }],
  requestMessages: canary,
  responseMessages: [{ content: canary }],
  callerIpAddress: canary,
};

test('no secret reaches a column: keys in addresses, headers, bodies and messages stay outside, but for the bytes of a rejected record', () => {
  const at = contentColumns.indexOf('body');
  let understood = 0;
  const check = (body: unknown): void => {
    for (const row of messageRows(messageAt(7, JSON.stringify(body) ?? 'null')).rows) {
      const values = JSON.parse(`[${row.content}]`) as unknown[];
      if (row.kind === 'rejected') values[at] = '';
      else understood += 1;
      expect(JSON.stringify(values)).not.toContain(canary);
    }
  };
  for (const body of fixtures().flatMap((fixture) => fixture.messages)) check(withSecrets(body));
  expect(understood).toBeGreaterThan(40);
  fc.assert(
    fc.property(mutated, (body) => check(withSecrets(body))),
    { seed, numRuns: 1_500 },
  );
});

/** The records of a message; none of those of tables, whose names stand apart, and of exported spans. */
function recordsIn(body: unknown): Record<string, unknown>[] {
  if (Array.isArray(body)) return body.flatMap(recordsIn);
  if (typeof body !== 'object' || body === null) return [];
  const inside = Object.entries(body).find(([name]) =>
    /^(?:records|tables|result|resourceSpans)$/i.test(name),
  )?.[1] as unknown;
  if (inside === undefined) return [body as Record<string, unknown>];
  return 'columns' in body || !Array.isArray(inside) ? [] : inside.flatMap(recordsIn);
}

test('a name that is new in a record is counted, and changes nothing else', () => {
  const seen = new Set<string>();
  for (const { source, messages } of fixtures()) {
    for (const body of messages.filter((message) => typeof message === 'object')) {
      const before = decodeMessage(messageAt(7, body)).map(({ event }) => event);
      const copy = structuredClone(body);
      const records = recordsIn(copy);
      if (
        source === 'otel' ||
        records.length === 0 ||
        records.some((record) => 'columns' in record || 'columnDescriptors' in record)
      )
        continue;
      for (const record of records) record['brandNewName'] = 1;
      for (const [index, { event }] of decodeMessage(messageAt(7, copy)).entries()) {
        if (!('fields' in event)) continue;
        const { unknown_fields, ...rest } = event;
        expect(unknown_fields, source).toContain('brandNewName');
        expect(before[index]).toMatchObject(rest);
        seen.add(event.source);
      }
    }
  }
  expect(seen.size).toBeGreaterThan(18);
});

/** What opens doors, as it may be pasted into any field of a gateway's configuration. */
const doors = [
  `Bearer ${canary}`,
  `bearer eyJhbGciOi.${canary}.x`,
  `Basic ${canary}0aWQ6`,
  `sk-proj-${canary}`,
  `https://h/p?api-key=${canary}`,
  `https://u:${canary}@h/p`,
  `sv=1&sig=${canary}`,
  `GET /v1/x?key=${canary}`,
];

/** The records in which one text is another, one record for each text that stands in this one. */
function* replaced(json: unknown, by: string, root: unknown = json, path: readonly string[] = []): Generator {
  if (typeof json === 'string') {
    const copy = structuredClone({ root }) as Record<string, unknown>;
    const place = path
      .slice(0, -1)
      .reduce((at, name) => at[name] as Record<string, unknown>, copy['root'] as Record<string, unknown>);
    const last = path.at(-1);
    if (last !== undefined) place[last] = by;
    yield copy['root'];
  } else if (typeof json === 'object' && json !== null)
    for (const [name, value] of Object.entries(json)) yield* replaced(value, by, root, [...path, name]);
}

test('a key, a token or a query string goes no further, whatever field of a known record it stands in', () => {
  let understood = 0;
  let at = seed;
  for (const body of fixtures().flatMap((fixture) => fixture.messages)) {
    at += 1;
    for (const record of replaced(body, doors[at % doors.length] ?? '')) {
      // A third of the fields, by the seed others each time.
      at += 1;
      if (at % 3 !== 0) continue;
      for (const row of messageRows(messageAt(7, record)).rows) {
        if (row.kind !== 'rejected') understood += 1;
        if (row.content.includes(canary)) expect.unreachable(row.content);
      }
    }
  }
  expect(understood).toBeGreaterThan(1_000);
});

/** A column of a gateway's record of this subscription. */
function gatewayColumn(apimSubscriptionId: string, name: string): unknown {
  const properties = { correlationId: 'c', apimSubscriptionId, productId: 'Basic subscription' };
  const [row] = messageRows(messageAt(0, { category: 'GatewayLogs', time: '2026-08-20T09:15:31Z', properties })).rows;
  return (JSON.parse(`[${row?.content}]`) as unknown[])[contentColumns.indexOf(name)];
}

test('two keys that somebody took for names stay two consumers, and a plan called Basic stays what it is', () => {
  const names = ['sk-proj-Ab3xYz9012', 'sk-proj-Cd4xYz9012', 'retail-app', 'sk-telecom'];
  const found = names.map((name) => gatewayColumn(name, 'consumer_id'));
  expect(new Set(found).size).toBe(4);
  expect(found.slice(2)).toEqual(['retail-app', 'sk-telecom']);
  expect(String(found[0])).toMatch(/^sk-\[redacted\] \d+$/);
  expect(gatewayColumn('retail-app', 'product_id')).toBe('Basic subscription');
});
