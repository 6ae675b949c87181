import { expect, test } from 'vitest';
import { prepare } from '#clickhouse/detect.ts';
import { oneDay } from '../backtest/ingest.ts';
import { compare, meant, measured, minutesFrom, prepareBooks, sendThrough } from '../backtest/through.ts';
import { seriesOf } from '../backtest/traffic.ts';
import { Stack } from '../support/stack.ts';

const minute = 60_000;
const seed = Number(process.env['SEED'] ?? 5);
console.log(`through.test.ts runs with SEED=${seed}`);

test('calls that go through hub, ingest and sealing are measured as the generator means them, in every kind of incident', async () => {
  // An hour and ten minutes, ten of each kind; the whole day, and its alerts: `npm run backtest -- --part ingest`.
  const from = oneDay.scoredFrom;
  const lasting = oneDay.kinds.length * 10;
  const config = { ...oneDay, deployments: 2, mean: [60, 120] as const, trainingDays: 0, scoredDays: lasting / 1_440 };
  const series = seriesOf(config, seed).map((one) =>
    Object.assign({}, one, {
      incidents: config.kinds.map((kind, i) => {
        const begins = from + (10 * i + 2) * minute;
        return { kind, tenant_id: one.tenant_id, deployment: one.deployment, from: begins, to: begins + 6 * minute };
      }),
    }),
  );
  const minutes = minutesFrom(config, series, seed, from);
  const stack = await Stack.start();
  try {
    await prepareBooks(stack.db, series, from);
    stack.ingest({ messagesMax: 500 });
    await sendThrough(stack, minutes, seed);
    const at = from + lasting * minute;
    expect(await prepare(stack.db, at)).toEqual({ through: at, complete: true });
    const { minutes: compared, different, largestLog } = compare(meant(minutes), await measured(stack.db, from, at));
    expect(different).toEqual([]);
    expect(compared).toBe(minutes.length);
    expect(compared).toBeGreaterThan(lasting);
    // A record has whole milliseconds, and a call that is far faster than usual has seven hundred of them.
    expect(largestLog).toBeLessThan(0.001);
    expect(minutes.some(({ minute: one }) => one.failed === one.calls && one.calls > 3)).toBe(true);
  } finally {
    await stack.close();
  }
});
