import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import type { Database } from '#clickhouse/client.ts';
import { apiKeys } from '#clickhouse/tables.ts';
import { ConfigurationError } from '#common/environment.ts';
import { hashOf, type Role, roles } from './auth.ts';
import { argument } from './window.ts';

export type NewKey = {
  readonly name: string;
  readonly role: Role;
  /** A viewer's tenants, or the sources that an intake key may send for; empty for every other role. */
  readonly tenants: readonly string[];
  readonly expiresAt: Date | null;
};

/** Stores the hash of a new key and returns the key, which cannot be read again. */
export async function createKey(db: Database, wanted: NewKey): Promise<string> {
  const key = `gm_${randomBytes(32).toString('base64url')}`;
  const expires = wanted.expiresAt === null ? null : argument(wanted.expiresAt);
  await db.insert(apiKeys, JSON.stringify([hashOf(key), wanted.name, wanted.role, wanted.tenants, expires, false]));
  return key;
}

const usage = `usage: node api/main.ts key --name NAME --role ${roles.join('|')} [--tenants a,b] [--sources kong,apipark] [--expires 2027-01-01T00:00:00Z]`;

const options = z.strictObject({
  name: z.string({ error: '--name is missing' }).min(1, '--name is empty'),
  role: z.enum(roles, { error: `--role must be one of ${roles.join(', ')}` }),
  tenants: z.string().default(''),
  sources: z.string().default(''),
  expires: z.iso
    .datetime({ offset: true, error: '--expires is not an instant with a zone, such as 2027-01-01T00:00:00Z' })
    .optional(),
});

/** The key that a command line asks for. A viewer without tenants sees nothing, another role sees all: both are refused. */
export function parseKeyOptions(args: readonly string[]): NewKey {
  const read = options.safeParse(given(args));
  if (!read.success) throw new ConfigurationError(`${read.error.issues.map((i) => i.message).join('\n')}\n${usage}`);
  const { name, role, expires } = read.data;
  const tenants = read.data.tenants.split(',').filter((tenant) => tenant !== '');
  if (tenants.includes('*')) throw new ConfigurationError(`--tenants names tenants, not *; use another role\n${usage}`);
  if (role === 'viewer' && tenants.length === 0) {
    throw new ConfigurationError(`a viewer sees only the tenants of --tenants, and there are none\n${usage}`);
  }
  if (role !== 'viewer' && tenants.length > 0) {
    throw new ConfigurationError(`--tenants limits viewers only; role ${role} is not limited by it\n${usage}`);
  }
  const sources = read.data.sources.split(',').filter((source) => source !== '');
  if (role === 'intake' && sources.length === 0) {
    throw new ConfigurationError(`an intake key sends only for the sources of --sources, and there are none\n${usage}`);
  }
  if (role !== 'intake' && sources.length > 0) {
    throw new ConfigurationError(`--sources is for intake keys; role ${role} sends nothing or everything\n${usage}`);
  }
  return { name, role, tenants: [...tenants, ...sources], expiresAt: expires === undefined ? null : new Date(expires) };
}

function given(args: readonly string[]): Record<string, unknown> {
  try {
    const text = { type: 'string' } as const;
    return parseArgs({
      args: [...args],
      options: { name: text, role: text, tenants: text, sources: text, expires: text },
    }).values;
  } catch (error) {
    throw new ConfigurationError(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
  }
}
