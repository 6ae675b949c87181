import fc from 'fast-check';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { decodeMessage } from '../../ingest/decode.ts';
import { noFields, type Event } from '../../ingest/event.ts';
import type { Format } from '../../ingest/format.ts';
import { readMapping } from '../../ingest/mapping.ts';
import { readMappings } from '../../ingest/mapping_file.ts';
import { parsePath, valueAt } from '../../ingest/mapping_path.ts';
import { parseJson, Reader, type JsonObject } from '../../ingest/reader.ts';
import { messageRows } from '../../ingest/rows.ts';
import { messageAt } from './fixtures.ts';
import { inventedTokens } from './invented.ts';
import { apigeeRecord, hoopRecord, nginxRecord, samples } from './mapping-samples.ts';
import { readings } from './mapping-readings.ts';
import { mutatedMessages } from './mutations.ts';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000_000);
const mutations = Number(process.env['MUTATIONS'] ?? 2_000);
console.log(`mapping.test.ts runs with SEED=${seed} MUTATIONS=${mutations}`);

const folder = new URL('../../docs/mappings/', import.meta.url).pathname;
const files = ['hoop.json', 'apigee.json', 'nginx.json'].map((name) => join(folder, name));
const declared = readMappings(files);

function first(record: JsonObject, formats: readonly Format[] = declared): Event | undefined {
  return decodeMessage(messageAt(0, record), formats)[0]?.event;
}

/** What is set of an event, with its kind. */
function sparse(event: Event | undefined): Record<string, unknown> {
  if (event === undefined || !('fields' in event)) return { ...event };
  const set = Object.entries(event.fields).filter(
    ([name, value]) => JSON.stringify(value) !== JSON.stringify(noFields[name as keyof typeof noFields]),
  );
  return { kind: event.kind, ...Object.fromEntries(set) };
}

describe('the mapping files of the documentation', () => {
  test.each(samples)('$file reads a record as its gateway means it', ({ file, record, becomes }) => {
    const event = first(record);
    expect(event?.kind === 'dropped' ? '' : event?.source).toBe(`generic_${file.replace('.json', '')}`);
    expect(sparse(event)).toEqual(becomes);
    if (event !== undefined && 'unknown_fields' in event) expect(event.unknown_fields).toEqual([]);
  });

  test('let no body, key or query string through', () => {
    for (const { record } of samples)
      for (const row of messageRows(messageAt(0, record), { declared }).rows)
        expect(row.content).not.toContain('SECRET');
  });

  test('are shown whole in the guide', () => {
    const guide = readFileSync(new URL('../../docs/connect-any-gateway.md', import.meta.url), 'utf8');
    for (const file of files) expect(guide, file).toContain(readFileSync(file, 'utf8').trim());
  });

  test.each([hoopRecord, apigeeRecord, nginxRecord])('no mutation of a record throws or invents a token', (record) => {
    fc.assert(
      fc.property(mutatedMessages([record]), (text) => {
        const message = messageAt(7, text);
        for (const row of messageRows(message, { declared }).rows) {
          expect(row.reason).not.toBe('decoder_failed');
          if (row.kind !== 'rejected') expect(row.content).not.toContain('SECRET');
        }
        expect(inventedTokens(message, declared).invented).toEqual([]);
      }),
      { seed, numRuns: mutations },
    );
  });
});

const minimal = {
  name: 'own',
  kind: 'call',
  recognise: { present: ['own'] },
  gateway: { constant: 'own' },
  fields: {},
};

function formatOf(mapping: unknown): Format[] {
  const read = readMapping(mapping);
  if (read.kind === 'problems') throw new Error(read.problems.join('\n'));
  return [read.format];
}

test.each(readings)('a mapping reads %s', (_what, fields, record, becomes) => {
  const event = first({ own: 1, ...record }, formatOf({ ...minimal, fields }));
  if ('reason' in becomes) expect(event).toEqual({ kind: 'rejected', source: 'generic_own', ...becomes });
  else expect(sparse(event)).toEqual({ kind: 'call', call_id: 'fixtures/hub/0/0/0', gateway: 'own', ...becomes });
});

test('a record whose mapped id is missing is rejected, and an id of a gateway alone carries its name', () => {
  const mapping = formatOf({ ...minimal, id: ['rid', 'x.id'] });
  expect(first({ own: 1 }, mapping)).toMatchObject({
    reason: 'missing_correlation_id',
    detail: 'rid, x.id is missing',
  });
  expect(first({ own: 1, x: { id: 7 } }, mapping)).toMatchObject({ fields: { call_id: 'own/7' } });
});

test('a response of any provider gives usage, tier, model and id, and nothing else', () => {
  const mapping = formatOf({ ...minimal, usage: { response: 'out', quality: 'estimated' } });
  const out = JSON.stringify({
    id: 'msg_1',
    model: 'claude-opus-5',
    content: 'SECRET',
    usage: { input_tokens: 5, output_tokens: 6, cache_read_input_tokens: 7, service_tier: 'batch' },
  });
  expect(sparse(first({ own: 1, out }, mapping))).toMatchObject({
    response_model: 'claude-opus-5',
    response_id: 'msg_1',
    service_tier: 'batch',
    usage_input_tokens: 5,
    usage_cache_read_input_tokens: 7,
    usage_output_tokens: 6,
    usage_quality: 'estimated',
  });
});

/** A mapping of single counts that include one another, or do not. */
function usage(includes: boolean): JsonObject {
  return {
    counts: { input: 'i', cache_read_input: 'c', output: 'o', reasoning_output: 'r', total: 't' },
    input_includes_cached: includes,
    output_includes_reasoning: includes,
    quality: 'exact',
  };
}

test('single counts become disjoint kinds by what the mapping says of them', () => {
  const record = { own: 1, i: 10, c: 4, o: 9, r: 5, t: 19 };
  const kinds = { usage_cache_read_input_tokens: 4, usage_reasoning_output_tokens: 5, usage_total_tokens: 19 };
  expect(sparse(first(record, formatOf({ ...minimal, usage: usage(true) })))).toMatchObject({
    usage_input_tokens: 6,
    usage_output_tokens: 4,
    ...kinds,
  });
  expect(sparse(first(record, formatOf({ ...minimal, usage: usage(false) })))).toMatchObject({
    usage_input_tokens: 10,
    usage_output_tokens: 9,
    ...kinds,
  });
  expect(first({ ...record, c: 11 }, formatOf({ ...minimal, usage: usage(true) }))).toMatchObject({
    reason: 'number_out_of_range',
  });
  expect(first({ own: 1, u: 'text' }, formatOf({ ...minimal, usage: { path: 'u' } }))).toMatchObject({
    detail: 'u is not an object',
  });
});

test('everything that is wrong with a mapping is said at once, with its place and what to write instead', () => {
  const read = readMapping({
    name: 'Own Gateway',
    kind: 'calls',
    recognise: {},
    gateway: {},
    id: 'a..b',
    colour: 'red',
    fields: {
      consumer: 'x',
      usage_input_tokens: 'x',
      duration_ms: { path: 'd', unit: 'minutes' },
      region: { path: 'r', unit: 's' },
      user_id: ['u', { path: 'request.messages[0]' }],
      api_id: { path: 'headers.authorization' },
      product_id: { constant: 'a', path: 'b' },
      request_bytes: { path: 'n', size: 1 },
      started_at: { between: ['a', 'b'] },
    },
    usage: { counts: { input: 'i', cache_read_input: 'c' }, path: 'u' },
  });
  expect(read.kind).toBe('problems');
  const problems = read.kind === 'problems' ? read.problems.join('\n') : '';
  for (const said of [
    'name must be lower case letters, digits and _, at most 40',
    'kind must be call (a whole call), gateway (caller and timing), usage (tokens only) or backend',
    'recognise would match every record; name a constant or a path that only this gateway has',
    'gateway needs exactly one of path, constant and between',
    'id "a..b" is no path; write names with dots',
    'the file has the unknown name colour; correct or remove it',
    'fields.request_bytes has the unknown name size; correct or remove it',
    'fields.product_id needs exactly one of path, constant and between',
    'usage needs exactly one of path (a usage object), response (a whole response) and counts (single numbers)',
    'usage.input_includes_cached is missing; say whether the one count includes the other',
    "usage.quality is missing; say exact (the provider's counts)",
  ])
    expect(problems).toContain(said);

  const columns = readMapping({
    ...minimal,
    fields: {
      consumer: 'x',
      usage_input_tokens: 'x',
      duration_ms: { path: 'd', unit: 'minutes' },
      region: { path: 'r', unit: 's' },
      user_id: ['u', { path: 'request.messages[0]' }],
      api_id: { path: 'headers.authorization' },
      started_at: { between: ['a', 'b'] },
      backend: { path: 'b', list: 'sum' },
    },
  });
  const wrong = columns.kind === 'problems' ? columns.problems : [];
  expect(wrong.length).toBe(8);
  expect(wrong[0]).toMatch(/^fields\.consumer is no column that a mapping fills; known are consumer_id, /);
  expect(wrong.slice(1)).toEqual([
    'fields.usage_input_tokens tokens are mapped under "usage", which keeps their kinds disjoint',
    'fields.duration_ms the unit "minutes" is unknown here; use ms, s, us, ns',
    'fields.region the unit "s" means nothing here; remove it',
    'fields.user_id[1] "messages" is a name of message text, query strings or keys, which never reach a column; map an id, a code or a model',
    'fields.api_id "authorization" is a name of message text, query strings or keys, which never reach a column; map an id, a code or a model',
    'fields.started_at "between" gives a duration; use a path',
    'fields.backend "list": "sum" gives a number; use first or last',
  ]);
});

test('what names the call and its gateway is no message text, key or query string either', () => {
  const read = readMapping({ ...minimal, gateway: 'http.query', id: ['rid', 'request.headers.authorization'] });
  const problems = read.kind === 'problems' ? read.problems : [];
  const never = 'is a name of message text, query strings or keys, which never reach a column';
  expect(problems.map((problem) => problem.split(';')[0])).toEqual([
    `gateway "query" ${never}`,
    `id[1] "authorization" ${never}`,
  ]);
});

test('a mapping comes before the formats that are built in, also for a category that one of them reads', () => {
  const declared = formatOf({ ...minimal, recognise: { present: ['properties.own'] } });
  const record = { category: 'GatewayLogs', time: '2026-08-20T09:15:31Z', correlationId: 'c' };
  expect(first({ ...record, properties: { own: 1 } }, declared)).toMatchObject({ source: 'generic_own' });
  expect(first({ ...record, properties: {} }, declared)).toMatchObject({ source: 'apim_gateway' });
});

test('consumers whose names begin like keys stay two', () => {
  const mapping = formatOf({ ...minimal, fields: { consumer_id: 'c' } });
  const consumers = ['sk-telecom', 'sk-hynix', 'pk-retail', 'sk-proj-Ab3xYz90', 'sk-1234', 'sk-ant-api03-aBc'].map(
    (c) => sparse(first({ own: 1, c }, mapping))['consumer_id'],
  );
  expect(consumers).toEqual([
    'sk-telecom',
    'sk-hynix',
    'pk-retail',
    ...Array.from({ length: 3 }, () => 'sk-[redacted]'),
  ]);
});

function parsed(given: unknown): unknown {
  return typeof given === 'string' ? (parseJson(given) ?? given) : given;
}

test('whatever a mapping file says, it is a format or a list of problems', () => {
  const base = JSON.parse(readFileSync(String(files[2]), 'utf8')) as JsonObject;
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), mutatedMessages([base])), (given) => {
      const read = readMapping(parsed(given));
      if (read.kind === 'problems') expect(read.problems.length).toBeGreaterThan(0);
      else
        for (const row of messageRows(messageAt(0, nginxRecord), { declared: [read.format] }).rows)
          expect(row.reason).not.toBe('decoder_failed');
    }),
    { seed, numRuns: 2_000 },
  );
});

test('every problem of every file is in one error: unreadable, no JSON, no mapping, twice the same name', () => {
  const place = mkdtempSync(join(tmpdir(), 'mappings-'));
  const [broken, wrong] = [join(place, 'broken.json'), join(place, 'wrong.json')];
  writeFileSync(broken, '{');
  writeFileSync(wrong, JSON.stringify({ ...minimal, kind: 'x' }));
  const read = (): Format[] => readMappings([...files, String(files[0]), join(place, 'none.json'), broken, wrong]);
  expect(read).toThrow(/the mapping files have 4 problem\(s\)/);
  expect(read).toThrow(/hoop\.json: name is that of an earlier file; give each mapping its own name/);
  expect(read).toThrow(/none\.json: the file cannot be read \(ENOENT[^)]*\); correct the path/);
  expect(read).toThrow(/broken\.json: the file is not JSON/);
  expect(read).toThrow(/wrong\.json: kind must be call/);
});

test('a path is what it looks like, in any casing, through JSON texts', () => {
  const record = new Reader({ A: { b: '[{"C.d":{"e":1}}]' }, __proto__x: 2 });
  expect(valueAt(record, parsePath('a.B[0]["c.D"].E') ?? [])).toBe(1);
  for (const text of ['', '.', 'a.', '.a', 'a[', 'a[x]', 'a]', '[0', 'a b\n', 'a..b', 'a[12345]', 'a'.repeat(600)])
    expect(parsePath(text), text).toBeNull();
  expect(valueAt(new Reader({}), parsePath('constructor.name') ?? [])).toBeUndefined();
});
