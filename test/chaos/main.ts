import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { runChaos } from './chaos.ts';

const usage = `npm run chaos -- [--kills N] [--rename M] [--seed S]
  --kills   SIGKILLs of the ingest process at random times (default 40)
  --rename  SIGKILLs of the engine exactly before a part appears (default 20)
  --seed    of times, places and traffic (default: a random one, printed)`;

function wholeNumber(text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (!/^\d{1,10}$/.test(text)) throw new Error(`${text} is not a whole number\n\n${usage}`);
  return Number(text);
}

const { values } = parseArgs({
  options: { kills: { type: 'string' }, rename: { type: 'string' }, seed: { type: 'string' } },
});
const found = await runChaos({
  kills: wholeNumber(values.kills, 40),
  renames: wholeNumber(values.rename, 20),
  seed: wholeNumber(values.seed, randomInt(1_000_000_000)),
  say: (line) => process.stdout.write(`${line}\n`),
});
process.exit(found.length === 0 ? 0 : 1);
