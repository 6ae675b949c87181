import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask, type Ledger, openLedger } from './ledger.ts';

const start = Date.UTC(2026, 5, 1);

let ledger: Ledger;

beforeAll(async () => {
  ledger = await openLedger();
});

afterAll(async () => ledger.close());

test('thirty thousand consumers with rules of their own, and one for all others, are asked like few', async () => {
  // An array of all of them in the row of each would be more than any query may have.
  await ledger.db.command(
    `INSERT INTO attributions (consumer_id, tenant_id, valid_from, author, reason)
     SELECT if(number = 0, '', concat('consumer-', toString(number))), if(number = 0, 'others', concat('tenant-', toString(number % 7))), '2026-01-01 00:00:00.000', 'test', 'test'
     FROM numbers(30000)`,
  );
  await ledger.store(
    ['consumer-1', 'consumer-29999', 'stranger'].map((consumer_id, i) => ({
      call_id: `gw/${i}`,
      started_at: start + i,
      consumer_id,
    })),
  );
  const key = await ledger.key({ role: 'admin' });
  const app = ledger.api(() => new Date(start + 86_400_000));
  const path = `/v1/usage?from=${new Date(start).toISOString()}&group_by=tenant_id,consumer_id`;
  const { data } = await ask(app, key, path);
  expect(new Map(data.map((row) => [row['consumer_id'], [row['tenant_id'], row['calls']]]))).toEqual(
    new Map([
      ['consumer-1', ['tenant-1', '1']],
      ['consumer-29999', [`tenant-${29_999 % 7}`, '1']],
      ['stranger', ['others', '1']],
    ]),
  );
});
