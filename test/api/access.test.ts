import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { App } from '../../api/route.ts';
import { apiKeys } from '#clickhouse/tables.ts';
import { hashOf, keyring } from '../../api/auth.ts';
import { reader } from '../../api/reader.ts';
import { alertIds, storeAlerts } from '../alerts/line.ts';
import { sendInvoice, smallInvoice } from '../money/invoices.ts';
import { allowed, found, needed } from './roles.ts';
import { ask, at, type CallRecord, type Ledger, openLedger } from './ledger.ts';

const start = Date.UTC(2026, 5, 1);
let clock = new Date(start + 86_400_000);
const window = `from=${new Date(start).toISOString()}`;

/** Two tenants with one call each; ids with the slash that clients must encode. */
const records: CallRecord[] = [
  { call_id: 'gw/ours', started_at: start + 1, consumer_id: 'c-ours' },
  { call_id: 'gw/theirs', started_at: start + 2, consumer_id: 'c-theirs' },
];

let ledger: Ledger;
let app: App;
const keys = {
  viewer: '',
  stranger: '',
  finance: '',
  on_call: '',
  admin: '',
  intake: '',
  expired: '',
  revoked: '',
  all: '',
};
let routes: string[];

beforeAll(async () => {
  ledger = await openLedger();
  const rule = { valid_from: 0, valid_to: null };
  await ledger.attribute([
    { ...rule, consumer_id: 'c-ours', tenant_id: 'ours' },
    { ...rule, consumer_id: 'c-theirs', tenant_id: 'theirs' },
  ]);
  await ledger.store(records);
  await storeAlerts(ledger.db, start);
  for (const role of ['finance', 'on_call', 'admin', 'intake'] as const) keys[role] = await ledger.key({ role });
  keys.viewer = await ledger.key({ role: 'viewer', tenants: ['ours'] });
  keys.stranger = await ledger.key({ role: 'viewer', tenants: ['nobody'] });
  // What the command line refuses, a row could still hold.
  keys.all = await ledger.key({ role: 'viewer', tenants: ['*'] });
  keys.expired = await ledger.key({ role: 'admin', expiresAt: new Date(Date.now() - 1_000) });
  keys.revoked = await ledger.key({ role: 'admin' });
  await revoke(keys.revoked, 'admin');
  app = ledger.api(() => clock);
  routes = await v1Routes();
  await sendInvoice(app, keys.finance, '2020-01', smallInvoice);
});

afterAll(async () => ledger.close());

async function revoke(key: string, role: string): Promise<void> {
  await ledger.db.insert(apiKeys, JSON.stringify([hashOf(key), role, role, [], null, true]));
}

/** Every question behind a key, from the document, so that a new one cannot be forgotten here. */
async function v1Routes(): Promise<string[]> {
  const response = await app.request('/openapi.json');
  const { paths } = (await response.json()) as { paths: Record<string, object> };
  const found = Object.keys(paths).filter((path) => path.startsWith('/v1/') && 'get' in (paths[path] ?? {}));
  expect(found.length).toBeGreaterThanOrEqual(7);
  const known = { call_id: 'gw%2Fours', alert_id: alertIds.ours, month: '2020-01' };
  return found.map((path) => path.replace(/\{(\w+)\}/, (_, name: keyof typeof known) => known[name]));
}

async function get(path: string, key: string | null): Promise<{ status: number; headers: Headers; text: string }> {
  const response = await app.request(path, key === null ? {} : { headers: { authorization: `Bearer ${key}` } });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** An answer's text without the id of its request. */
function anonymous(answer: { text: string }): string {
  return answer.text.replace(/urn:uuid:[^"]+/, '');
}

describe('without a valid key no route answers', () => {
  test('no key, a wrong key, an expired and a revoked key get 401 on every route, and the answer never holds the key', async () => {
    const unknown = `gm_${'A'.repeat(43)}`;
    const bad = [
      null,
      'x',
      unknown,
      `${keys.admin}x`,
      keys.admin.toUpperCase(),
      hashOf(keys.admin),
      keys.expired,
      keys.revoked,
    ];
    for (const route of routes) {
      for (const key of bad) {
        const answer = await get(route, key);
        expect([route, key, answer.status]).toEqual([route, key, 401]);
        expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer realm="gatemeter"/);
        expect(answer.headers.get('content-type')).toBe('application/problem+json');
        if (key !== null && key !== 'x') expect(answer.text).not.toContain(key);
      }
    }
  });

  test('a path that does not exist does not tell so without a key', async () => {
    expect((await get('/v1/nothing', null)).status).toBe(401);
    expect((await get('/v1/nothing', keys.admin)).status).toBe(404);
  });

  test('a key that a person chose works with any printable character, and one that cannot be a key costs no question', async () => {
    const chosen = 'correct-horse!/+=~"battery';
    await ledger.db.insert(apiKeys, JSON.stringify([hashOf(chosen), 'chosen', 'admin', [], null, false]));
    expect((await get('/v1/pipeline', chosen)).status).toBe(200);
    let questions = 0;
    const { read, ...others } = reader(ledger.db);
    const counted = { ...others, read: ((...asked) => (questions++, read(...asked))) as typeof read };
    const keys = keyring(counted, () => clock);
    for (const none of ['', 'fifteen-letters', 'with a space in it', 'tab\tin-the-middle-of-it', 'x'.repeat(257)])
      expect(await keys(none)).toBeNull();
    expect(questions).toBe(0);
    expect(await keys('x'.repeat(256))).toBeNull();
    expect(questions).toBe(1);
  });

  test('a key in the query string is refused: it would end in logs', async () => {
    expect((await get(`/v1/usage?key=${keys.admin}`, null)).status).toBe(401);
  });

  test('a revoked key is believed for at most 10 seconds', async () => {
    const key = await ledger.key({ role: 'admin' });
    expect((await get('/v1/usage', key)).status).toBe(200);
    await revoke(key, 'admin');
    clock = new Date(clock.getTime() + 10_000);
    expect((await get('/v1/usage', key)).status).toBe(401);
  });

  test('a key that expires soon is believed no longer than it is valid', async () => {
    const key = await ledger.key({ role: 'admin', expiresAt: new Date(Date.now() + 3_000) });
    expect((await get('/v1/pipeline', key)).status).toBe(200);
    const expired = at(Date.now() - 1_000);
    await ledger.db.insert(apiKeys, JSON.stringify([hashOf(key), 'admin', 'admin', [], expired, false]));
    clock = new Date(clock.getTime() + 3_000);
    expect((await get('/v1/pipeline', key)).status).toBe(401);
  });
});

describe('a role sees what it may and no more', () => {
  test('each route answers its roles with 200 and every other with 403; intake may ask nothing', async () => {
    expect(Object.keys(allowed).sort()).toEqual([...routes].sort());
    const roles = ['viewer', 'finance', 'on_call', 'admin', 'intake'] as const;
    for (const route of routes) {
      const path = `${route}${needed[route] ?? ''}`;
      const statuses = await Promise.all(roles.map(async (role) => (await get(path, keys[role])).status));
      const wanted = roles.map((role) => (allowed[route]?.includes(role) === true ? 200 : 403));
      expect([route, ...statuses]).toEqual([route, ...wanted]);
    }
  });

  test("a viewer's answers hold its tenants only, on every question and whatever it filters by", async () => {
    const tenants = '&tenant_id=*&tenant_id=theirs&tenant_id=ours';
    // What has no window and no groups is asked for by name where it is tested.
    const asked = routes.filter((route) => !/%2F|alerts\//.test(route) && needed[route] === undefined);
    const questions = asked.filter((route) => allowed[route]?.includes('viewer') === true);
    for (const route of questions) {
      const others = found.includes(route.slice(4)) ? '' : '&consumer_id=c-ours&consumer_id=c-theirs';
      for (const filter of ['', `${tenants}${others}`]) {
        const grouping = [...found, 'calls'].includes(route.slice(4)) ? '' : '&group_by=tenant_id,consumer_id';
        const path = `${route}?${window}${grouping}${filter}`;
        const [json, csv] = await Promise.all([ask(app, keys.viewer, path), get(`${path}&format=csv`, keys.viewer)]);
        expect(JSON.stringify(json.data)).not.toContain('theirs');
        expect([path, csv.status, csv.text.includes('theirs')]).toEqual([path, 200, false]);
        if (filter !== '') continue;
        const nobodies = [keys.stranger, keys.all].map(async (nobody) => ask(app, nobody, path));
        for (const nothing of await Promise.all(nobodies)) expect(nothing.data).toEqual([]);
      }
    }
  });

  test('filtering by the own tenant finds it, so the limits above are not of an empty ledger', async () => {
    const mine = await ask(app, keys.viewer, `/v1/usage?${window}&group_by=tenant_id&tenant_id=ours`);
    expect(mine.data.map((row) => [row['tenant_id'], row['calls']])).toEqual([['ours', '1']]);
    const everyone = await ask(app, keys.finance, `/v1/usage?${window}&group_by=tenant_id`);
    expect(everyone.data.map((row) => row['tenant_id'])).toEqual(['ours', 'theirs']);
  });

  test("another tenant's call answers exactly like one that does not exist", async () => {
    const [theirs, none] = [
      await get('/v1/calls/gw%2Ftheirs', keys.viewer),
      await get('/v1/calls/gw%2Fnone', keys.viewer),
    ];
    expect([theirs.status, none.status, anonymous(theirs)]).toEqual([404, 404, anonymous(none)]);
    expect((await get('/v1/calls/gw%2Ftheirs', keys.on_call)).status).toBe(200);
  });

  test('who had a consumer before its rule was corrected sees none of its calls, as known then or now', async () => {
    const rules = [
      `('c-moved', 'ours', '2020-01-01 00:00:00.000', '2026-05-01 00:00:00.000', 'test', 'test')`,
      `('c-moved', 'theirs', '2020-01-01 00:00:00.000', '2026-05-03 00:00:00.000', 'test', 'test')`,
    ];
    await ledger.db.command(
      `INSERT INTO attributions (consumer_id, tenant_id, valid_from, known_from, author, reason) VALUES ${rules.join(', ')}`,
    );
    await ledger.store([{ call_id: 'gw/moved', started_at: start + 5, consumer_id: 'c-moved' }]);
    for (const path of [`/v1/calls?${window}`, `/v1/usage?${window}&group_by=consumer_id`, '/v1/calls/gw%2Fmoved?']) {
      const [then, now] = await Promise.all([
        get(`${path}&as_known_at=2026-05-02T00:00:00Z`, keys.viewer),
        get(path, keys.viewer),
      ]);
      expect([path, then.text.includes('c-moved'), now.text.includes('c-moved')]).toEqual([path, false, false]);
      expect([then.status, then.text.includes('leave it out')]).toEqual([400, true]);
      expect((await get(`${path}&as_known_at=2026-05-02T00:00:00Z`, keys.on_call)).text).toContain('c-moved');
    }
  });

  test("coverage is of the viewer's own calls: a share tells nothing of another tenant", async () => {
    const before = await ask(app, keys.viewer, `/v1/usage?${window}`);
    await ledger.store([
      { call_id: 'gw/more', started_at: start + 9, consumer_id: 'c-theirs', usage_quality: 'missing' },
    ]);
    expect((await ask(app, keys.viewer, `/v1/usage?${window}`)).meta.coverage).toEqual(before.meta.coverage);
  });
});

describe('what is not understood is refused, by name', () => {
  const refused: readonly [string, string][] = [
    ['/v1/usage?tennant_id=ours', 'tennant_id'],
    ['/v1/pipeline?from=2026-06-01T00:00:00Z', 'from'],
    ['/v1/calls?group_by=tenant_id', 'group_by'],
    ['/v1/calls/gw%2Fours?x=1', 'x'],
    ['/v1/usage?from=2026-06-01', 'from'],
    ['/v1/usage?from=2026-06-01T00:00:00', 'from'],
    ['/v1/usage?from=2026-06-01T00:00:00+02:00', 'from'],
    ['/v1/usage?from=2026-02-30T00:00:00Z', 'from'],
    ['/v1/usage?from=2026-06-02T00:00:00Z&to=2026-06-02T00:00:00Z', 'from'],
    ['/v1/usage?to=1969-06-02T00:00:00Z', 'to'],
    ['/v1/usage?from=2026-06-01T00:00:00Z&from=2026-06-02T00:00:00Z', 'from'],
    ['/v1/usage?step=PT2M', 'step'],
    ['/v1/usage?step=PT1M&from=2026-01-01T00:00:00Z', 'step'],
    ['/v1/usage?tz=Europe/Berlni', 'tz'],
    ['/v1/usage?tz=%2B02:00', 'tz'],
    ['/v1/usage?group_by=tenant', 'group_by'],
    ['/v1/usage?group_by=error_type', 'group_by'],
    ['/v1/usage?order_by=tenant_id', 'order_by'],
    ['/v1/usage?order_by=time', 'order_by'],
    ['/v1/usage?order_by=calls;DROP', 'order_by'],
    ['/v1/usage?limit=0', 'limit'],
    ['/v1/usage?limit=100001', 'limit'],
    ['/v1/calls?limit=10001', 'limit'],
    ['/v1/usage?limit=1e3', 'limit'],
    ['/v1/usage?cursor=AAAA', 'cursor'],
    ['/v1/usage?format=xml', 'format'],
    ['/v1/usage?as_known_at=yesterday', 'as_known_at'],
  ];

  test('an unknown or senseless parameter is a 400 that names it, never a wider answer', async () => {
    for (const [path, parameter] of refused) {
      const { status, text } = await get(path, keys.admin);
      const body = JSON.parse(text) as { type: string; errors: { parameter: string; detail: string }[] };
      expect([path, status, body.errors[0]?.parameter]).toEqual([path, 400, parameter]);
      expect(body.type).toBe('urn:gatemeter:problem:invalid_parameter');
      expect(body.errors[0]?.detail).not.toBe('');
    }
  });

  test('a cursor of another question is refused: its offset would skip rows in silence', async () => {
    const page = await ask(app, keys.admin, `/v1/usage?${window}&group_by=tenant_id&limit=1`);
    expect(page.meta.next_cursor).not.toBeNull();
    const other = await get(
      `/v1/usage?${window}&group_by=consumer_id&limit=1&cursor=${page.meta.next_cursor}`,
      keys.admin,
    );
    expect(other.status).toBe(400);
    expect(other.text).toContain('cursor');
  });

  test('words that are SQL are only words, in filters and in ids', async () => {
    for (const word of [
      "' OR 1=1 --",
      "'); DROP TABLE calls",
      '\\',
      "\\'",
      '{from:String}',
      'a\tb',
      "['x']",
      '☃\u0000',
    ]) {
      const text = encodeURIComponent(word);
      const [found, call] = await Promise.all([
        ask(app, keys.admin, `/v1/usage?${window}&group_by=tenant_id&consumer_id=${text}`),
        get(`/v1/calls/${text}`, keys.admin),
      ]);
      expect([word, found.data, call.status]).toEqual([word, [], 404]);
    }
  });
});
