import { z } from 'zod';
import { ConfigurationError } from './error.ts';

export { ConfigurationError, messageOf } from './error.ts';

/**
 * Reads a program's configuration from environment variables. Each field of `shape` is named as its variable and
 * carries its documentation in `.describe()`; values are never echoed, because some are secrets.
 * An empty variable counts as unset, as in a docker-compose file.
 */
export function readEnvironment<S extends z.ZodRawShape>(
  shape: S,
  environment: Readonly<Record<string, string | undefined>>,
): z.infer<z.ZodObject<S>> {
  const given = Object.fromEntries(
    Object.keys(shape)
      .filter((name) => environment[name] !== undefined && environment[name] !== '')
      .map((name) => [name, environment[name]]),
  );
  const read = z.object(shape).safeParse(given);
  if (read.success) return read.data;
  const problems = read.error.issues.map((issue) => {
    const name = String(issue.path[0] ?? '');
    const field = shape[name] as z.ZodType | undefined;
    const state = given[name] === undefined ? 'is not set' : `is not valid: ${issue.message}`;
    return `  ${name} ${state}. ${field?.description ?? ''}`.trimEnd();
  });
  throw new ConfigurationError(`the configuration has ${problems.length} problem(s):\n${problems.join('\n')}`);
}

/** A whole number in decimal digits, within bounds. */
export function wholeNumber(minimum: number, maximum: number): z.ZodCoercedNumber {
  return z.coerce.number().int().min(minimum).max(maximum);
}
