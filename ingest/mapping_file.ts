import { readFileSync } from 'node:fs';
import { ConfigurationError, messageOf } from '#common/error.ts';
import type { Format } from './format.ts';
import { readMapping } from './mapping.ts';

/**
 * The formats of mapping files, in their order. Throws one `ConfigurationError` with every problem of every file: one
 * that cannot be read, is no JSON, is no mapping, or has the name of another.
 */
export function readMappings(paths: readonly string[]): Format[] {
  const { formats, problems } = readAll(paths);
  if (problems.length === 0) return formats;
  throw new ConfigurationError(
    `the mapping files have ${problems.length} problem(s):\n${problems.map((problem) => `  ${problem}`).join('\n')}`,
  );
}

/** The files that a variable names, comma separated. */
export function mappingPaths(text: string | undefined): string[] {
  const paths = (text ?? '').split(',').map((path) => path.trim());
  return paths.filter((path) => path !== '');
}

/** Every problem of every file that a variable names. */
export function mappingProblems(text: string | undefined): readonly string[] {
  return readAll(mappingPaths(text)).problems;
}

function readAll(paths: readonly string[]): { readonly formats: Format[]; readonly problems: readonly string[] } {
  const problems: string[] = [];
  const formats = new Map<string, Format>();
  for (const path of paths) {
    const read = readFile(path);
    if (read.kind === 'problems') problems.push(...read.problems.map((problem) => `${path}: ${problem}`));
    else if (formats.has(read.format.source))
      problems.push(`${path}: name is that of an earlier file; give each mapping its own name`);
    else formats.set(read.format.source, read.format);
  }
  return { formats: [...formats.values()], problems };
}

function readFile(path: string): ReturnType<typeof readMapping> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    return { kind: 'problems', problems: [`the file cannot be read (${messageOf(error)}); correct the path`] };
  }
  try {
    return readMapping(JSON.parse(text));
  } catch (error) {
    return { kind: 'problems', problems: [`the file is not JSON (${messageOf(error)})`] };
  }
}
