/** The text of a thrown value, for logs and answers. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Raised once at start, with every problem of the configuration and not only the first. */
export class ConfigurationError extends Error {
  override name = 'ConfigurationError';
}
