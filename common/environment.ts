import { z } from 'zod';
import { ConfigurationError } from './error.ts';

export { ConfigurationError, messageOf } from './error.ts';

/**
 * Reads a program's configuration from environment variables. Each field of `shape` is named as its variable and
 * carries its documentation in `.describe()`; values are never echoed, because some are secrets.
 * An empty variable counts as unset, as in a docker-compose file. `together` finds what is wrong with variables of which
 * each is valid, and with what they name.
 */
export function readEnvironment<S extends z.ZodRawShape>(
  shape: S,
  environment: Readonly<Record<string, string | undefined>>,
  together: (given: Readonly<Record<string, string | undefined>>) => readonly string[] = () => [],
): z.infer<z.ZodObject<S>> {
  const given = Object.fromEntries(
    Object.keys(shape)
      .filter((name) => environment[name] !== undefined && environment[name] !== '')
      .map((name) => [name, environment[name]]),
  );
  const read = z.object(shape).safeParse(given);
  const joint = together(given).map((problem) => `  ${problem}`);
  if (read.success && joint.length === 0) return read.data;
  const problems = (read.error?.issues ?? []).map((issue) => {
    const name = String(issue.path[0] ?? '');
    const field = shape[name] as z.ZodType | undefined;
    const state = given[name] === undefined ? 'is not set' : `is not valid: ${issue.message}`;
    return `  ${name} ${state}. ${field?.description ?? ''}`.trimEnd();
  });
  problems.push(...joint);
  throw new ConfigurationError(`the configuration has ${problems.length} problem(s):\n${problems.join('\n')}`);
}

/** An address over HTTP. `localhost:8123` is a URL too, of the scheme `localhost`, and would be found out much later. */
export function httpAddress(): z.ZodURL {
  return z.url({ protocol: /^https?$/, error: 'not an address that begins with http:// or https://' });
}

/** A whole number in decimal digits, within bounds. */
export function wholeNumber(minimum: number, maximum: number): z.ZodCoercedNumber {
  return z.coerce.number().int().min(minimum).max(maximum);
}
