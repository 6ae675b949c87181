import { afterAll, beforeAll, expect, test } from 'vitest';
import { attributions, prices } from '#clickhouse/money.ts';
import { type Ledger, openLedger } from '../api/ledger.ts';
import { append } from './books.ts';
import { call, finance, type Finance, line } from './statements.ts';

/* Months that are closed in another order than they passed in, and with another knowledge than that of the day. */
const august = Date.UTC(2026, 7, 10);
const october = Date.UTC(2026, 9, 10);

let ledger: Ledger;
let fin: Finance;

beforeAll(async () => {
  ledger = await openLedger();
  const app = ledger.api(() => new Date(Date.UTC(2026, 11, 24)));
  fin = finance(app, await ledger.key({ role: 'finance' }));
  await append(ledger.db, attributions, [{ consumer_id: 'shop', tenant_id: 'retail' }]);
  const price = { provider_name: 'test.provider', model: 'm', token_kind: 'input', list_unit_price: '5' };
  await append(ledger.db, prices, [price]);
  await ledger.store([
    call(august, { usage_input_tokens: 1_000_000 }),
    call(october, { usage_input_tokens: 1_000_000 }),
    call(Date.UTC(2026, 11, 24)),
  ]);
});

afterAll(async () => ledger.close());

async function corrections(month: string): Promise<unknown[]> {
  const { data } = await fin.read(month);
  const corrected = data.filter((row) => row['charge_class'] === 'Correction');
  return corrected.map((row) => [row['charge_month'], line(row)]);
}

test('a late call of a closed month waits for the next open month, also where an older month is closed in between', async () => {
  expect((await fin.close('2026-10')).status).toBe(200);
  await ledger.store([call(october, { usage_input_tokens: 2_000_000 })], 'test/hub/1');
  await ledger.store([call(Date.UTC(2026, 11, 24))], 'test/hub/1');
  const late = [['2026-10', ['retail', '', 'm', 'input', 'tokens', '2000000', '10.00']]];
  expect(await corrections('2026-11')).toEqual(late);
  expect((await fin.close('2026-08')).status).toBe(200);
  expect(await corrections('2026-11')).toEqual(late);
});

test('a month cannot be closed as known before what was known when the months were billed that it corrects', async () => {
  const { data } = await fin.read('2026-11', '?as_known_at=2026-01-01T00:00:00Z');
  expect(data.filter((row) => row['charge_class'] === 'Correction')).toEqual([]);
  const { status, body } = await fin.close('2026-11', { as_known_at: '2026-01-01T00:00:00Z' });
  expect([status, body['detail']]).toEqual([400, expect.stringContaining('as of which 2026-10 was billed')]);
  expect((await fin.close('2026-11')).status).toBe(200);
});
