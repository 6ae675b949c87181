import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Database, openDatabase } from '#clickhouse/client.ts';
import { differences, prove } from '#clickhouse/contract.ts';
import { classify } from '#clickhouse/error.ts';
import { openSchema, type Schema } from '../ingest/schema.ts';

let schema: Schema;
let db: Database;
beforeAll(async () => {
  schema = await openSchema();
  db = schema.db;
});
afterAll(async () => schema.close());

const clock = "CREATE OR REPLACE VIEW clock AS SELECT now64(3, 'UTC') AS now";

test('a database as the migrations leave it has no difference', async () => {
  expect(await differences(db)).toEqual([]);
});

type Change = {
  readonly name: string;
  readonly change: readonly string[];
  readonly back: readonly string[];
  readonly found: string | RegExp;
};

/** Another view in its place that selects something else from it; not one that other views read. */
function instead(view: string, select: string, name: string, found: string | RegExp): Change {
  const away = `${view}_away`;
  return {
    name,
    change: [`RENAME TABLE ${view} TO ${away}`, `CREATE VIEW ${view} AS SELECT ${select} FROM ${away}`],
    back: [`DROP VIEW ${view}`, `RENAME TABLE ${away} TO ${view}`],
    found,
  };
}

const changes: readonly Change[] = [
  {
    name: 'a dropped column',
    change: ['ALTER TABLE gaps DROP COLUMN reason'],
    back: ['ALTER TABLE gaps ADD COLUMN reason LowCardinality(String) AFTER last'],
    found: 'table gaps has no column reason',
  },
  {
    name: 'a column of another type',
    change: ['ALTER TABLE api_keys MODIFY COLUMN revoked UInt16'],
    back: ['ALTER TABLE api_keys MODIFY COLUMN revoked Bool'],
    found: 'table api_keys: column revoked is UInt16, declared Bool',
  },
  {
    name: 'a column that may be NULL now',
    change: ['ALTER TABLE tenants MODIFY COLUMN name Nullable(String)'],
    back: ["ALTER TABLE tenants MODIFY COLUMN name String DEFAULT ''"],
    found: 'table tenants: column name is Nullable(String), declared String',
  },
  {
    name: 'a missing table',
    change: ['RENAME TABLE backfills TO backfills_away'],
    back: ['RENAME TABLE backfills_away TO backfills'],
    found: 'table backfills does not exist; run the migrations',
  },
  {
    name: 'a missing view',
    change: ['RENAME TABLE workers TO workers_away'],
    back: ['RENAME TABLE workers_away TO workers'],
    found: 'view workers does not exist; run the migrations',
  },
  {
    name: 'a parameter of another type',
    change: [
      'RENAME TABLE last_message TO last_message_away',
      'CREATE VIEW last_message AS SELECT * FROM last_message_away(stream = {stream:String}, sequence_number = {sequence_number:UInt32})',
    ],
    back: ['DROP VIEW last_message', 'RENAME TABLE last_message_away TO last_message'],
    found: 'view last_message: parameter sequence_number is UInt32, declared Int64',
  },
  instead(
    'clock',
    'toDateTime(now) AS now',
    'a column of a view of another type',
    "view clock: column now is DateTime('UTC'), declared DateTime64(3, 'UTC')",
  ),
  instead(
    'price_sources',
    '*, 1 AS later',
    'a column of a view that no declaration has',
    'view price_sources: column later is not declared',
  ),
  {
    name: 'a parameter that no declaration has',
    change: [
      'RENAME TABLE duplicates TO duplicates_away',
      'CREATE VIEW duplicates AS SELECT * FROM duplicates_away WHERE {since:UInt64} = 0',
    ],
    back: ['DROP VIEW duplicates', 'RENAME TABLE duplicates_away TO duplicates'],
    found: 'view duplicates: parameter since is not declared',
  },
  {
    name: 'a view with a table behind it that is gone',
    change: [
      'RENAME TABLE polled_through TO polled_through_away',
      'CREATE TABLE gone (metric String) ENGINE = Memory',
      'CREATE VIEW polled_through AS SELECT * FROM gone',
      'DROP TABLE gone',
    ],
    back: ['DROP VIEW polled_through', 'RENAME TABLE polled_through_away TO polled_through'],
    found: /^view polled_through cannot be described: [\s\S]*gone/,
  },
];

describe('a program is told before its types lie', () => {
  let told: readonly string[] = [];

  // All at once, because planning every view takes seconds; so each is told of beside every other.
  beforeAll(async () => {
    for (const { change } of changes) for (const statement of change) await db.command(statement);
    told = await differences(db);
    for (const { back } of changes) for (const statement of back) await db.command(statement);
  });

  test.each(changes.map(({ name, found }) => [name, found] as const))('of %s', (_, found) => {
    const matches = told.filter((one) => (typeof found === 'string' ? one === found : found.test(one)));
    expect(matches, told.join('\n')).toHaveLength(1);
  });

  test('and of nothing when all is taken back', async () => {
    expect(await differences(db)).toEqual([]);
  });
});

test('a database that is away is no difference: it is asked again, and nobody is told to migrate', async () => {
  const away = openDatabase(
    { url: 'http://127.0.0.1:9', database: 'gatemeter', user: 'default', password: '' },
    'test',
  );
  await expect(differences(away)).rejects.toThrow();
  await away.close();
});

test('a view that refuses to answer refuses for good: asking again changes nothing', async () => {
  const failure = await db.query("SELECT throwIf(1, 'no')").then(
    () => null,
    (error: unknown) => classify(error),
  );
  expect(failure).toMatchObject({ kind: 'permanent', code: 395 });
});

test('what was once found to agree is not compared again, until either side changes by a letter', async () => {
  const asked: string[] = [];
  const listening: Database = {
    ...db,
    query: async (statement, args) => {
      asked.push(statement);
      return db.query(statement, args);
    },
  };
  expect(await prove(db)).toEqual([]);
  expect(await differences(listening)).toEqual([]);
  expect(asked.filter((statement) => statement.startsWith('DESCRIBE'))).toEqual([]);

  await db.command(`${clock}, 1 AS later`);
  const wrong = ['view clock: column later is not declared'];
  expect(await prove(db)).toEqual(wrong);
  // A comparison that found something has proven nothing.
  expect(await differences(listening)).toEqual(wrong);
  await db.command(clock);
  expect(await differences(listening)).toEqual([]);
});
