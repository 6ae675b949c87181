import { afterAll, beforeAll, expect, test } from 'vitest';
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

/** The differences while a statement has changed the database; another takes it back. */
async function differencesAfter(change: string, back: string): Promise<string[]> {
  await db.command(change);
  try {
    return await differences(db);
  } finally {
    await db.command(back);
  }
}

const clock = "CREATE OR REPLACE VIEW clock AS SELECT now64(3, 'UTC') AS now";

test('a database as the migrations leave it has no difference', async () => {
  expect(await differences(db)).toEqual([]);
});

test.each([
  [
    'a dropped column',
    'ALTER TABLE gaps DROP COLUMN reason',
    'ALTER TABLE gaps ADD COLUMN reason LowCardinality(String) AFTER last',
    ['table gaps has no column reason'],
  ],
  [
    'a column of another type',
    'ALTER TABLE api_keys MODIFY COLUMN revoked UInt16',
    'ALTER TABLE api_keys MODIFY COLUMN revoked Bool',
    ['table api_keys: column revoked is UInt16, declared Bool'],
  ],
  [
    'a column that may be NULL now',
    'ALTER TABLE tenants MODIFY COLUMN name Nullable(String)',
    "ALTER TABLE tenants MODIFY COLUMN name String DEFAULT ''",
    ['table tenants: column name is Nullable(String), declared String'],
  ],
  [
    'a missing table',
    'RENAME TABLE tenants TO tenants_away',
    'RENAME TABLE tenants_away TO tenants',
    ['table tenants does not exist; run the migrations'],
  ],
  ['a missing view', 'DROP VIEW clock', clock, ['view clock does not exist; run the migrations']],
  [
    'a column of a view of another type',
    'CREATE OR REPLACE VIEW clock AS SELECT now() AS now',
    clock,
    ["view clock: column now is DateTime, declared DateTime64(3, 'UTC')"],
  ],
  [
    'a column of a view that no declaration has',
    `${clock}, 1 AS later`,
    clock,
    ['view clock: column later is not declared'],
  ],
])('a program is told of %s before its types lie', async (_, change, back, found) => {
  expect(await differencesAfter(change, back)).toEqual(expect.arrayContaining(found));
});

test('a program is told of a parameter of another type', async () => {
  const [view] = await db.query<{ create_table_query: string }>(
    "SELECT create_table_query FROM system.tables WHERE database = 'gatemeter' AND name = 'last_message'",
  );
  const back = String(view?.create_table_query).replace('CREATE VIEW', 'CREATE OR REPLACE VIEW');
  const other = back.replace('{sequence_number:Int64}', '{sequence_number:UInt32}');
  expect(await differencesAfter(other, back)).toEqual([
    'view last_message: parameter sequence_number is UInt32, declared Int64',
  ]);
});

test.each([
  [
    'a parameter that no declaration has',
    [`${clock} WHERE {since:UInt64} = 0`],
    [
      'view clock: parameter since is not declared',
      expect.stringMatching(/^view clock cannot be described: [\s\S]*\w/) as string,
    ],
  ],
  [
    'a table behind it that is gone',
    [
      "CREATE TABLE gone (now DateTime64(3, 'UTC')) ENGINE = Memory",
      'CREATE OR REPLACE VIEW clock AS SELECT now FROM gone',
      'DROP TABLE gone',
    ],
    [expect.stringMatching(/^view clock cannot be described: [\s\S]*gone/) as string],
  ],
])('a program is told of a view with %s, and of every other difference beside it', async (_, changes, found) => {
  for (const change of changes) await db.command(change);
  try {
    const back = 'ALTER TABLE gaps ADD COLUMN reason LowCardinality(String) AFTER last';
    const all = await differencesAfter('ALTER TABLE gaps DROP COLUMN reason', back);
    expect(all).toEqual(['table gaps has no column reason', ...found]);
  } finally {
    await db.command(clock);
  }
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
