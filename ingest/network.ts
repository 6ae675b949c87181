/**
 * The network of an address, `/24` of IPv4 and `/48` of IPv6, as text; '' for what is no address. Logs write addresses
 * with a port, in brackets, with a zone, as a list of proxies (the first is the caller) or with the last part masked
 * (`81.2.69.***`, Azure AI services): all of these still name the network. An IPv4 address inside IPv6 (`::ffff:…`) is
 * the IPv4 one, because a dual-stack listener is no second caller.
 */
export function clientNetwork(address: string): string {
  // A network that was cut before, as in a rejected record that is replayed, stays what it is.
  const first = (address.split(',', 1)[0] ?? '')
    .trim()
    .slice(0, 128)
    .replace(/\/(?:24|48)$/, '');
  const bare = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(first)?.[1] ?? first;
  const v4 = /^([\d.]+\.(?:\d{1,3}|[*x]{1,3}))(?::\d{1,5})?$/i.exec(bare);
  return v4 === null ? network6(bare.replace(/%.*$/, '').toLowerCase()) : network4(String(v4[1]).split('.'));
}

function network4(parts: readonly string[]): string {
  const [last = ''] = parts.slice(3);
  if (parts.length !== 4 || !parts.slice(0, 3).every(isOctet)) return '';
  return isOctet(last) || /^[*x]+$/i.test(last) ? `${parts.slice(0, 3).join('.')}.0/24` : '';
}

/** A leading zero means octal to some readers, so such a text names no address for sure. */
function isOctet(text: string): boolean {
  return /^(0|[1-9]\d{0,2})$/.test(text) && Number(text) <= 255;
}

function network6(text: string): string {
  const groups = groupsOf(text);
  if (groups === null) return '';
  const mapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  const [a = 0, b = 0, c = 0] = groups;
  if (mapped) {
    const [high = 0, low = 0] = groups.slice(6);
    return `${high >> 8}.${high & 255}.${low >> 8}.0/24`;
  }
  const kept = [a, b, c].map((group) => group.toString(16));
  while (kept.at(-1) === '0') kept.pop();
  return `${kept.join(':')}::/48`;
}

/** The eight groups of an IPv6 address; masked groups at its end are 0 as long as the first three are there. */
function groupsOf(text: string): number[] | null {
  const masked = /^((?:[\da-f]{1,4}:){3,7})[*x:]+$/.exec(text);
  if (masked !== null) return filled(String(masked[1]).replace(/:$/, '').split(':'), []);
  const halves = text.split('::');
  if (!text.includes(':') || halves.length > 2) return null;
  const [left = [], right = []] = halves.map((half) => (half === '' ? [] : withoutV4(half.split(':'))));
  return halves.length === 2 || left.length === 8 ? filled(left, right) : null;
}

function filled(left: readonly string[], right: readonly string[]): number[] | null {
  const missing = 8 - left.length - right.length;
  if (missing < 0 || ![...left, ...right].every((group) => /^[\da-f]{1,4}$/.test(group))) return null;
  return [...left, ...Array.from({ length: missing }, () => '0'), ...right].map((group) => Number.parseInt(group, 16));
}

/** The last 32 bits may be written as IPv4: `::ffff:203.0.113.7`. */
function withoutV4(groups: readonly string[]): string[] {
  const octets = groups.at(-1)?.split('.') ?? [];
  if (octets.length !== 4 || !octets.every(isOctet)) return [...groups];
  const [a = 0, b = 0, c = 0, d = 0] = octets.map(Number);
  return [...groups.slice(0, -1), (a * 256 + b).toString(16), (c * 256 + d).toString(16)];
}
