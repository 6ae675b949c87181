/**
 * The parts of a connection string of Event Hubs, as its SDK reads them. The SDK itself is not asked what is wrong with
 * one: it repeats the whole string in its message, key included.
 */
function partsOf(connectionString: string): Map<string, string> {
  return new Map(
    connectionString.split(';').map((part): [string, string] => {
      const at = part.indexOf('=');
      return at < 0 ? [part.trim(), ''] : [part.slice(0, at).trim(), part.slice(at + 1).trim()];
    }),
  );
}

/** The hub that a connection string names; undefined for one of a whole namespace. */
export function entityPathOf(connectionString: string | undefined): string | undefined {
  return partsOf(connectionString ?? '').get('EntityPath') || undefined;
}

/** What a connection string lacks, without a word of its own. */
export function connectionStringProblems(connectionString: string): string[] {
  const parts = partsOf(connectionString);
  const has = (name: string): boolean => (parts.get(name) ?? '') !== '';
  const problems: string[] = [];
  if (!/^sb:\/\/[^/]+/.test(parts.get('Endpoint') ?? '')) problems.push('it has no Endpoint=sb://…');
  if (!has('SharedAccessSignature')) {
    for (const name of ['SharedAccessKeyName', 'SharedAccessKey']) {
      if (!has(name)) problems.push(`it has no ${name}=…`);
    }
  }
  return problems;
}
