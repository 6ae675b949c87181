import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ask, loadEngine, type Connection } from '../../local/door-engine.ts';

// Provokes each trap of the embedded engine on one bare connection and reports which of them it fell into, as JSON:
// the door exists because of them, and a release of the engine without one of them is worth knowing.
const directory = mkdtempSync(join(tmpdir(), 'gatemeter-traps-'));
const engine = loadEngine();

function open(): Connection {
  const connection = engine.CreateConnection(directory);
  if (connection === null) throw new Error('no connection');
  return connection;
}

async function fails(sql: string): Promise<boolean> {
  return ask(engine, bare, sql).then(
    () => false,
    () => true,
  );
}

async function streamed(sql: string, format: string): Promise<string> {
  const cursor = engine.StreamQuery(bare, sql, format);
  let text = '';
  for (;;) {
    const chunk = await engine.StreamFetch(cursor);
    if (chunk.done) return text;
    text += Buffer.from(chunk.bytes).toString();
  }
}

const anchor = open();
let bare = open();
const traps: Record<string, boolean> = {};

await fails('SELECT number, throwIf(number = 150000) FROM numbers(200000) SETTINGS max_block_size = 1000');
traps['a failed query leaves its rows to the next one'] = (await ask(engine, bare, "SELECT 'own'")).length > 1;
engine.CloseConnection(bare);
bare = open();

await ask(
  engine,
  bare,
  'CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 100',
);
await ask(engine, bare, "SET insert_deduplication_token = 'first', async_insert = 0");
await ask(engine, bare, 'INSERT INTO t VALUES (1)');
await ask(engine, bare, 'INSERT INTO t VALUES (2)');
traps['a deduplication token stays and swallows the next insert'] =
  JSON.stringify(await ask(engine, bare, 'SELECT count() FROM t')) === '[["1"]]' ||
  JSON.stringify(await ask(engine, bare, 'SELECT count() FROM t')) === '[[1]]';

await ask(engine, bare, 'CREATE TABLE victim (a UInt8) ENGINE = Memory');
const data = Buffer.from('1\n\nDROP TABLE victim');
await engine.InsertRawAsyncConnection(bare, 'INSERT INTO t FORMAT CSV', data, false);
traps['data after a blank line is run as SQL'] = await fails('SELECT * FROM victim');

await ask(engine, bare, 'SELECT 1; DROP TABLE t');
traps['stacked statements run'] = await fails('SELECT * FROM t');

await ask(engine, bare, 'SET readonly = 2');
traps['readonly stays'] = await fails('CREATE TABLE u (a UInt8) ENGINE = Memory');
traps['readonly reads files'] = !(await fails(`SELECT * FROM file('${import.meta.filename}', 'LineAsString')`));
traps['files are tables'] = !(await fails(`SELECT * FROM default.\`${import.meta.filename}\` FORMAT Null`));

const json = await streamed('SELECT number FROM numbers(200000)', 'JSON');
traps['a streamed JSON answer is several documents'] = json.split('"meta"').length > 2;
const csv = await streamed('SELECT number FROM numbers(200000)', 'CSVWithNames');
traps['a streamed CSV answer repeats its header'] = csv.split('"number"').length > 2;

let wasServed = false;
setImmediate(() => (wasServed = true));
engine.StreamQuery(bare, 'SELECT (SELECT sum(number) FROM numbers(50000000))', 'CSV');
traps['planning a stream holds the thread'] = !wasServed;

process.stdout.write(JSON.stringify(traps));
engine.CloseConnection(anchor);
rmSync(directory, { recursive: true, force: true });
process.exit(0);
