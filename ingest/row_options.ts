import { z } from 'zod';
import { mappingPaths, readMappings } from './mapping_file.ts';
import type { RowOptions } from './rows.ts';

/** The variables that say what records become, whatever way they come in. */
export const rowVariables = {
  INGEST_MAPPINGS: z
    .string()
    .optional()
    .describe('Mapping files of gateways that have no decoder, comma separated: docs/connect-any-gateway.md'),
  INGEST_KEEP_REJECTED: z
    .enum(['redacted', 'all'])
    .default('redacted')
    .describe(
      'What is kept of records that are not understood: without message text, keys and query strings, or all (default redacted)',
    ),
};

/** Throws a `ConfigurationError` with every problem of every mapping file. */
export function rowOptions(read: {
  readonly INGEST_MAPPINGS?: string | undefined;
  readonly INGEST_KEEP_REJECTED: 'redacted' | 'all';
}): RowOptions {
  return { declared: readMappings(mappingPaths(read.INGEST_MAPPINGS)), keep: read.INGEST_KEEP_REJECTED };
}
