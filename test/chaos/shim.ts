import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The compiled rename.c in a directory, or why there is none. */
export type Shim =
  | { readonly kind: 'ready'; readonly file: string }
  | { readonly kind: 'missing'; readonly reason: string };

export function compileShim(directory: string): Shim {
  if (process.platform !== 'linux')
    return { kind: 'missing', reason: `LD_PRELOAD is Linux's, this is ${process.platform}` };
  const file = join(directory, 'rename.so');
  const source = fileURLToPath(new URL('rename.c', import.meta.url));
  // CC as for make: where the compiler has another name, its name goes there.
  const compiler = process.env['CC'] ?? 'cc';
  const compiled = spawnSync(compiler, ['-shared', '-fPIC', '-O1', '-Wall', '-o', file, source, '-ldl'], {
    encoding: 'utf8',
  });
  if (compiled.error !== undefined) return { kind: 'missing', reason: `there is no C compiler named ${compiler}` };
  if (compiled.status !== 0) return { kind: 'missing', reason: `${compiler} failed: ${compiled.stderr.slice(0, 500)}` };
  return { kind: 'ready', file };
}
