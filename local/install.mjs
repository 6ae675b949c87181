// Installs what package-lock.json names, once per lock file. Plain JavaScript, because it runs on whatever Node the
// machine has (20 or later) before the project's own Node 26 (the npm package `node`) is there.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stamp = join(root, 'node_modules', '.installed');
const wanted = createHash('sha256')
  .update(readFileSync(join(root, 'package.json')))
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex');

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
  console.error('installing packages (once; about 1 GB with the embedded ClickHouse) …');
  // Not `npm ci`: it refuses a lock file that lacks another platform's optional engine, which no registry may hold.
  const install = spawnSync('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
  });
  if (install.status !== 0) {
    console.error('npm install failed; see above. Remedy: check the network and the npm registry, then try again.');
    process.exit(1);
  }
  writeFileSync(stamp, wanted);
}
