import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { apiKeys } from '#clickhouse/tables.ts';
import { pipeline, rejected } from '#clickhouse/pipeline.ts';
import type { Database } from '#clickhouse/client.ts';
import { ConfigurationError } from '#common/error.ts';
import { noFields } from '../../ingest/event.ts';
import type { Format } from '../../ingest/format.ts';
import { importFiles } from '../../ingest/import.ts';
import { openIntake, type Intake } from '../../ingest/intake.ts';
import { Journal, sealLeftBehind } from '../../ingest/journal.ts';
import { ingestMetrics } from '../../ingest/metrics.ts';
import { notifier } from '../../ingest/notice.ts';
import { replay } from '../../ingest/replay.ts';
import { openSchema, silent, type Schema } from './schema.ts';

let schema: Schema;
let db: Database;
let intake: Intake;
let journal: Journal;
let files: string;

const admin = `gm_${randomBytes(32).toString('base64url')}`;
const minimalOnly = `gm_${randomBytes(32).toString('base64url')}`;
const finance = `gm_${randomBytes(32).toString('base64url')}`;

beforeAll(async () => {
  schema = await openSchema();
  db = schema.db;
  files = mkdtempSync(join(tmpdir(), 'gatemeter-files-'));
  const lines = [
    key(admin, 'admin', []),
    key(minimalOnly, 'intake', ['apim_policy_minimal']),
    key(finance, 'finance', []),
  ];
  await db.insert(apiKeys, lines.join('\n'));
});
afterAll(async () => {
  rmSync(files, { recursive: true, force: true });
  await schema.close();
});

function key(secret: string, role: string, of: string[]): string {
  return JSON.stringify([createHash('sha256').update(secret).digest('hex'), role, role, of, null, false]);
}

const options = (): ConstructorParameters<typeof Journal>[1] => ({
  db,
  log: silent,
  metrics: ingestMetrics(),
  owner: 'test',
  rows: {},
});

beforeEach(async () => {
  for (const name of ['events', 'calls', 'stream_states', 'replays']) await db.command(`TRUNCATE TABLE ${name}`);
  journal = new Journal('intake', options());
  const replaying = new Journal('replay', options());
  intake = await openIntake({
    ...options(),
    notify: notifier(silent, ingestMetrics()),
    journal,
    replay: async (wanted) => replay({ ...options(), journal: replaying }, wanted),
    port: 0,
    host: '127.0.0.1',
  });
  return async () => {
    await intake.close();
    await Promise.all([journal.close(), replaying.close()]);
  };
});

async function post(path: string, key: string | null, body: string | Uint8Array, headers = {}): Promise<Response> {
  const authorization = key === null ? {} : { authorization: `Bearer ${key}` };
  return fetch(`http://127.0.0.1:${intake.port}${path}`, {
    method: 'POST',
    headers: { ...authorization, ...headers },
    body: typeof body === 'string' ? body : new Uint8Array(body),
  });
}

async function totals(): Promise<{ calls: number; events: number }> {
  const [calls] = await db.query<{ n: string }>('SELECT count() AS n FROM calls FINAL');
  const [events] = await db.query<{ n: string }>('SELECT count() AS n FROM events');
  return { calls: Number(calls?.n), events: Number(events?.n) };
}

const uuid = (n: number): string => `0f3c6f8a-6f5e-4d5e-9c6a-${String(n).padStart(12, '0')}`;
const identified = (n: number): Record<string, unknown> => ({
  ApiId: 'openai',
  ResponseStatusCode: 200,
  BackendResponseTime: 12,
  RequestId: uuid(n),
  ServiceName: 'gw',
});
const anonymous = { ApiId: 'openai', ResponseStatusCode: 200, BackendResponseTime: 12 };
const lines = (records: readonly unknown[]): string => records.map((record) => JSON.stringify(record)).join('\n');
const times = (n: number, record: unknown): unknown[] => Array.from({ length: n }, () => record);

describe('POST /v1/intake/{source}', () => {
  test('answers 202 only when the records are in the ledger, understood or kept as rejected', async () => {
    const answer = await post('/v1/intake/any', admin, lines([identified(1), identified(2), { foreign: 1 }]));
    expect(answer.status).toBe(202);
    expect(await answer.json()).toEqual({ data: { records: 3, kinds: { call: 2, rejected: 1 } } });
    expect((await totals()).events).toBe(3);
    await journal.idle();
    expect((await totals()).calls).toBe(2);
    const [stream] = await db.read(pipeline, {});
    expect(stream).toMatchObject({ received: '1', records: '3', call_records: '2', rejected: '1', balanced: true });
  });

  test('what a sender repeats because it saw no answer counts once', async () => {
    for (let time = 0; time < 3; time += 1)
      await post('/v1/intake/any', admin, JSON.stringify([identified(1), identified(2)]));
    await journal.idle();
    expect(await totals()).toEqual({ calls: 2, events: 6 });
  });

  test('requests at once are stored each by itself and together in few inserts', async () => {
    const posted = Array.from({ length: 40 }, async (_, n) =>
      post('/v1/intake/any', admin, JSON.stringify(identified(n))),
    );
    const answers = await Promise.all(posted);
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 40 }, () => 202));
    await journal.idle();
    expect(await totals()).toEqual({ calls: 40, events: 40 });
    const [stream] = await db.read(pipeline, {});
    expect(stream).toMatchObject({ received: '40', missing: '0', balanced: true });
  });

  test.each([
    ['gzip', gzipSync(JSON.stringify(identified(7)))],
    ['identity', Buffer.from(JSON.stringify(identified(7)))],
  ])('takes a body in %s', async (encoding, body) => {
    const answer = await post('/v1/intake/any', admin, body, { 'content-encoding': encoding });
    expect(await answer.json()).toEqual({ data: { records: 1, kinds: { call: 1 } } });
  });

  test.each([
    ['without a key', null, '/v1/intake/any', {}, 401],
    ['with an unknown key', `gm_${'x'.repeat(43)}`, '/v1/intake/any', {}, 401],
    ['with a key that may read', finance, '/v1/intake/any', {}, 403],
    ['with the key of another source', minimalOnly, '/v1/intake/apim_gateway', {}, 403],
    ['to an unknown source', admin, '/v1/intake/nothing', {}, 404],
    ['in an unknown encoding', admin, '/v1/intake/any', { 'content-encoding': 'pigeon' }, 415],
    ['that is not what its encoding says', admin, '/v1/intake/any', { 'content-encoding': 'gzip' }, 400],
    ['with a broken origin', admin, '/v1/intake/any', { 'gatemeter-origin': 'here' }, 400],
  ])('refuses a request %s and stores nothing', async (_, key, path, headers, status) => {
    const answer = await post(path, key, JSON.stringify(identified(1)), headers);
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect((await totals()).events).toBe(0);
  });

  test('the key of a source may send for it, and a body beyond 16 MiB is refused also when it is packed', async () => {
    expect((await post('/v1/intake/apim_policy_minimal', minimalOnly, JSON.stringify(anonymous))).status).toBe(202);
    const bomb = gzipSync(Buffer.alloc(17 * 1024 * 1024, ' '));
    expect((await post('/v1/intake/any', admin, bomb, { 'content-encoding': 'gzip' })).status).toBe(413);
  });
});

function file(name: string, content: string | Buffer): string {
  const path = join(files, name);
  writeFileSync(path, content);
  return path;
}

async function run(...args: string[]): Promise<void> {
  await importFiles(args, { CLICKHOUSE_URL: schema.config.url, CLICKHOUSE_PASSWORD: schema.config.password });
}

describe('npm run import', () => {
  const many = Array.from({ length: 2_500 }, (_, n) => identified(n));
  const printed = { category: 'AmlOnlineEndpointConsoleLog', properties: { instanceId: 'i' } };
  const hundreds = times(137, printed);

  test.each([
    ['one object per line', 'PT1H.json', lines(many)],
    ['a JSON array', 'array.json', JSON.stringify(many, null, 1)],
    ['a document with records', 'records.json', JSON.stringify({ records: many }, null, 2)],
    ['packed lines', 'packed.json.gz', gzipSync(lines(many))],
    ['an array behind a byte order mark', 'marked.json', `\uFEFF${JSON.stringify(many)}`],
  ])('reads %s', async (_, name, content) => {
    await run(file(name, content));
    expect(await totals()).toEqual({ calls: 2_500, events: 2_500 });
  });

  test.each([
    ['a document of one line', 'one.json', JSON.stringify({ records: times(10_001, printed) })],
    ['a document of many lines', 'indented.json', JSON.stringify({ records: times(10_001, printed) }, null, 1)],
    ['lines of many records', 'many.ndjson', lines(Array.from({ length: 73 }, () => ({ records: hundreds })))],
  ])('more records than a message may have are all read from %s', async (_, name, content) => {
    await run(file(name, content));
    expect(await totals()).toEqual({ calls: 0, events: 10_001 });
  });

  test('a first line that was cut off costs its own record alone', async () => {
    const rotated = `${JSON.stringify(identified(0)).slice(0, 40)}\n${lines(times(10_001, printed))}`;
    await run(file('rotated.ndjson', rotated));
    expect(await totals()).toEqual({ calls: 0, events: 10_002 });
  });

  test('a second import of the same file counts nothing twice, not even records that name no call', async () => {
    const first = file('first.json', lines([...many.slice(0, 3), ...Array.from({ length: 1_500 }, () => anonymous)]));
    await run(first);
    expect((await totals()).calls).toBe(1_503);
    await run(first);
    expect((await totals()).calls).toBe(1_503);
  });

  test('goes through a running API where --url names it', async () => {
    const remote = file('remote.json', lines([...many.slice(0, 1_200), anonymous]));
    for (let time = 0; time < 2; time += 1) {
      await importFiles([remote, '--url', `http://127.0.0.1:${intake.port}`, '--key', admin], {});
    }
    await journal.idle();
    expect(await totals()).toEqual({ calls: 1_201, events: 2_402 });
  });

  test.each([
    [['--source', 'nothing', 'x'], '--source nothing is not known'],
    [[], 'no file is named'],
    [['x', '--url', 'http://127.0.0.1:1'], '--url and --key go together'],
    [['/does/not/exist'], 'cannot be read'],
  ])('%j is refused with its reason', async (args, reason) => {
    await expect(run(...args)).rejects.toThrow(reason);
  });
});

test('an import that the API refuses ends with its reason, as a message and not as a trace', async () => {
  const refused = importFiles(
    [file('refused.json', lines([anonymous])), '--url', `http://127.0.0.1:${intake.port}`, '--key', 'unknown'],
    {},
  );
  await expect(refused).rejects.toThrow(ConfigurationError);
  await expect(refused).rejects.toThrow(/refused\.json: .* refused: 401/);
});

describe('POST /v1/rejected/replay', () => {
  const learnt: Format = {
    source: 'learnt',
    recognises: (record) => record.has('foreign'),
    decode: (record, origin) => ({
      kind: 'call',
      source: 'learnt',
      fields: {
        ...noFields,
        call_id: `${origin.stream}/${origin.sequence_number}/${origin.record_index}`,
        api_id: record.text('foreign'),
      },
      unknown_fields: [],
    }),
  };

  test('stored rejects of a format that was learnt since become calls, once however often it runs', async () => {
    await post('/v1/intake/any', admin, lines([{ foreign: 'a' }, identified(1), { foreign: 'b' }, { unheard: 1 }]));
    await journal.idle();
    expect((await totals()).calls).toBe(1);
    const nothing = await post('/v1/rejected/replay', admin, '');
    expect(await nothing.json()).toEqual({ data: { replayed: 0, still_rejected: 3, cut: 0 } });
    const replaying = new Journal('replay', { ...options(), rows: { declared: [learnt] } });
    const again = async (): Promise<unknown> =>
      replay({ ...options(), rows: { declared: [learnt] }, journal: replaying }, { reasons: [], sources: [] });
    expect(await again()).toEqual({ replayed: 2, still_rejected: 1, cut: 0 });
    expect(await again()).toEqual({ replayed: 0, still_rejected: 1, cut: 0 });
    // As if the process had ended before it noted what it replayed.
    await db.command('TRUNCATE TABLE replays');
    expect(await again()).toEqual({ replayed: 2, still_rejected: 1, cut: 0 });
    await replaying.idle();
    await replaying.close();
    expect((await totals()).calls).toBe(3);
    const window = { from: '2000-01-01 00:00:00.000', to: '2100-01-01 00:00:00.000', reason: [], source: [] };
    expect(await db.read(rejected, window)).toMatchObject([
      { reason: 'unknown_format', records: '3', replayed_records: '2' },
    ]);
  });
});

test('what a process stored and did not seal before it ended is sealed by the next one', async () => {
  await post('/v1/intake/any', admin, lines([identified(1), identified(2)]));
  await journal.close();
  await db.command('TRUNCATE TABLE calls SETTINGS max_table_size_to_drop = 0');
  await db.command('TRUNCATE TABLE stream_states');
  await db.command(
    'ALTER TABLE events UPDATE inserted_at = inserted_at - INTERVAL 2 MINUTE WHERE 1 SETTINGS mutations_sync = 2',
  );
  const sealing = { db, owner: 'next', signal: new AbortController().signal, onRetry: () => {} };
  expect(await sealLeftBehind(sealing)).toBe(1);
  expect((await totals()).calls).toBe(2);
  expect(await sealLeftBehind(sealing)).toBe(0);
});
