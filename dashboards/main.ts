import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConfigurationError } from '#common/environment.ts';
import { type Running, runUntilSignal } from '#common/lifecycle.ts';
import { files } from './provisioning.ts';

const here = new URL('./', import.meta.url);

/** Writes the files that Grafana and its ClickHouse user are set up with. */
async function write(): Promise<void> {
  for (const [name, text] of files()) {
    const path = fileURLToPath(new URL(name, here));
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
}

/** The files that differ from what would be written now, or are missing. */
export async function outdated(): Promise<string[]> {
  const names: string[] = [];
  for (const [name, text] of files()) {
    const committed = await readFile(new URL(name, here), 'utf8').catch(() => null);
    if (committed !== text) names.push(`dashboards/${name}`);
  }
  return names;
}

async function start(): Promise<Running> {
  const flags = process.argv.slice(2);
  if (flags.length > 1 || (flags.length === 1 && flags[0] !== '--check')) {
    throw new ConfigurationError('usage: node dashboards/main.ts [--check]');
  }
  if (flags.length === 0) await write();
  const names = await outdated();
  if (names.length > 0) throw new ConfigurationError(`run \`node dashboards/main.ts\`; outdated:\n${names.join('\n')}`);
  return { close: async () => {}, closed: Promise.resolve() };
}

if (import.meta.main) await runUntilSignal(start);
