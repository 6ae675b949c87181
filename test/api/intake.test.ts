import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createApp } from '../../api/app.ts';
import { reader } from '../../api/reader.ts';
import { writer } from '../../api/append.ts';
import { readiness } from '../../api/readiness.ts';
import type { App } from '../../api/route.ts';
import { openIntake, type Intake } from '../../ingest/intake.ts';
import { Journal } from '../../ingest/journal.ts';
import { ingestMetrics } from '../../ingest/metrics.ts';
import { notifier } from '../../ingest/notice.ts';
import { replay } from '../../ingest/replay.ts';
import { createLog } from '#common/log.ts';
import { type Ledger, openLedger } from './ledger.ts';

let ledger: Ledger;
let intake: Intake;
let journal: Journal;
let app: App;
let key: string;
let kongOnly: string;

const log = createLog('test', 'silent');
const now = (): Date => new Date();
const record = {
  ApiId: 'openai',
  ResponseStatusCode: 200,
  BackendResponseTime: 12,
  RequestId: '0f3c6f8a-6f5e-4d5e-9c6a-000000000001',
};

function appWith(intakeUrl: string | null): App {
  const setting = {
    db: reader(ledger.db),
    books: writer(ledger.db),
    issuer: 'Platform',
    now,
    log,
    intakeUrl,
  };
  return createApp(setting, { readiness: readiness(ledger.db, now), metricsText: async () => '' }, 'test');
}

beforeAll(async () => {
  ledger = await openLedger();
  const options = { db: ledger.db, log, metrics: ingestMetrics(), owner: 'test', rows: {} };
  journal = new Journal('intake', options);
  intake = await openIntake({
    ...options,
    notify: notifier(log, ingestMetrics()),
    journal,
    replay: async (wanted) => replay({ ...options, journal }, wanted),
    port: 0,
    host: '127.0.0.1',
  });
  app = appWith(`http://127.0.0.1:${intake.port}`);
  key = await ledger.key({ role: 'admin' });
  kongOnly = await ledger.key({ role: 'intake', tenants: ['kong'] });
});
afterAll(async () => {
  await intake.close();
  await journal.close();
  await ledger.close();
});

async function post(
  to: App,
  path: string,
  secret: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers = {},
): Promise<Response> {
  return to.request(path, { method: 'POST', headers: { authorization: `Bearer ${secret}`, ...headers }, body });
}

test.each([
  ['application/json', {}, JSON.stringify(record)],
  ['application/x-ndjson', {}, `${JSON.stringify(record)}\n${JSON.stringify(record)}`],
  ['application/x-www-form-urlencoded', {}, JSON.stringify([record])],
  ['text/plain', { 'content-encoding': 'gzip' }, new Uint8Array(gzipSync(JSON.stringify(record)))],
])('what is pushed as %s goes to the ledger as it came', async (type, headers, body) => {
  const answer = await post(app, '/v1/intake/any', key, body, { 'content-type': type, ...headers });
  expect(answer.status).toBe(202);
  const { data } = (await answer.json()) as { data: { records: number; kinds: { call: number } } };
  expect(data.kinds.call).toBe(data.records);
});

test('a body with more records than one message may have is stored whole', async () => {
  const many = Array.from({ length: 10_400 }, (_, n) =>
    JSON.stringify({ ...record, RequestId: `0f3c6f8a-6f5e-4d5e-9c6a-1${String(n).padStart(11, '0')}` }),
  );
  for (const body of [many.join('\n'), `{"records":[${many.join(',')}]}`]) {
    const answer = await post(app, '/v1/intake/any', key, body);
    expect(await answer.json()).toEqual({ data: { records: 10_400, kinds: { call: 10_400 } } });
  }
  await journal.idle();
  const [stored] = await ledger.db.query<{ calls: string }>(
    "SELECT count() AS calls FROM calls FINAL WHERE call_id LIKE '%-9c6a-1%'",
  );
  expect(stored?.calls).toBe('10400');
}, 60_000);

test('a body that is refused spoils no request after it, and the refusal is a problem as the reference describes it', async () => {
  const large = new Uint8Array(17 * 1024 * 1024).fill(32);
  for (let time = 0; time < 3; time += 1) {
    const refused = await post(app, '/v1/intake/any', key, large);
    expect(refused.status).toBe(413);
    expect(await refused.json()).toMatchObject({
      type: 'urn:gatemeter:problem:too_large',
      instance: `urn:uuid:${refused.headers.get('x-request-id')}`,
    });
    expect((await post(app, '/v1/intake/any', key, JSON.stringify(record))).status).toBe(202);
  }
});

test('a key sends for its own sources only, and replays nothing', async () => {
  expect((await post(app, '/v1/intake/any', kongOnly, '{}')).status).toBe(403);
  expect((await post(app, '/v1/intake/kong', kongOnly, JSON.stringify({ foreign: 1 }))).status).toBe(202);
  expect((await post(app, '/v1/rejected/replay', kongOnly, '')).status).toBe(403);
});

test('what was not understood is listed with its reason, and a replay says what became of it', async () => {
  await post(app, '/v1/intake/any', key, JSON.stringify({ foreign: 'gateway' }));
  const listed = await app.request('/v1/rejected', { headers: { authorization: `Bearer ${key}` } });
  const { data, meta } = (await listed.json()) as {
    data: { reason: string; records: string }[];
    meta: { records: { body: string; replayed: boolean }[] };
  };
  expect(data).toMatchObject([{ reason: 'unknown_format', records: '2' }]);
  expect(meta.records[0]).toMatchObject({ body: '{"foreign":"gateway"}', replayed: false });
  const again = await post(app, '/v1/rejected/replay?reason=unknown_format', key, '');
  expect(await again.json()).toEqual({ data: { replayed: 0, still_rejected: 2, cut: 0 } });
});

test.each([
  ['has none', null],
  ['cannot reach it', 'http://127.0.0.1:9'],
])('an API that %s tells the sender to keep what it has', async (_, url) => {
  const answer = await post(appWith(url), '/v1/intake/any', key, '{}');
  expect(answer.status).toBe(503);
  expect(answer.headers.get('content-type')).toContain('application/problem+json');
});
