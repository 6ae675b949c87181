import { parseArgs } from 'node:util';
import { openDatabase } from '#clickhouse/client.ts';
import { createLog } from '#common/log.ts';
import { migrate } from '../../migrations/main.ts';
import { startEngine } from '../support/engine.ts';
import { days } from './backends.ts';
import { type ColdScore, runCold } from './cold.ts';
import { weeks } from './config.ts';
import { coldMust, mustTable, weeksMust } from './must.ts';
import { falseList, weeksTable } from './report.ts';
import { tickCost } from './tick.ts';
import { runWeeks } from './weeks.ts';

const { values } = parseArgs({
  options: {
    part: { type: 'string', default: 'weeks,cold,tick' },
    seeds: { type: 'string', default: '11,12,13,14,15' },
    days: { type: 'string', default: String(weeks.scoredDays) },
    list: { type: 'boolean', default: false },
  },
});

const engine = await startEngine({ memoryBytes: 6_000_000_000 });
const database = { url: engine.url, database: 'gatemeter', user: 'default', password: engine.password };
await migrate({ database, enginePrefix: '', log: createLog('backtest', 'silent') });
const db = openDatabase(database, 'backtest', 600_000);
const seeds = values.seeds.split(',').map(Number);
const print = (line: string): void => void process.stdout.write(`${line}\n`);
const progress = (text: string): void => void process.stderr.write(`${text}\n`);
try {
  print(`synthetic: seeds ${seeds.join(', ')}`);
  if (values.part.includes('weeks')) {
    const config = { ...weeks, scoredDays: Number(values.days) };
    const run = await runWeeks(db, config, seeds, progress);
    weeksTable(config, run).forEach(print);
    mustTable(weeksMust(config.scoredDays, config.tenants * seeds.length, run)).forEach(print);
    if (values.list) falseList(run).forEach(print);
  }
  if (values.part.includes('cold')) {
    const scores: ColdScore[] = [];
    for (const seed of seeds) scores.push(...(await runCold(db, days, seed)));
    coldTable(scores).forEach(print);
    mustTable(coldMust(scores)).forEach(print);
  }
  if (values.part.includes('tick')) (await tickCost(db, progress)).forEach(print);
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
