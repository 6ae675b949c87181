import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Database } from '#clickhouse/client.ts';
import { Journal } from '../../ingest/journal.ts';
import { ingestMetrics } from '../../ingest/metrics.ts';
import { pollOnce } from '../../ingest/poll.ts';
import { startMetrics, type MetricsServer } from './metrics-server.ts';
import { openSchema, silent, type Schema } from './schema.ts';

const minute = 60_000;
const hour = 60 * minute;
/** Not on a minute, as the clock of a poller is not. */
const start = Date.UTC(2026, 9, 1, 10, 0, 17, 123);
const apim = '/subscriptions/s/resourceGroups/r/providers/Microsoft.ApiManagement/service/apim-contoso';
const endpoint =
  '/subscriptions/s/resourceGroups/r/providers/Microsoft.MachineLearningServices/workspaces/w/onlineEndpoints/fraud/deployments/blue';

let schema: Schema;
let db: Database;
let server: MetricsServer;
let journal: Journal;
let noticed: string[];

beforeAll(async () => {
  schema = await openSchema();
  db = schema.db;
});
afterAll(async () => schema.close());
beforeEach(async () => {
  for (const name of ['events', 'stream_states', 'backfills']) await db.command(`TRUNCATE TABLE ${name}`);
  server = await startMetrics();
  journal = new Journal('poll', { db, log: silent, metrics: ingestMetrics(), owner: 'test', rows: {} });
  noticed = [];
  return async () => {
    await journal.close();
    await server.close();
  };
});

function notify(notice: string, _: string, fields: Readonly<Record<string, unknown>> = {}): void {
  noticed.push(`${notice} ${String(fields['resource'])}`);
}

async function poll(resources: readonly string[], now: number): Promise<number> {
  return pollOnce({ db, journal, api: server.api, notify, resources, now: () => now });
}

type Stored = { event_name: string; minute: string; total: number; instance_id: string; event_reason: string };

async function stored(): Promise<Stored[]> {
  return db.query<Stored>(
    "SELECT DISTINCT event_name, toUnixTimestamp(started_at) AS minute, measurements['total'] AS total, instance_id, event_reason FROM events WHERE kind = 'metric' ORDER BY event_name, minute",
  );
}

test('asks for whole minutes that have settled, and stores each by the name it was asked by, with its dimensions', async () => {
  const from = Math.floor(start / minute) * minute - 4 * minute - hour;
  expect(await poll([endpoint], start)).toBe(60);
  expect(server.asked).toEqual([
    {
      resource: endpoint,
      metric: 'DeploymentCapacity',
      from,
      to: from + hour,
      interval: 'PT1M',
      filter: "instanceId eq '*' and State eq '*'",
    },
  ]);
  const rows = await stored();
  expect(rows.length).toBe(60);
  for (const [index, row] of rows.entries()) {
    const at = from / 1_000 + index * 60;
    expect(row).toEqual({
      event_name: 'DeploymentCapacity',
      minute: at,
      total: at / 60,
      instance_id: 'value-0',
      event_reason: 'value-1',
    });
  }
});

test('goes on at the minute where it ended, also after a long stop, in pieces and without a minute twice', async () => {
  await poll([endpoint], start);
  const before = server.asked.length;
  expect(await poll([endpoint], start + 30_000)).toBe(0);
  expect(server.asked.length).toBe(before);
  expect(await poll([endpoint], start + 2 * hour + 3 * minute)).toBe(123);
  const pieces = server.asked.slice(before).map(({ from, to }) => [from, (to - from) / minute]);
  const began = Math.floor(start / minute) * minute - 4 * minute;
  expect(pieces).toEqual([
    [began, 60],
    [began + hour, 60],
    [began + 2 * hour, 3],
  ]);
  expect((await stored()).length).toBe(183);
  const [{ n } = { n: '' }] = await db.query<{ n: string }>("SELECT count() AS n FROM events WHERE kind = 'metric'");
  expect(n).toBe('183');
});

test('after days it goes back one day, and no further', async () => {
  await poll([endpoint], start);
  await poll([endpoint], start + 72 * hour);
  const last = Math.floor(start / minute) * minute - 4 * minute + 72 * hour;
  expect(Math.min(...server.asked.slice(1).map(({ from }) => from))).toBe(last - 24 * hour);
  expect(Math.max(...server.asked.map(({ to }) => to))).toBe(last);
});

test('a resource that fails does not hold up the others, is noticed, and catches up', async () => {
  server.refuse = ({ resource }) => (resource === apim ? 403 : undefined);
  expect(await poll([apim, endpoint], start)).toBe(60);
  expect(noticed).toEqual([`poll_failed ${apim}`]);
  server.refuse = () => undefined;
  expect(await poll([apim, endpoint], start + minute)).toBe(3 * 60 + 1);
  expect(new Set((await stored()).map((row) => row.event_name))).toEqual(
    new Set(['DeploymentCapacity', 'EventHubDroppedEvents', 'EventHubRejectedEvents', 'EventHubThrottledEvents']),
  );
});

test('what the service refuses for now is asked for again by the client', async () => {
  let refusals = 2;
  server.refuse = () => (refusals-- > 0 ? 429 : undefined);
  expect(await poll([endpoint], start)).toBe(60);
  expect(noticed).toEqual([]);
});

test('a poller that ended between storing and noting it stores the same minutes again, as the same records', async () => {
  await poll([endpoint], start);
  await db.command('TRUNCATE TABLE backfills');
  expect(await poll([endpoint], start + 2 * minute)).toBe(60);
  const [row] = await db.query<{ rows: string; records: string; minutes: string; total: number }>(
    "SELECT count() AS rows, uniqExact(record_hash) AS records, uniqExact(started_at) AS minutes, arraySum(groupUniqArray((started_at, measurements['total'])).2) AS total FROM events WHERE kind = 'metric'",
  );
  expect(row).toMatchObject({ rows: '120', records: '62', minutes: '62' });
  const first = Math.floor(start / minute) - 64;
  expect(row?.total).toBe(Array.from({ length: 62 }, (_, n) => first + n).reduce((sum, value) => sum + value, 0));
});

test('a minute without a value is no record', async () => {
  server.value = (_, at) => (at % (2 * minute) === 0 ? 0 : undefined);
  expect(await poll([endpoint], start)).toBe(30);
  expect((await stored()).map(({ total }) => total)).toEqual(Array.from({ length: 30 }, () => 0));
});
