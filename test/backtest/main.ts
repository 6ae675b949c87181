import { parseArgs } from 'node:util';
import { databaseConfig, databaseVariables, openDatabase } from '#clickhouse/client.ts';
import { assert } from '#common/assert.ts';
import { readEnvironment } from '#common/environment.ts';
import { createLog } from '#common/log.ts';
import { migrate } from '../../migrations/main.ts';
import { startEngine } from '../support/engine.ts';
import { days } from './backends.ts';
import { type ColdScore, runCold } from './cold.ts';
import { weeks } from './config.ts';
import { anomaliesOf } from './anomalies.ts';
import { type ContributorScore, runContributors } from './contributors.ts';
import { ingestLines, ingestMust, oneDay, runIngest } from './ingest.ts';
import { readLabelled, runLabelled } from './labelled.ts';
import { ledgerTable, readLabels, replayLedger } from './ledger.ts';
import { benchmarkMust, benchmarkOf, benchmarkTable, labelledTable } from './labelled_report.ts';
import { coldMust, contributorsMust, mustTable, type Row, tickMust, weeksMust } from './must.ts';
import { contributorsTable, falseList, weeksTable } from './report.ts';
import { tickCost, tickTable } from './tick.ts';
import { replayed, replayedMust } from './trace.ts';
import { runWeeks } from './weeks.ts';

/** In this order, and each alone where it is named: the first two take most of an hour for five seeds. */
const parts = ['weeks', 'cold', 'contributors', 'ingest', 'trace', 'tick'];
/** Over all seeds, with those that are everybody's; six of seven have a part that they are about. */
const mixedIncidents = 350;

const { values } = parseArgs({
  options: {
    part: { type: 'string', default: parts.join() },
    seeds: { type: 'string', default: '91,92,93,94,95' },
    days: { type: 'string', default: String(weeks.scoredDays) },
    list: { type: 'boolean', default: false },
    data: { type: 'string' },
    labels: { type: 'string' },
    threshold: { type: 'string' },
    ledger: { type: 'boolean', default: false },
    from: { type: 'string', default: '' },
    to: { type: 'string', default: '' },
  },
});

const print = (line: string): void => void process.stdout.write(`${line}\n`);
if (values.ledger) {
  const labels = values.labels === undefined ? null : await readLabels(values.labels);
  const own = openDatabase(databaseConfig(readEnvironment(databaseVariables, process.env)), 'backtest', 600_000);
  ledgerTable(await replayLedger(own, Date.parse(values.from), Date.parse(values.to)), labels).forEach(print);
  await own.close();
  process.exit(0);
}

/** Labelled series are replayed alone. */
const wanted = new Set(values.data === undefined ? values.part.split(',') : []);
for (const part of wanted) assert(parts.includes(part), `--part is of ${parts.join()}, and ${part} is none`);

const engine = await startEngine({ memoryBytes: 6_000_000_000 });
const database = { url: engine.url, database: 'gatemeter', user: 'default', password: engine.password };
await migrate({ database, enginePrefix: '', log: createLog('backtest', 'silent') });
const db = openDatabase(database, 'backtest', 600_000);
const seeds = values.seeds.split(',').map(Number);
const rows: Row[] = [];
const progress = (text: string): void => void process.stderr.write(`${text}\n`);
try {
  if (values.data !== undefined) {
    assert(values.labels !== undefined, '--data DIR needs --labels FILE');
    const threshold = values.threshold === undefined ? null : Number(values.threshold);
    const run = await runLabelled(db, await readLabelled(values.data, values.labels), { threshold, progress });
    const benchmark = benchmarkOf(run);
    labelledTable(run).forEach(print);
    benchmarkTable(benchmark).forEach(print);
    rows.push(...benchmarkMust(run, benchmark));
  } else print(`synthetic: seeds ${seeds.join(', ')}`);
  if (wanted.has('weeks')) {
    const config = { ...weeks, scoredDays: Number(values.days) };
    const run = await runWeeks(db, config, seeds, progress);
    weeksTable(config, run).forEach(print);
    rows.push(...weeksMust(config.scoredDays, config.tenants * seeds.length, run));
    if (values.list) falseList(run).forEach(print);
  }
  if (wanted.has('cold')) {
    const scores: ColdScore[] = [];
    for (const seed of seeds) scores.push(...(await runCold(db, days, seed)));
    coldTable(scores).forEach(print);
    rows.push(...coldMust(scores));
  }
  if (wanted.has('contributors')) {
    const scores: ContributorScore[] = [];
    const each = Math.ceil(mixedIncidents / seeds.length);
    const ask = await anomaliesOf(db);
    for (const seed of seeds) scores.push(...(await runContributors(db, ask, seed, each)));
    contributorsTable(scores).forEach(print);
    rows.push(...contributorsMust(scores));
  }
  if (wanted.has('ingest')) {
    const run = await runIngest(oneDay, seeds[0] ?? 1, progress);
    ingestLines(run).forEach(print);
    rows.push(...ingestMust(run));
  }
  if (wanted.has('trace')) rows.push(...replayedMust(await replayed(seeds[0] ?? 1, 1, 50)));
  if (wanted.has('tick')) {
    const took = await tickCost(db, progress);
    tickTable(took).forEach(print);
    rows.push(...tickMust(took));
  }
  if (rows.length > 0) mustTable(rows, values.data === undefined ? 'synthetic' : 'labelled series').forEach(print);
} finally {
  await db.close();
  await engine.stop();
}
process.exit(0);

/** The scores of all seeds added up, by what the gateway knows. */
function coldTable(scores: readonly ColdScore[]): string[] {
  const lines = [
    '| gateway tells | from zero, precision / recall | scale-out, precision / recall | false per always-warm week |',
    '| --- | --- | --- | --- |',
  ];
  const confusions: string[] = [];
  for (const [gateway, rows] of Map.groupBy(scores, (score) => score.gateway)) {
    const cell = (kind: 'fromZero' | 'scaleOut'): string => {
      const sum = (name: 'right' | 'told' | 'found' | 'all'): number => rows.reduce((n, row) => n + row[kind][name], 0);
      return `${(sum('right') / sum('told')).toFixed(3)} of ${sum('told')} / ${(sum('found') / sum('all')).toFixed(3)} of ${sum('all')}`;
    };
    const wrong = rows.reduce((n, row) => n + row.falsePerWarmWeek, 0) / rows.length;
    lines.push(`| ${gateway} | ${cell('fromZero')} | ${cell('scaleOut')} | ${wrong.toFixed(2)} |`);
    const cells = new Map<string, number>();
    for (const row of rows) for (const [name, n] of row.confusion) cells.set(name, (cells.get(name) ?? 0) + n);
    confusions.push(
      `${gateway}: ${[...cells]
        .sort(([, a], [, b]) => b - a)
        .map(([name, n]) => `${name} ${n}`)
        .join(', ')}`,
    );
  }
  return [...lines, '', ...confusions];
}
