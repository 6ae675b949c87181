/** Broken invariants are bugs: they stop the program with a sentence, they are never handled. */
export function assert(condition: unknown, invariant: string): asserts condition {
  if (!condition) throw new AssertionError(invariant);
}

/** Thrown by `assert`; nothing catches it on purpose. */
class AssertionError extends Error {
  override name = 'AssertionError';
}

/** The value, which the caller knows to be there. */
export function present<T>(value: T | null | undefined, invariant: string): T {
  assert(value !== null && value !== undefined, invariant);
  return value;
}

/** Makes a `switch` over a closed union complete at compile time. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable case ${JSON.stringify(value)}`);
}
