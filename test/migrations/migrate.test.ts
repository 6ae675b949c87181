import { readFile } from 'node:fs/promises';
import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDatabase, type Database, type DatabaseConfig } from '#clickhouse/client.ts';
import { differences, prove } from '#clickhouse/contract.ts';
import { migrate, sqlFiles } from '../../migrations/main.ts';
import { loadListPrices } from '../../migrations/prices.ts';
import { statements } from '../../migrations/statements.ts';
import { silent } from '../ingest/schema.ts';
import { startEngine, type TestEngine } from '../support/engine.ts';

const migrations = new URL('../../migrations/', import.meta.url);

let engine: TestEngine;
let reference: string[];
const open: Database[] = [];
beforeAll(async () => {
  engine = await startEngine();
  await migrate(configOf('reference'));
  reference = await catalogue(databaseOf('reference'));
});
afterAll(async () => {
  for (const db of open) await db.close();
  await engine.stop();
});

function configOf(name: string): Parameters<typeof migrate>[0] {
  const database: DatabaseConfig = { url: engine.url, database: name, user: 'default', password: engine.password };
  return { database, enginePrefix: '', log: silent };
}

function databaseOf(name: string): Database {
  const db = openDatabase(configOf(name).database, 'test');
  open.push(db);
  return db;
}

async function create(name: string): Promise<Database> {
  await databaseOf('default').command(`CREATE DATABASE ${name}`);
  return databaseOf(name);
}

/** How every table and view of a database was made, without the database's name, and which files were applied. */
async function catalogue(db: Database): Promise<string[]> {
  const tables = await db.query<{ name: string; create_table_query: string }>(
    'SELECT name, create_table_query FROM system.tables WHERE database = {database:String} ORDER BY name',
    { database: db.name },
  );
  const files = await db.query<{ file: string; sha256: string }>(
    'SELECT file, sha256 FROM schema_migrations ORDER BY file',
  );
  return [
    ...tables.map((row) => row.create_table_query.replaceAll(`${db.name}.`, '')),
    ...files.map(({ file, sha256 }) => `${file} ${sha256}`),
  ];
}

async function allStatements(): Promise<string[]> {
  const files = [...(await sqlFiles('')), ...(await sqlFiles('views/')).map((file) => `views/${file}`)];
  const texts = await Promise.all(files.map(async (file) => readFile(new URL(file, migrations), 'utf8')));
  return texts.flatMap((text) => statements(text.replaceAll('${R}', '')));
}

test('from nothing, a database gets the whole schema', async () => {
  const db = databaseOf('reference');
  expect(await differences(db)).toEqual([]);
  expect(reference.length).toBeGreaterThan(30);
  const files = await db.query<{ file: string }>('SELECT file FROM schema_migrations ORDER BY file');
  expect(files.map((row) => row.file)).toEqual(await sqlFiles(''));
});

test('the proof that is shipped for this engine is one that was found, so that a first start may believe it', async () => {
  const db = databaseOf('reference');
  await db.command("ALTER TABLE schema_migrations MODIFY COMMENT ''");
  expect(await prove(db)).toEqual([]);
  const [found] = await db.query<{ version: string; proof: string }>(
    "SELECT version() AS version, comment AS proof FROM system.tables WHERE database = 'reference' AND name = 'schema_migrations'",
  );
  const shipped = JSON.parse(await readFile(new URL('proven.json', migrations), 'utf8')) as Record<string, string>;
  expect(shipped[String(found?.version)]).toBe(found?.proof);
});

test('a second run applies nothing and changes nothing', async () => {
  const db = databaseOf('reference');
  const count = async (): Promise<unknown> =>
    db.query('SELECT (SELECT count() FROM schema_migrations) AS files, (SELECT count() FROM prices) AS prices');
  const before = await count();
  await migrate(configOf('reference'));
  expect(await catalogue(db)).toEqual(reference);
  expect(await count()).toEqual(before);
});

test('a migration that was changed after it was applied is refused by its name, and nothing is applied', async () => {
  const db = await create('changed');
  await db.command(
    "CREATE TABLE schema_migrations (file String, sha256 String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3)) ENGINE = MergeTree ORDER BY file",
  );
  await db.command("INSERT INTO schema_migrations (file, sha256) VALUES ('0001_events.sql', 'of another text')");
  await expect(migrate(configOf('changed'))).rejects.toThrow('0001_events.sql was changed after it was applied');
  const tables = await db.query<{ name: string }>("SELECT name FROM system.tables WHERE database = 'changed'");
  expect(tables).toEqual([{ name: 'schema_migrations' }]);
});

test.each(['first', 'half', 'last'])(
  'a run that was interrupted after its %s statement is continued by the next one',
  async (name) => {
    const all = await allStatements();
    const done = { first: 1, half: Math.floor(all.length / 2), last: all.length }[name];
    const db = await create(`after_${name}`);
    for (const statement of all.slice(0, done)) await db.command(statement);
    await migrate(configOf(`after_${name}`));
    expect(await catalogue(db)).toEqual(reference);
  },
);

/** A decimal number as a whole number of 10^-24. */
function scaled(decimal: string): bigint {
  const [whole = '', fraction = ''] = decimal.split('.');
  return BigInt(whole + fraction.padEnd(24, '0'));
}

type Priced = Record<'provider_name' | 'model' | 'token_kind' | 'context_over_tokens' | 'list_unit_price', string>;
type Price = Priced & { readonly list: string; readonly pricing_unit: string };

/** What a question looks a price up by. */
function keyOf(price: Priced): string {
  return [price.provider_name, price.model, price.token_kind, price.context_over_tokens].join(' ');
}

async function listed(): Promise<Price[]> {
  return parse<Price>(await readFile(new URL('list-prices.csv', migrations)), { columns: true });
}

test('every list price is in the book, to the last digit of its text', async () => {
  const db = databaseOf('reference');
  const list = await listed();
  expect(list.length).toBe(1_585);
  const rows = await db.query<Price & { per_million: string }>(
    'SELECT *, price_list AS list, toString(list_token_price * 1000000) AS per_million FROM prices',
  );
  const book = new Map(rows.map((row) => [`${row.list} ${keyOf(row)}`, row]));
  expect(book.size).toBe(list.length);
  for (const price of list) {
    const row = book.get(`${price.list} ${keyOf(price)}`);
    expect(scaled(row?.list_unit_price ?? '0'), keyOf(price)).toBe(scaled(price.list_unit_price));
    expect(price.pricing_unit).toBe('1000000 Tokens');
    expect(scaled(row?.per_million ?? '0'), keyOf(price)).toBe(scaled(price.list_unit_price));
  }
  const [sum] = await db.query<{ sum: string }>('SELECT toString(sum(list_token_price) * 1000000) AS sum FROM prices');
  expect(scaled(sum?.sum ?? '0')).toBe(list.reduce((total, price) => total + scaled(price.list_unit_price), 0n));
});

test('no two lists name another price for the same tokens: which one counts would be chance', async () => {
  const byKey = Map.groupBy(await listed(), keyOf);
  const disagreeing = [...byKey].filter(([, found]) => new Set(found.map((p) => scaled(p.list_unit_price))).size > 1);
  expect(disagreeing).toEqual([]);
});

test('the list prices are loaded once, also by two programs at once', async () => {
  const db = await create('prices_once');
  for (const statement of await allStatements())
    if (/CREATE (TABLE IF NOT EXISTS prices|OR REPLACE VIEW price_sources)\b|ALTER TABLE prices\b/.test(statement))
      await db.command(statement);
  await Promise.all([loadListPrices(db), loadListPrices(db)]);
  expect(await loadListPrices(db)).toBe(0);
  expect(await db.query('SELECT count() AS rows FROM prices')).toEqual([{ rows: '1585' }]);
});

test('a price that is not exact per token, or is negative, is refused', async () => {
  const db = databaseOf('reference');
  const columns =
    'price_list, provider_name, model, token_kind, list_unit_price, pricing_quantity, pricing_unit, pricing_currency, valid_from, author, reason';
  const insert = async (price: string, quantity: number): Promise<void> =>
    db.command(
      `INSERT INTO prices (${columns}) VALUES ('t', 't', 'm', 'input', ${price}, ${quantity}, 'Tokens', 'USD', '2026-01-01', 't', 't')`,
    );
  await expect(insert('1', 3)).rejects.toThrow('exact_per_token');
  await expect(insert('-1', 1)).rejects.toThrow('not_negative');
  expect(await db.query("SELECT count() AS rows FROM prices WHERE provider_name = 't'")).toEqual([{ rows: '0' }]);
});
