import fc from 'fast-check';
import { expect, test } from 'vitest';
import { clientNetwork } from '../../ingest/network.ts';

test('an IPv4 address in any of its spellings gives its /24', () => {
  fc.assert(
    fc.property(fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)), ([a, b, c, d]) => {
      const network = `${a}.${b}.${c}.0/24`;
      const hex = [a * 256 + b, c * 256 + d].map((group) => group.toString(16)).join(':');
      const ip = `${a}.${b}.${c}.${d}`;
      const spellings = [ip, ` ${ip} `, `${ip}:65535`, `${a}.${b}.${c}.***`, `${a}.${b}.${c}.xxx`, `::ffff:${ip}`];
      for (const text of [...spellings, `::FFFF:${hex}`, `[::ffff:${ip}]:1`, `0:0:0:0:0:ffff:${ip}`, `${ip}, 10.0.0.1`])
        expect(clientNetwork(text), text).toBe(network);
    }),
  );
});

test('an IPv6 address in any of its spellings gives its /48', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(0xffff), { minLength: 8, maxLength: 8 }), (groups) => {
      const text = groups.map((group) => group.toString(16)).join(':');
      fc.pre(!text.startsWith('0:0:0:0:0:ffff:'));
      const network = clientNetwork(text);
      expect(network).toMatch(/^[\da-f:]*::\/48$/);
      for (const same of [text.toUpperCase(), `[${text}]:443`, `${text}%eth0`])
        expect(clientNetwork(same)).toBe(network);
      expect(clientNetwork([...groups.slice(0, 3), 0, 0, 0, 0, 9].map((group) => group.toString(16)).join(':'))).toBe(
        network,
      );
    }),
  );
  expect(clientNetwork('2001:db8:abcd:12::7')).toBe('2001:db8:abcd::/48');
  expect(clientNetwork('2001:0db8:0000:12::7')).toBe('2001:db8::/48');
  expect(clientNetwork('2001:db8:abcd:***')).toBe('2001:db8:abcd::/48');
  expect(clientNetwork('::1')).toBe('::/48');
});

test('what is no address names no network, and no text gets through', () => {
  for (const text of [
    '',
    'localhost',
    'SECRET',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    '01.2.3.4',
    '*.2.3.4',
    '1.2.*.4',
    ':',
  ])
    expect(clientNetwork(text), text).toBe('');
  for (const text of ['1::2::3', '1:2:3', '12345::', 'g::1', '::ffff:1.2.3.999', '1:2:3:4:5:6:7:8:9', '[1.2.3.4'])
    expect(clientNetwork(text), text).toBe('');
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(clientNetwork(text)).toMatch(/^(|\d+\.\d+\.\d+\.0\/24|[\da-f:]*::\/48)$/);
    }),
  );
});
