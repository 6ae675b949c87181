import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bookViews } from '#clickhouse/books.ts';
import { bookTables, moneyViews, prices, spend } from '#clickhouse/money.ts';
import { unfiltered } from '#clickhouse/question.ts';
import type { View } from '#clickhouse/view.ts';
import { views } from '#clickhouse/views.ts';
import { everything } from '../../api/window.ts';
import { at, type Ledger, openLedger } from '../api/ledger.ts';
import { append } from './books.ts';

/* No float on the way of money: by the types of every column, by every step of every plan, and by sums that would show it. */
let ledger: Ledger;
beforeAll(async () => {
  ledger = await openLedger();
});
afterAll(async () => ledger.close());

/** How columns of money are named, and what is measured in it. */
const money =
  /(_cost|_price|_change|_difference|_ratio|exchange_rate|_percents?|_variance)$|^(amount|change|shares|weights|quantity)$|_cost_|_amount$/;

/** Decimal, or a list or map of decimals; never a float, and never a text that something would parse. */
const exact = /^(Nullable\(|Array\(|Map\((?:LowCardinality\()?String\)?, )*Decimal\(\d+, \d+\)\)*$/;

describe('types', () => {
  test('every column of money of every table and view is a decimal', async () => {
    const tables = await ledger.db.query<{ table: string; name: string; type: string }>(
      'SELECT table, name, type FROM system.columns WHERE database = {database:String}',
      { database: ledger.db.name },
    );
    const declared = views.flatMap((view) =>
      Object.entries<string>(view.columns).map(([name, type]) => ({ table: view.name, name, type })),
    );
    const columns = [...tables, ...declared].filter(({ name }) => money.test(name));
    expect(columns.length).toBeGreaterThan(40);
    expect(columns.filter(({ type }) => !exact.test(type))).toEqual([]);
    const kept = bookTables.flatMap((book) => Object.entries<string>(book.columns)).map(([name]) => name);
    expect(kept).toEqual(expect.arrayContaining(['list_unit_price', 'amount', 'exchange_rate', 'shares']));
  });

  test('no book and no view of money has a float of any name', () => {
    const all = [...bookTables, ...bookViews, ...moneyViews];
    const floats = all.flatMap((of) => Object.entries<string>(of.columns).filter(([, type]) => type.includes('Float')));
    expect(floats).toEqual([]);
  });
});

/** A view with arguments that let every branch of it be planned. */
function call(view: View): string {
  const given = Object.entries(view.parameters).map(([name, type]) => {
    const value = type.startsWith('Array')
      ? name === 'visible_tenants'
        ? "['*']"
        : '[]'
      : type.startsWith('DateTime')
        ? name === 'to'
          ? "'2026-12-01 00:00:00.000'"
          : "'2026-11-01 00:00:00.000'"
        : type === 'String'
          ? name === 'currency'
            ? "'EUR'"
            : "'UTC'"
          : '0';
    return `\`${name}\` = ${value}`;
  });
  return given.length === 0 ? view.name : `${view.name}(${given.join(', ')})`;
}

async function plan(select: string): Promise<string> {
  const steps = await ledger.db.query<{ explain: string }>(`EXPLAIN PLAN header = 1, actions = 1 ${select}`);
  return steps.map((row) => row.explain).join('\n');
}

describe('plans', () => {
  test('no step between the calls and an amount has a float, whatever its columns show', async () => {
    // What would be found: a plan names the type of every column of every step.
    expect(await plan('SELECT toDecimal256(toFloat64(number) / 3, 6) AS cost FROM numbers(2)')).toContain('Float64');
    for (const view of moneyViews) {
      const text = await plan(`SELECT * FROM ${call(view)}`);
      expect(text).toContain('Header');
      expect([view.name, text.match(/\bB?Float\d+/)?.[0]]).toEqual([view.name, undefined]);
    }
  });
});

describe('sums', () => {
  /** 10^8 on demand, `CALLS=100000000 npx vitest run …`; fewer have as many tokens, so that the sums are as large. */
  const calls = BigInt(process.env['CALLS'] ?? 200_000);
  const factor = (100_000_000n / calls) * 40_009n;

  test(
    'of many calls are exact to the last digit, where a float would have lost the last seven',
    async () => {
      const price = { provider_name: 'p', model: 'm', token_kind: 'input', list_unit_price: '0.049999999999999996' };
      await append(ledger.db, prices, [price]);
      const chunk = 500_000n;
      for (let from = 0n; from < calls; from += chunk) {
        const rows = calls - from < chunk ? calls - from : chunk;
        await ledger.db.command(
          `INSERT INTO calls (call_id, version, started_at, consumer_id, provider_name, response_model, usage_quality, usage_input_tokens)
           SELECT toString(number), 1, toDateTime64('2026-03-01 00:00:00', 3, 'UTC') + number / 1000, 'c', 'p', 'm', 'exact', number % 1000003 * ${factor} + 1 FROM numbers(${from}, ${rows})`,
        );
      }
      const asked = {
        as_known_at: everything,
        visible_tenants: ['*'],
        currency: '',
        step: '',
        tz: 'UTC',
        group_by: [],
      };
      const month = { from: at(Date.UTC(2026, 2, 1)), to: at(Date.UTC(2026, 3, 1)) };
      const [row] = await ledger.db.read(spend, { ...unfiltered, ...asked, ...month });
      // The remainders 0 … 1,000,002 in whole rounds, and the rest of one.
      const [rounds, rest] = [calls / 1_000_003n, calls % 1_000_003n];
      const remainders = rounds * ((1_000_002n * 1_000_003n) / 2n) + (rest * (rest - 1n)) / 2n;
      const tokens = remainders * factor + calls;
      const cost = tokens * 49_999_999_999_999_996n; // in 10^-24
      expect(row).toMatchObject({ calls: String(calls), priced_tokens: String(tokens) });
      const shown = `${cost / 10n ** 24n}.${String(cost % 10n ** 24n)
        .padStart(24, '0')
        .replace(/0+$/, '')}`;
      expect(row?.list_cost).toBe(shown);
      expect(String((Number(tokens) * Number('0.049999999999999996')) / 1e6)).not.toBe(shown);
    },
    calls > 1_000_000n ? 3_600_000 : undefined,
  );
});
