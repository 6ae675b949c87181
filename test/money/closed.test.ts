import { afterAll, beforeAll, expect, test } from 'vitest';
import { attributions, tenants } from '#clickhouse/money.ts';
import type { App } from '../../api/route.ts';
import { at, type Ledger, openLedger } from '../api/ledger.ts';
import { random as generator } from '../../local/traffic.ts';
import { append } from './books.ts';
import { appendBooks, generate, recordOf, to, zones } from './months.ts';
import type { Metered } from './oracle.ts';
import { finance, type Finance } from './statements.ts';

/* Generated months that are closed, and everything that may come to light after. */
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000_000);
console.log(`closed.test.ts runs with SEED=${seed}`);
const random = generator(seed);

const known = generate(seed, 60);
const later = generate(seed + 1, 60);
const rounds = 3;

let ledger: Ledger;
let app: App;
let fin: Finance;

beforeAll(async () => {
  ledger = await openLedger();
  app = ledger.api(() => new Date(Date.UTC(2026, 11, 1)));
  fin = finance(app, await ledger.key({ role: 'finance' }));
  await append(
    ledger.db,
    attributions,
    ['a', 'b'].map((id) => ({ consumer_id: id, tenant_id: id })),
  );
  await appendBooks(ledger.db, known.books);
  await ledger.store([
    ...known.calls.map((call) => recordOf(call)),
    { call_id: 'gw/last', started_at: to + 86_400_000 },
  ]);
});
afterAll(async () => ledger.close());

/** The part of a list that a round is for. */
function part<T>(list: readonly T[], round: number): T[] {
  return list.filter((_, index) => index % rounds === round);
}

async function learn(round: number): Promise<void> {
  const { prices, discounts, contracts } = later.books;
  await appendBooks(ledger.db, {
    prices: part(prices, round),
    discounts: part(discounts, round),
    contracts: part(contracts, round),
  });
  const late = part(later.calls, round).map((call): Metered =>
    Object.assign({}, call, { call_id: `late/${call.call_id}` }),
  );
  const again = part(known.calls, round);
  await ledger.store(
    [...late, ...again].map((call) => recordOf(call)),
    `test/hub/${round + 1}`,
  );
  const tenant_id = ['a', 'b', 'c'][Math.floor(random() * 3)];
  const consumer_id = ['a', 'b', 'nobody'][Math.floor(random() * 3)];
  const valid_from = at(Math.floor(to - random() * 100 * 86_400_000));
  await append(ledger.db, attributions, [{ consumer_id, tenant_id, cost_center: `cc-${round}`, valid_from }]);
  const time_zone = zones[Math.floor(random() * zones.length)];
  await append(ledger.db, tenants, [{ tenant_id, name: `renamed ${round}`, time_zone, valid_from }]);
}

test('a closed statement is byte-identical in every format after whatever calls, prices, agreements, attributions and zones are learned later', async () => {
  expect((await fin.close('2026-03')).status).toBe(200);
  const before = await fin.photograph('2026-03');
  for (let round = 0; round < rounds; round += 1) {
    await learn(round);
    expect([round, await fin.photograph('2026-03')]).toEqual([round, before]);
  }
  // What was learned does change money: the closed month only does not show it.
  const { data } = await fin.read('2026-03', '/corrections');
  expect(data.length).toBeGreaterThan(0);
});
