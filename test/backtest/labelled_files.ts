import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { chance } from './chance.ts';

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
const begin = Date.UTC(2026, 5, 1);
const days = 10;
const stepMs = 10 * minuteMs;

type Incident = {
  readonly fromMs: number;
  readonly toMs: number;
  readonly change: (value: number, step: number) => number;
};

/** Four series of one seed: a level that falls, one that jumps, one with spikes, and one to which nothing happens. */
const incidents: Readonly<Record<string, readonly Incident[]>> = {
  'load/falls.csv': [{ fromMs: 6.4 * dayMs, toMs: 7 * dayMs, change: (value) => value - 70 }],
  'load/spikes.csv': [
    { fromMs: 7.3 * dayMs, toMs: 7.5 * dayMs, change: (value, step) => value + (step % 3 === 0 ? 150 : 0) },
  ],
  'load/jumps.csv': [{ fromMs: 5.5 * dayMs, toMs: 5.6 * dayMs, change: (value) => 3 * value }],
  'quiet.csv': [],
};

function wire(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
}

/** Writes labelled series of a seed as the two options of a backtest take them: CSV below `data`, and `windows.json`. */
export async function writeLabelled(
  directory: string,
  seed: number,
): Promise<{ readonly data: string; readonly labels: string }> {
  const data = join(directory, 'data');
  const windows: Record<string, [string, string][]> = {};
  for (const [index, [file, changes]] of Object.entries(incidents).entries()) {
    const draw = chance(seed * 100 + index);
    const lines = ['timestamp,value'];
    for (let ms = 0; ms < days * dayMs; ms += stepMs) {
      const usual = 60 + 25 * Math.sin((2 * Math.PI * ms) / dayMs) + 3 * draw.normal();
      const value = changes.find((one) => ms >= one.fromMs && ms < one.toMs)?.change(usual, ms / stepMs) ?? usual;
      lines.push(`${wire(begin + ms)},${value.toFixed(2)}`);
    }
    await mkdir(dirname(join(data, file)), { recursive: true });
    await writeFile(join(data, file), `${lines.join('\n')}\n`);
    // A file to which nothing happens need not be named.
    if (changes.length > 0)
      windows[file] = changes.map(({ fromMs, toMs }) => [wire(begin + fromMs), wire(begin + toMs + 6 * 60 * minuteMs)]);
  }
  const labels = join(directory, 'windows.json');
  await writeFile(labels, JSON.stringify(windows));
  return { data, labels };
}
