import { expect, test } from 'vitest';
import { replayed } from '../backtest/trace.ts';

const seed = Number(process.env['SEED'] ?? 1);
console.log(`trace.test.ts runs with SEED=${seed}`);

test(
  'an hour of real requests without an incident meets no condition of any rule, nor does its end',
  { timeout: 300_000 },
  async () => {
    // Every ten minutes here; every minute in `npm run backtest -- --part trace`.
    const { calls, measured, ticks, turned, late } = await replayed(seed, 10, 30);
    expect(turned).toEqual([]);
    expect(measured).toBe(calls);
    expect(ticks).toBe(8);
    // An hour after the last message it is told that none come any more: of each log, and of nothing else.
    expect(new Set(late.map(({ rule }) => rule))).toEqual(new Set(['silent_source']));
  },
);
