import { isObject, parseJson, Reader, type Json } from './reader.ts';

/** A place in a record: names in any casing, and numbers for members of lists. */
export type Path = readonly (string | number)[];

const syntax = /^(?:[^.[\]"\s]{1,128}|\["[^"]{1,128}"\])(?:\.[^.[\]"\s]{1,128}|\[\d{1,4}\]|\["[^"]{1,128}"\])*$/;

/** Reads `a.b[0].c` or `["a name.with dots"].b`; null where it is neither. */
export function parsePath(text: string): Path | null {
  if (text.length > 512 || !syntax.test(text)) return null;
  return [...text.matchAll(/\[(\d{1,4})\]|\["([^"]{1,128})"\]|([^.[\]"]+)/g)].map(([, index, quoted, name]) =>
    index === undefined ? String(quoted ?? name) : Number(index),
  );
}

/**
 * The value at a path, or undefined. An object or list that is written as a JSON text is read as what it is. The first
 * name is counted as known in `record`.
 */
export function valueAt(record: Reader, path: Path): Json | undefined {
  const [first, ...rest] = path;
  let value: Json | undefined = typeof first === 'string' ? record.value(first) : undefined;
  for (const step of rest) value = inside(value, step);
  return value;
}

/** The same without counting the name as known: for telling formats apart. */
export function peekAt(record: Reader, path: Path): Json | undefined {
  const [first, ...rest] = path;
  let value: Json | undefined = typeof first === 'string' ? record.peek(first) : undefined;
  for (const step of rest) value = inside(value, step);
  return value;
}

function inside(value: Json | undefined, step: string | number): Json | undefined {
  const opened = typeof value === 'string' && /^\s*[{[]/.test(value) ? parseJson(value) : value;
  if (typeof step === 'number') return Array.isArray(opened) ? opened[step] : undefined;
  return opened !== undefined && isObject(opened) ? new Reader(opened).peek(step) : undefined;
}
