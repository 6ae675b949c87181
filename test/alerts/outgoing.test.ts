import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { guard, send } from '../../alerts/outgoing.ts';

const refused = { kind: 'refused', reason: 'private_address' };

test('private, link-local, loopback and reserved addresses are refused in every notation', async () => {
  const open = guard([]);
  const written = [
    '127.0.0.1',
    '127.1',
    '0x7f000001',
    '2130706433',
    '0177.0.0.1',
    '10.1.2.3',
    '172.16.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    '[::1]',
    '[::]',
    '[fd00::1]',
    '[fe80::1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:10.0.0.1]',
    '[::ffff:a9fe:a9fe]',
    '[64:ff9b::7f00:1]',
    '[2002:7f00:1::]',
  ];
  for (const host of written) {
    const outgoing = { method: 'POST', url: `http://${host}/`, headers: {}, body: '' } as const;
    expect(await send(outgoing, open), host).toEqual(refused);
  }
  expect(await open.check('8.8.8.8')).toEqual({ kind: 'allowed', addresses: ['8.8.8.8'] });
  expect(await open.check('[2606:4700::1111]')).toEqual({ kind: 'allowed', addresses: ['2606:4700::1111'] });
  const file = { method: 'POST', url: 'file:///etc/passwd', headers: {}, body: '' } as const;
  expect(await send(file, open)).toEqual({ kind: 'refused', reason: 'not_http' });
});

test('a name is refused if any of its addresses is private, and allowed networks open just themselves', async () => {
  const names: Record<string, string[]> = {
    both: ['93.184.216.34', '10.0.0.1'],
    inside: ['10.0.0.1'],
    outside: ['10.1.0.1'],
  };
  const some = guard(['10.0.0.0/16'], async (host) => names[host] ?? []);
  expect(await some.check('inside')).toEqual({ kind: 'allowed', addresses: ['10.0.0.1'] });
  expect(await some.check('outside')).toEqual(refused);
  expect(await guard([], async (host) => names[host] ?? []).check('both')).toEqual(refused);
  expect(await some.check('nowhere')).toEqual({ kind: 'unreachable', reason: 'name_not_resolved' });
});

test('the connection goes to the address that was checked: a name that resolves differently a moment later is not asked again', async () => {
  let reached = 0;
  const server = createServer((_request, response) => {
    reached += 1;
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  let asked = 0;
  // The second answer would be an address at which nobody listens.
  const rebinding = guard(['127.0.0.0/8'], async () => [asked++ === 0 ? '127.0.0.1' : '127.9.9.9']);
  const outgoing = { method: 'POST', url: `http://rebinding.example:${port}/`, headers: {}, body: '{}' } as const;
  expect(await send(outgoing, rebinding)).toMatchObject({ kind: 'answered', status: 200 });
  expect([reached, asked]).toEqual([1, 1]);
  server.close();
});

test('what cannot be a request is refused and not thrown: a secret with a line break loses no notification in silence', async () => {
  const headers = { authorization: 'Bearer secret\n' };
  const outgoing = { method: 'POST', url: 'http://127.0.0.1:9/', headers, body: '{}' } as const;
  expect(await send(outgoing, guard(['127.0.0.0/8']))).toEqual({ kind: 'refused', reason: 'request_not_valid' });
});
