import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { App } from '../../api/route.ts';
import { type Asked, type Call, coverageOf, errorsOf, grouped, latencyOf, tenantOf, usageOf } from './brute.ts';
import { spendOf } from './brute-spend.ts';
import { book, end, generate, rules, start, zones } from './generated.ts';
import { type Answer, type AnswerRow, ask, type Ledger, openLedger } from './ledger.ts';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000_000);
/** Questions per answer; many more by hand, few in each check, because the seed changes with every run. */
const runs = Number(process.env['RUNS'] ?? 5);
console.log(`questions.test.ts runs with SEED=${seed}`);

const hour = 3_600_000;
const day = 24 * hour;
const now = new Date('2026-11-20T12:00:00Z');
const steps = ['PT1M', 'PT5M', 'PT1H', 'P1D', 'P1M'] as const;

const all = generate(seed, 700);

const groups = [
  'tenant_id',
  'consumer_id',
  'provider_name',
  'response_model',
  'deployment',
  'region',
  'user_id',
  'source',
  'throttled_by',
  'moderation_outcome',
  'attempts',
];

const question: fc.Arbitrary<Asked> = fc
  .record({
    from: fc.integer({ min: start - day, max: end - hour }),
    length: fc.oneof(fc.integer({ min: 1, max: 3 * day }), fc.integer({ min: 1, max: 17 * day })),
    step: fc.option(fc.constantFrom(...steps), { nil: null }),
    tz: fc.constantFrom(...zones),
    groupBy: fc.subarray(groups, { maxLength: 3 }),
    filters: fc.record(
      {
        tenant_id: fc.subarray([...new Set(rules.map((rule) => rule.tenant_id)), 'unattributed', 'nobody']),
        region: fc.subarray(['o\'brien\\n\t,"x"', '=1+1', 'nowhere']),
        user_id: fc.subarray(['ü\n2', '', 'u1']),
        attempts: fc.subarray(['3', '']),
        throttled_by: fc.subarray(['quota', '']),
      },
      { requiredKeys: [] },
    ),
  })
  .map(({ from, length, step, tz, groupBy, filters }) => ({ from, to: from + length, step, tz, groupBy, filters }))
  .filter((asked) => asked.step !== 'PT1M' || asked.to - asked.from < 7 * day);

function pathOf(route: string, asked: Asked, more: Record<string, string> = {}): string {
  const query = new URLSearchParams({
    from: new Date(asked.from).toISOString(),
    to: new Date(asked.to).toISOString(),
    tz: asked.tz,
    limit: '100000',
    ...(asked.step === null ? {} : { step: asked.step }),
    ...(asked.groupBy.length === 0 ? {} : { group_by: asked.groupBy.join(',') }),
    ...more,
  });
  for (const [name, values] of Object.entries(asked.filters)) for (const value of values) query.append(name, value);
  return `/v1/${route}?${query.toString()}`;
}

/** Rows by group, in the keys of `grouped`, without their dimensions. */
function byGroup(rows: readonly AnswerRow[], asked: Asked, ...keys: string[]): Map<string, AnswerRow> {
  const found = rows.map((row): [string, AnswerRow] => {
    const time = asked.step === null ? null : new Date(String(row['time'])).toISOString();
    const group = [time, ...asked.groupBy.map((name) => row[name] ?? null), ...keys.map((name) => row[name] ?? null)];
    const named = new Set(['time', 'partial', ...asked.groupBy, ...keys]);
    return [JSON.stringify(group), Object.fromEntries(Object.entries(row).filter(([name]) => !named.has(name)))];
  });
  expect(new Set(found.map(([group]) => group)).size).toBe(found.length);
  return new Map(found.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function expected<T>(asked: Asked, of: (calls: Call[]) => T): Map<string, T> {
  const answer = [...grouped(all, asked, rules)].map(([key, calls]): [string, T] => [key, of(calls)]);
  return new Map(answer.sort(([a], [b]) => (a < b ? -1 : 1)));
}

let ledger: Ledger;
let app: App;
let key: string;

beforeAll(async () => {
  ledger = await openLedger();
  await ledger.attribute(rules);
  await ledger.price(book);
  await ledger.store(all);
  key = await ledger.key({ role: 'finance' });
  app = ledger.api(() => now);
});

afterAll(async () => ledger.close());

async function compare(check: (asked: Asked) => Promise<void>): Promise<void> {
  await fc.assert(fc.asyncProperty(question, check), { seed, numRuns: runs });
}

describe('every answer equals the brute-force answer over the same calls', () => {
  test('usage: no call or token is lost, doubled, or put in another bucket or group', async () => {
    await compare(async (asked) => {
      const answer = await ask(app, key, pathOf('usage', asked));
      expect(byGroup(answer.data, asked)).toEqual(expected(asked, (calls) => usageOf(calls, rules)));
    });
  });

  test('spend: money is exact to the last digit, across price changes and tiers, and unpriced is never 0', async () => {
    await compare(async (asked) => {
      const answer = await ask(app, key, pathOf('spend', asked));
      const rows = byGroup(answer.data, asked);
      for (const row of rows.values()) delete row['pricing_currency'];
      expect(rows).toEqual(expected(asked, (calls) => spendOf(calls, book)));
    });
  });

  test('errors: no status is counted in two classes or in none, also by error_type', async () => {
    await compare(async (asked) => {
      const typed = { ...asked, groupBy: [...asked.groupBy, 'error_type'] };
      const answer = await ask(app, key, pathOf('errors', typed));
      expect(byGroup(answer.data, typed)).toEqual(expected(typed, errorsOf));
    });
  });

  test('latency: quantiles are those of the calls themselves, per metric, and a metric nobody has is absent', async () => {
    await compare(async (asked) => {
      const answer = await ask(app, key, pathOf('latency', asked));
      const rows = byGroup(answer.data, asked, 'metric');
      const wanted = [...expected(asked, latencyOf)].flatMap(([group, metrics]) =>
        [...metrics].map(([metric, row]): [string, object] => [
          JSON.stringify([...(JSON.parse(group) as unknown[]), metric]),
          row,
        ]),
      );
      expect([...rows.keys()].sort()).toEqual(wanted.map(([group]) => group).sort());
      for (const [group, row] of wanted) {
        for (const [name, value] of Object.entries(row)) {
          if (typeof value === 'number') expect(rows.get(group)?.[name]).toBeCloseTo(value, 6);
          else expect(rows.get(group)?.[name]).toBe(value);
        }
      }
    });
  });

  test('coverage: shares are of all calls of the question and never say 1 unless it is all', async () => {
    await compare(async (asked) => {
      const { meta } = await ask(app, key, pathOf('usage', asked));
      const calls = [...grouped(all, { ...asked, step: null, groupBy: [] }, rules).values()].flat();
      expect(meta.coverage).toEqual(coverageOf(calls, rules, book));
    });
  });
});

describe('an answer in pages', () => {
  test('every row comes exactly once, in the order of the whole answer, whatever it is ordered by', async () => {
    const checks = ['', '-list_cost', 'response_model'].map(async (order) => {
      const asked: Asked = {
        from: start,
        to: end,
        step: 'P1D',
        tz: 'Europe/Berlin',
        filters: {},
        groupBy: ['tenant_id', 'response_model'],
      };
      const more: Record<string, string> = order === '' ? {} : { order_by: order };
      const whole = await ask(app, key, pathOf('spend', asked, more));
      const paged: AnswerRow[] = [];
      let next: string | null = null;
      do {
        const page: Answer = await ask(
          app,
          key,
          pathOf('spend', asked, { ...more, limit: '80', ...(next === null ? {} : { cursor: next }) }),
        );
        expect(page.data.length).toBeLessThanOrEqual(80);
        expect(page.meta.coverage).toEqual(whole.meta.coverage);
        paged.push(...page.data);
        next = page.meta.next_cursor;
      } while (next !== null);
      expect(whole.data.length).toBeGreaterThan(160);
      expect(paged).toEqual(whole.data);
    });
    await Promise.all(checks);
  });

  test('order_by orders amounts as numbers, not as text', async () => {
    const asked: Asked = {
      from: start,
      to: end,
      step: null,
      tz: 'UTC',
      filters: {},
      groupBy: ['response_model', 'region'],
    };
    const { data } = await ask(app, key, pathOf('usage', asked, { order_by: '-total_tokens' }));
    const totals = data.map((row) => BigInt(String(row['total_tokens'])));
    expect(totals).toEqual(totals.toSorted((a, b) => (a < b ? 1 : a > b ? -1 : 0)));
  });

  test('the default window does not move between pages, although the clock does', async () => {
    let clock = new Date(start + 5 * day);
    const moving = ledger.api(() => clock);
    const first = await ask(moving, key, '/v1/usage?group_by=consumer_id,response_model&limit=3');
    clock = new Date(end);
    const path = `/v1/usage?group_by=consumer_id,response_model&limit=3&cursor=${first.meta.next_cursor}`;
    const second = await ask(moving, key, path);
    expect([second.meta.from, second.meta.to]).toEqual([first.meta.from, first.meta.to]);
  });
});

describe('rows say only what was asked, and what they lack', () => {
  test('a row has the dimensions of group_by and no others, and no time without a step', async () => {
    const plain = await ask(app, key, `/v1/usage?from=${new Date(start).toISOString()}&group_by=region`);
    for (const row of plain.data) {
      expect(Object.keys(row)).toContain('region');
      for (const name of ['time', 'bucket', 'partial', ...groups.filter((name) => name !== 'region')]) {
        expect(Object.keys(row)).not.toContain(name);
      }
    }
  });

  test('a bucket that ends after complete_through is marked partial, and no other is', async () => {
    const answer = await ask(app, key, `/v1/usage?from=${new Date(start).toISOString()}&step=P1D&tz=Europe/Berlin`);
    const through = Date.parse(answer.meta.complete_through['test'] ?? '');
    expect(through).toBe(Math.max(...all.map((call) => call.started_at)) + 1_000);
    const marked = answer.data.filter((row) => row['partial'] === true);
    expect(marked.map((row) => row['time'])).toEqual([answer.data.at(-1)?.['time']]);
    expect(Date.parse(String(marked[0]?.['time']))).toBeLessThan(through);
  });

  test('step auto stays within 500 buckets and says in meta which step it took', async () => {
    const answer = await ask(app, key, `/v1/usage?from=${new Date(start).toISOString()}&step=auto`);
    expect(answer.meta.step).toBe('P1D');
  });

  test('what was learned after as_known_at changes nothing: the tenant is then unattributed', async () => {
    const before = await ask(
      app,
      key,
      `/v1/usage?from=${new Date(start).toISOString()}&group_by=tenant_id&as_known_at=2026-01-01T00:00:00Z`,
    );
    expect(before.data.map((row) => row['tenant_id'])).toEqual(['unattributed']);
  });

  test('tenants of the brute force and of the answer are the same set, with every character kept', async () => {
    const answer = await ask(app, key, `/v1/usage?from=${new Date(start).toISOString()}&group_by=tenant_id`);
    const wanted = [...new Set(all.map((call) => tenantOf(call, rules)))].sort();
    expect(answer.data.map((row) => String(row['tenant_id'])).sort()).toEqual(wanted);
  });
});
