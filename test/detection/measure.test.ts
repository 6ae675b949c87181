import { afterAll, beforeAll, expect, test } from 'vitest';
import { argument, lookBack, prepare } from '#clickhouse/detect.ts';
import { detectors } from '#clickhouse/detection.ts';
import { type CallRecord, type Ledger, openLedger } from '../api/ledger.ts';
import { chance } from '../backtest/chance.ts';

const seed = Number(process.env['SEED'] ?? 3);
console.log(`measure.test.ts runs with SEED=${seed}`);

const minute = 60_000;
const hour = 60 * minute;
const start = Date.UTC(2026, 8, 7, 10);
const statuses = [200, 200, 200, 200, 429, 400, 500, 408, null];

let ledger: Ledger;

beforeAll(async () => {
  ledger = await openLedger();
  await ledger.attribute([{ consumer_id: 'a', tenant_id: 'one', valid_from: 0, valid_to: null }]);
  await ledger.price([
    {
      provider_name: 'test.provider',
      model: 'm',
      token_kind: 'input',
      context_over_tokens: 0,
      list_unit_price: '2.5',
      valid_from: Date.UTC(2026, 0),
      valid_to: null,
    },
  ]);
}, 120_000);

afterAll(async () => ledger.close());

function records(count: number, from: number, width: number, prefix: string): CallRecord[] {
  const draw = chance(seed);
  return Array.from({ length: count }, (_, i) => {
    const status = draw.pick(statuses);
    return {
      call_id: `gw/${prefix}-${i}`,
      started_at: Math.floor(from + draw.uniform() * width),
      consumer_id: draw.pick(['a', 'b']),
      provider_name: 'test.provider',
      response_model: draw.pick(['m', 'nameless']),
      deployment: draw.pick(['d1', 'd2', '']),
      backend: 'back',
      http_response_status_code: status,
      usage_input_tokens: Math.floor(draw.uniform() * 5_000),
      usage_quality: 'exact',
    };
  });
}

type Counted = {
  calls: number;
  failed: number;
  server_failed: number;
  throttled: number;
  tokens: number;
  cost: number;
  unpriced: number;
};

/** The same in plain TypeScript; cost in millionths of a micro-dollar, so that it is a whole number. */
function brute(all: readonly CallRecord[]): Map<string, Counted> {
  const found = new Map<string, Counted>();
  for (const record of all) {
    const series = String(record.deployment !== '' ? record.deployment : record.response_model);
    const key = [
      Math.floor(record.started_at / minute) * minute,
      record.consumer_id === 'a' ? 'one' : 'unattributed',
      series,
    ].join(' ');
    const sum = found.get(key) ?? {
      calls: 0,
      failed: 0,
      server_failed: 0,
      throttled: 0,
      tokens: 0,
      cost: 0,
      unpriced: 0,
    };
    const status = Number(record.http_response_status_code ?? 0);
    const tokens = Number(record.usage_input_tokens);
    sum.calls += 1;
    sum.failed += status >= 400 && status !== 429 ? 1 : 0;
    sum.server_failed += status >= 500 || status === 408 ? 1 : 0;
    sum.throttled += status === 429 ? 1 : 0;
    sum.tokens += tokens;
    if (record.response_model === 'm') sum.cost += tokens * 25;
    else sum.unpriced += tokens;
    found.set(key, sum);
  }
  return found;
}

test('measured minutes are the calls, counted in plain TypeScript; and again after late and moved calls', async () => {
  const first = records(400, start, 2 * hour, 'first');
  await ledger.store(first);
  // In the first hour nothing has been learned from: that must not begin four weeks before the first call.
  for (const after of [2, 12])
    expect(await prepare(ledger.db, start + after * minute, { hoursMax: 0 })).toEqual({
      through: start + after * minute,
      complete: true,
    });
  const at = start + 2 * hour + 10 * minute;
  expect(await prepare(ledger.db, at)).toEqual({ through: at, complete: true });
  await lookBack(ledger.db, at);
  const late = records(60, at - 4 * minute, 4 * minute, 'late').map((record) =>
    Object.assign(record, { call_id: `${record.call_id}-late` }),
  );
  await ledger.store(late);
  // These start in an hour that has been learned from, and in one minute for which nobody looks any more.
  const veryLate = records(40, start + 7 * minute, minute, 'very-late').map((record) =>
    Object.assign(record, { call_id: `${record.call_id}-very` }),
  );
  await ledger.store(veryLate);
  await prepare(ledger.db, at + 5 * minute);
  await lookBack(ledger.db, at + 5 * minute);
  const rows = await ledger.db.query<Record<string, string>>(
    `SELECT toUnixTimestamp(minute) * 1000 AS at, tenant_id, deployment, calls, failed, server_failed, throttled, tokens,
            toString(toInt64(ifNull(list_cost, 0) * 10000000)) AS cost, unpriced_tokens
     FROM traffic_minutes FINAL WHERE calls > 0`,
  );
  const measured = new Map(
    rows.map((row) => [
      `${row['at']} ${row['tenant_id']} ${row['deployment']}`,
      {
        calls: Number(row['calls']),
        failed: Number(row['failed']),
        server_failed: Number(row['server_failed']),
        throttled: Number(row['throttled']),
        tokens: Number(row['tokens']),
        cost: Number(row['cost']),
        unpriced: Number(row['unpriced_tokens']),
      },
    ]),
  );
  const expected = brute([...first, ...late, ...veryLate]);
  expect([...measured].sort(([a], [b]) => (a < b ? -1 : 1))).toEqual(
    [...expected].sort(([a], [b]) => (a < b ? -1 : 1)),
  );
  const [hours] = await ledger.db.query<{ calls: string }>(
    `SELECT sum(total) AS calls FROM traffic_hours FINAL WHERE hour = toDateTime('${argument(start).slice(0, 19)}', 'UTC')`,
  );
  const inHour = [...first, ...veryLate].filter(({ started_at }) => started_at < start + hour);
  expect(Number(hours?.calls)).toBe(inHour.length);
});

test('every detector answers at an instant, and none reads a call that started after it', async () => {
  const at = start + 2 * hour;
  const before = await Promise.all(detectors.map(async (view) => ledger.db.read(view, { at: argument(at) })));
  await ledger.store(records(300, at + minute, 30 * minute, 'after'));
  const after = await Promise.all(detectors.map(async (view) => ledger.db.read(view, { at: argument(at) })));
  expect(after).toEqual(before);
});
