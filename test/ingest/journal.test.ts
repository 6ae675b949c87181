import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { openDatabase, type Database } from '#clickhouse/client.ts';
import { unsealed, workers } from '#clickhouse/ledger.ts';
import { pipeline } from '#clickhouse/pipeline.ts';
import { openIntake } from '../../ingest/intake.ts';
import { Journal, sealLeftBehind } from '../../ingest/journal.ts';
import { ingestMetrics } from '../../ingest/metrics.ts';
import { Sealer } from '../../ingest/sealing.ts';
import { until, untilTrue, notYet } from '../support/stack-until.ts';
import { Delivered } from './deliveries.ts';
import { base, callRecords } from './records.ts';
import { openSchema, silent, type Schema } from './schema.ts';

let schema: Schema;
let db: Database;
beforeAll(async () => {
  schema = await openSchema();
  db = schema.db;
});
afterAll(async () => schema.close());
beforeEach(async () => {
  for (const name of ['events', 'calls', 'links', 'stream_states']) await db.command(`TRUNCATE TABLE ${name}`);
});

const options = (): ConstructorParameters<typeof Journal>[1] => ({
  db,
  log: silent,
  metrics: ingestMetrics(),
  owner: 'test',
  rows: {},
});

function arrival(n: number): { body: Buffer } {
  const record = {
    ApiId: 'openai',
    ResponseStatusCode: 200,
    BackendResponseTime: 12,
    RequestId: `0f3c6f8a-6f5e-4d5e-9c6a-${String(n).padStart(12, '0')}`,
    ServiceName: 'gw',
  };
  return { body: Buffer.from(JSON.stringify(record)) };
}

/** Lets a minute pass for what was inserted. */
async function age(): Promise<void> {
  await db.command(
    'ALTER TABLE events UPDATE inserted_at = inserted_at - INTERVAL 2 MINUTE WHERE 1 SETTINGS mutations_sync = 2',
  );
}

test('a journal reports what it has sealed while it lives: the pipeline shows it, and nobody seals it again', async () => {
  const journal = new Journal('intake', options());
  for (let n = 0; n < 3; n += 1) {
    await journal.append(arrival(n));
    await untilTrue(`message ${n} is reported as sealed`, async () => {
      const [row] = await db.read(pipeline, {});
      return row?.sealed_through === String(n) && row.state === 'reading' && row.owner === 'test';
    });
  }
  const [shown] = await db.read(pipeline, {});
  // It takes no share of the hub's partitions.
  expect(await db.read(workers, {})).toEqual([]);
  expect(shown).toMatchObject({ stream: journal.stream, way: 'intake', watermark: '2', balanced: true });
  await age();
  expect(await db.read(unsealed, {})).toEqual([]);
  const sealing = { db, owner: 'other', signal: new AbortController().signal, onRetry: () => {} };
  expect(await sealLeftBehind(sealing)).toBe(0);
  await journal.close();
  expect((await db.read(pipeline, {}))[0]).toMatchObject({ state: 'released', sealed_through: '2' });
});

test('a journal that is closed before it has sealed says so, and the rest is sealed by others', async () => {
  const journal = new Journal('intake', options());
  await Promise.all([0, 1, 2].map(async (n) => journal.append(arrival(n))));
  await journal.close();
  const [{ n } = { n: '' }] = await db.query<{ n: string }>('SELECT count() AS n FROM events');
  await age();
  const sealing = { db, owner: 'other', signal: new AbortController().signal, onRetry: () => {} };
  await sealLeftBehind(sealing);
  expect((await db.query<{ n: string }>('SELECT count() AS n FROM calls FINAL'))[0]?.n).toBe(n);
  expect(await db.read(unsealed, {})).toEqual([]);
});

test('a request that cannot be stored is refused and noticed by one function', async () => {
  const journal = new Journal('intake', options());
  const noticed: string[] = [];
  const stranger = openDatabase({ ...schema.config, password: 'wrong' }, 'test');
  const intake = await openIntake({
    ...options(),
    db: stranger,
    notify: (notice, stream) => noticed.push(`${notice} ${stream}`),
    journal,
    replay: async () => ({ records: 0, replayed: 0 }) as never,
    port: 0,
    host: '127.0.0.1',
  });
  const answer = await fetch(`http://127.0.0.1:${intake.port}/v1/intake/any`, {
    method: 'POST',
    headers: { authorization: 'Bearer gm_key' },
    body: '{}',
  });
  expect(answer.status).toBe(503);
  expect(noticed).toEqual([`intake_failed ${journal.stream}`]);
  await intake.close();
  await journal.close();
  await stranger.close();
});

test('a stream that cannot be sealed does not hold up the others of its process', async () => {
  const delivered = new Delivered(db);
  const streams = ['ns/hub/0', 'ns/hub/1', 'ns/hub/2'];
  const records = streams.flatMap((stream, n) =>
    fc
      .sample(callRecords(1, 1), { numRuns: 40, seed: n })
      .flatMap(([record]) =>
        record?.kind === 'gateway' ? [{ ...record, call_id: `gw/${stream}/${record.record_hash}`, stream }] : [],
      ),
  );
  const ranges = await delivered.insert(records, base);
  const failures: string[] = [];
  const sealer = new Sealer({
    db,
    metrics: ingestMetrics(),
    onRetry: (_, error) => failures.push(error.message),
    messagesMax: 1e13,
  });
  // More positions than the database makes a list of: it refuses this stream's statement, whatever else is in it.
  const refused = sealer.open('ns/hub/3', -1);
  refused.follow(1e12, null);
  const sealings = ranges.map(({ stream, after, through }) => {
    const sealing = sealer.open(stream, after);
    sealing.follow(through, null);
    return sealing;
  });
  await Promise.all(sealings.map(async (sealing) => sealing.settled()));
  const found = await until('the calls are there', async () => {
    const [row] = await db.query<{ n: string }>('SELECT count() AS n FROM calls FINAL');
    return row?.n === String(records.length) ? row.n : notYet;
  });
  expect(Number(found)).toBeGreaterThan(10);
  expect(failures.length).toBeGreaterThan(0);
  expect(refused.through).toBe(-1);
  await sealer.close();
  await refused.settled();
});
