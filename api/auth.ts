import type { Context, MiddlewareHandler } from 'hono';
import { createHash } from 'node:crypto';
import { apiKey } from '#clickhouse/ledger.ts';
import { unreachable } from '#common/assert.ts';
import { ProblemError } from './problem.ts';
import type { Reader } from './reader.ts';

export const roles = ['viewer', 'finance', 'on_call', 'admin', 'intake'] as const;
export type Role = (typeof roles)[number];

/** Who asks. `visibleTenants` is part of every query: ['*'] sees all, [] sees nothing. */
type Principal = { readonly name: string; readonly role: Role; readonly visibleTenants: readonly string[] };

/** What a route finds in its context. */
export type Asked = { Variables: { principal: Principal; requestId: string } };

/**
 * Keys that are made here are `gm_` and 32 random bytes in base64url; one that a person chose is any 16 or more printable
 * characters. Anything else is no key, and is not worth a question to the database.
 */
const keyPattern = /^[\x21-\x7e]{16,256}$/;
/** A revoked key may be believed this long. */
const believedMs = 10_000;
const believedMax = 1_000;

/** Tables hold this instead of the key, so a leaked table opens nothing. */
export function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

/** A key's principal, or null for a key that is unknown, revoked or expired. */
export type Keyring = (key: string) => Promise<Principal | null>;

/** Only found keys are remembered, and few: a new key works at once, and wrong keys cannot fill the memory. */
export function keyring(db: Reader, now: () => Date): Keyring {
  const believed = new Map<string, { principal: Principal; until: number }>();
  return async (key) => {
    if (!keyPattern.test(key)) return null;
    const hash = hashOf(key);
    const at = now().getTime();
    const known = believed.get(hash);
    if (known !== undefined && at < known.until) return known.principal;
    believed.delete(hash);
    const [found] = await db.read(apiKey, { key_hash: hash });
    const role = roles.find((name) => name === found?.role);
    if (found === undefined || role === undefined) return null;
    const principal = { name: found.name, role, visibleTenants: visible(role, found.tenants) };
    if (believed.size >= believedMax) believed.clear();
    believed.set(hash, { principal, until: at + Math.min(believedMs, found.remaining_ms ?? believedMs) });
    return principal;
  };
}

/** A viewer sees the tenants of its key; '*' is not one, it would be all. */
function visible(role: Role, tenants: readonly string[]): readonly string[] {
  switch (role) {
    case 'viewer':
      return tenants.filter((tenant) => tenant !== '*');
    case 'finance':
    case 'on_call':
    case 'admin':
      return ['*'];
    case 'intake':
      return [];
    default:
      return unreachable(role);
  }
}

/** Sets the principal of a request or answers 401. The key itself goes no further than this function. */
export function authenticate(keys: Keyring): MiddlewareHandler<Asked> {
  return async (c, next) => {
    const given = /^Bearer +(\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1];
    if (given === undefined) throw unauthenticated('send the header Authorization: Bearer <key>', '');
    const principal = await keys(given);
    if (principal === null) {
      throw unauthenticated('the key is unknown, revoked or expired; ask for a new one', ', error="invalid_token"');
    }
    c.set('principal', principal);
    await next();
  };
}

function unauthenticated(detail: string, why: string): ProblemError {
  return new ProblemError('unauthenticated', detail, {
    headers: { 'WWW-Authenticate': `Bearer realm="gatemeter"${why}` },
  });
}

/** Lets these roles through. */
export function allow(allowed: readonly Role[]): MiddlewareHandler<Asked> {
  return async (c: Context<Asked>, next) => {
    const { role } = c.get('principal');
    if (!allowed.includes(role)) {
      throw new ProblemError('forbidden', `a key of role ${role} may not ask this; it needs ${allowed.join(' or ')}`);
    }
    await next();
  };
}
