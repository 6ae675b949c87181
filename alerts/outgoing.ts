import { lookup } from 'node:dns';
import { type IncomingMessage, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import type { Answer, Outgoing } from './channel.ts';

/** Resolves a host to every address it has. */
export type Resolve = (host: string) => Promise<string[]>;

/** Who may be spoken to: never a private address unless one of `allowed` (addresses or networks) contains it. */
export type Guard = {
  /** The addresses of a host, all of which may be spoken to, or why not. */
  readonly check: (host: string) => Promise<{ kind: 'allowed'; addresses: string[] } | Refused>;
};

type Refused = { readonly kind: 'refused' | 'unreachable'; readonly reason: string };

/** Loopback, private, link-local, shared, multicast and reserved networks (RFC 6890 and its registries). */
const closed: readonly (readonly [network: string, bits: number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
  ['::', 128],
  ['::1', 128],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
];

export function guard(allowed: readonly string[], resolve: Resolve = resolveAll): Guard {
  const refused = listOf(closed);
  const open = listOf(allowed.map(networkOf));
  const may = (address: string): boolean => {
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    return open.check(address, family) || !refused.check(address, family);
  };
  return {
    check: async (host) => {
      const name = host.replace(/^\[(.*)\]$/, '$1');
      let addresses: string[];
      try {
        addresses = isIP(name) === 0 ? await resolve(name) : [name];
      } catch {
        return { kind: 'unreachable', reason: 'name_not_resolved' };
      }
      if (addresses.length === 0) return { kind: 'unreachable', reason: 'name_not_resolved' };
      // One private address among several would be as good as the only one, some of the time.
      if (!addresses.every(may)) return { kind: 'refused', reason: 'private_address' };
      return { kind: 'allowed', addresses };
    },
  };
}

/** `10.1.2.3`, `10.0.0.0/8` or `fd00::/8`; null for anything else. */
export function parseNetwork(text: string): readonly [string, number] | null {
  const [address = '', bits] = text.split('/');
  const family = isIP(address);
  if (family === 0) return null;
  const most = family === 4 ? 32 : 128;
  const count = bits === undefined ? most : Number(bits);
  return Number.isInteger(count) && count >= 0 && count <= most && bits !== '' ? [address, count] : null;
}

function networkOf(text: string): readonly [string, number] {
  return parseNetwork(text) ?? ['0.0.0.0', 32];
}

function listOf(networks: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList();
  for (const [address, bits] of networks) list.addSubnet(address, bits, isIP(address) === 6 ? 'ipv6' : 'ipv4');
  return list;
}

async function resolveAll(host: string): Promise<string[]> {
  return new Promise((done, failed) => {
    lookup(host, { all: true }, (error, found) =>
      error === null ? done(found.map(({ address }) => address)) : failed(error),
    );
  });
}

const timeoutMs = 10_000;

/**
 * Sends one request to a checked address, and to no other: the connection is made to what was checked, so that a name
 * that resolves differently a moment later changes nothing. Never throws. Redirects are not followed.
 */
export async function send(outgoing: Outgoing, who: Guard): Promise<Answer> {
  const url = new URL(outgoing.url);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return { kind: 'refused', reason: 'not_http' };
  const checked = await who.check(url.hostname);
  if (checked.kind !== 'allowed') return checked;
  const pinned: LookupFunction = (_host, options, callback) => {
    const found = checked.addresses.map((address) => ({ address, family: isIP(address) }));
    if (options.all === true) callback(null, found);
    else callback(null, found[0]?.address ?? '', found[0]?.family ?? 4);
  };
  return exchange(url, outgoing, pinned);
}

async function exchange(url: URL, outgoing: Outgoing, pinned: LookupFunction): Promise<Answer> {
  return new Promise((answered) => {
    const begin = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const deadline = AbortSignal.timeout(timeoutMs);
    const failed = (error: NodeJS.ErrnoException): void =>
      answered({
        kind: 'unreachable',
        reason: (deadline.aborted ? 'timeout' : (error.code ?? 'failed')).toLowerCase(),
      });
    const headers = {
      ...outgoing.headers,
      'content-length': Buffer.byteLength(outgoing.body),
      'user-agent': 'gatemeter',
    };
    const heard = (response: IncomingMessage): void => {
      answered({
        kind: 'answered',
        status: response.statusCode ?? 0,
        retryAfterMs: retryAfter(response.headers['retry-after']),
      });
      // The status has said it; a body could only be long, or repeat a secret of ours.
      response.on('error', () => {});
      response.destroy();
    };
    const options = { method: outgoing.method, headers, lookup: pinned, signal: deadline, agent: false };
    try {
      const request = begin(url, options, heard);
      request.on('error', failed);
      request.end(outgoing.body);
    } catch {
      // A header that cannot be sent is thrown at once, and its text is a secret.
      answered({ kind: 'refused', reason: 'request_not_valid' });
    }
  });
}

/** Seconds or a date (RFC 9110, 10.2.3); at most an hour is believed. */
function retryAfter(value: string | undefined): number | null {
  if (value === undefined) return null;
  const ms = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return Number.isNaN(ms) ? null : Math.min(Math.max(ms, 0), 3_600_000);
}
