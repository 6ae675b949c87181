import { spawnSync } from 'node:child_process';

const needed = {
  promtool: 'prometheus',
  'prometheus-alertmanager': 'prometheus-alertmanager',
  amtool: 'prometheus-alertmanager',
};

/** A comparison that is left out would look like one that came out well: without the programs nothing runs. */
export function setup(): void {
  const missing = Object.entries(needed).filter(([program]) => spawnSync(program, ['--version']).error !== undefined);
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map(([, name]) => name))].join(' ');
  throw new Error(
    `${missing.map(([program]) => program).join(', ')} is missing. Remedy, on Debian or Ubuntu: apt-get install ${packages}`,
  );
}
