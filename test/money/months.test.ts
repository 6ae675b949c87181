import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attributions, commitments, prices, spend, spendChange } from '#clickhouse/money.ts';
import { unfiltered } from '#clickhouse/question.ts';
import type { Row } from '#clickhouse/view.ts';
import type { App } from '../../api/route.ts';
import { everything } from '../../api/window.ts';
import { bucketOf } from '../api/brute.ts';
import { ask, at, type Ledger, openLedger } from '../api/ledger.ts';
import { append } from './books.ts';
import { appendBooks, commitmentRows, from, generate, priceRow, recordOf, to, zones } from './months.ts';
import { decimal, type Line, linesOf, type Price, total, units } from './oracle.ts';

/*
 * Generated months: what the API says against the oracle of oracle.ts, to the last of 42 digits. Books have borders where
 * calls have theirs, so that a millisecond on the wrong side is found.
 */
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000_000);
console.log(`months.test.ts runs with SEED=${seed}`);

const { books, calls } = generate(seed, 800);
const lines = calls.flatMap((call) => linesOf(call, books));
const window = `from=${new Date(from).toISOString()}&to=${new Date(to).toISOString()}&limit=100000`;

let ledger: Ledger;
let app: App;
let key: string;

beforeAll(async () => {
  ledger = await openLedger();
  key = await ledger.key({ role: 'finance' });
  app = ledger.api(() => new Date(Date.UTC(2026, 11, 1)));
  const knownFrom = '2026-01-01 00:00:00.000';
  await append(
    ledger.db,
    attributions,
    [
      { consumer_id: 'a', tenant_id: 'a' },
      { consumer_id: 'b', tenant_id: 'b' },
    ],
    { knownFrom },
  );
  await appendBooks(ledger.db, books, { knownFrom });
  await append(ledger.db, commitments, commitmentRows(seed), { knownFrom });
  await ledger.store(calls.map((call) => recordOf(call)));
});

afterAll(async () => ledger.close());

/** The view itself: the route asks it twice, for the coverage too, and adds nothing to an amount. */
async function spent(group_by: string[], step: string, tz: string): Promise<Row<typeof spend.columns>[]> {
  const asked = { as_known_at: everything, visible_tenants: ['*'], currency: '' };
  return ledger.db.read(spend, { ...unfiltered, ...asked, from: at(from), to: at(to), step, tz, group_by });
}

const amounts = ['list_cost', 'contracted_cost'] as const;

/** Rows as group → amounts. */
function answered(
  rows: readonly Readonly<Record<string, unknown>>[],
  groups: readonly string[],
): Map<string, unknown[]> {
  const found = rows.map((row): [string, unknown[]] => [
    JSON.stringify(groups.map((name) => row[name])),
    amounts.map((name) => row[name]),
  ]);
  expect(new Set(found.map(([group]) => group)).size).toBe(found.length);
  return new Map(found.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function expected(of: readonly Line[], group: (line: Line) => unknown[]): Map<string, unknown[]> {
  const groups = [...Map.groupBy(of, (line) => JSON.stringify(group(line)))].map(
    ([key, lines]): [string, unknown[]] => {
      const counted = lines.filter((line) => line.tokens > 0n);
      return [
        key,
        [counted.map((line) => line.list), counted.map((line) => line.contracted)].map((all) => shown(total(all))),
      ];
    },
  );
  return new Map(groups.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function shown(amount: bigint | null): string | null {
  return amount === null ? null : decimal(amount);
}

const inWindow = lines.filter(({ call }) => call.started_at >= from && call.started_at < to);

const dimensions: Record<string, (line: Line) => string> = {
  tenant_id: ({ call }) => call.tenant_id,
  deployment: ({ call }) => (call.deployment === 'ptu' ? 'd3' : call.deployment),
  response_model: ({ call }) => call.model,
  token_kind: ({ kind }) => kind,
};

describe('a generated month', () => {
  test.each(zones)(
    'in %s: every call is in its calendar month and tenant, to the millisecond and the last digit',
    async (tz) => {
      const data = await spent(['tenant_id'], 'P1M', tz);
      const month = ({ call }: Line): string => new Date(bucketOf(call.started_at, 'P1M', tz)).toISOString();
      const rows = data.map((row) => Object.assign(row, { bucket: new Date(row.bucket).toISOString() }));
      expect(answered(rows, ['bucket', 'tenant_id'])).toEqual(
        expected(inWindow, (line) => [month(line), line.call.tenant_id]),
      );
    },
  );

  test('the sum of the lines is the total, whatever they are grouped by', async () => {
    const whole = amounts.map((name) =>
      shown(total(inWindow.filter((l) => l.tokens > 0n).map((l) => (name === 'list_cost' ? l.list : l.contracted)))),
    );
    const groupings = fc.sample(fc.subarray(Object.keys(dimensions), { minLength: 1 }), { seed, numRuns: 3 });
    for (const groups of groupings) {
      const data = await spent(groups, '', 'UTC');
      expect(answered(data, groups)).toEqual(
        expected(inWindow, (line) => groups.map((name) => dimensions[name]?.(line))),
      );
      const sums = amounts.map((name) =>
        shown(total(data.map((row) => (row[name] === null ? null : units(row[name]))))),
      );
      expect([groups, sums]).toEqual([groups, whole]);
    }
  });
});

function costOf(tenant: string, begin: number, end: number): bigint {
  return lines
    .filter(({ call }) => call.tenant_id === tenant && call.started_at >= begin && call.started_at < end)
    .reduce((sum, line) => sum + (line.contracted ?? 0n), 0n);
}

describe('why spend changed', () => {
  test('volume, mix and price add up to the change, and the change is that of the two months, to the last digit', async () => {
    const months = [Date.UTC(2026, 2), Date.UTC(2026, 3), Date.UTC(2026, 4)] as const;
    const asked = { as_known_at: everything, visible_tenants: ['*'], currency: '', tz: 'UTC', group_by: ['tenant_id'] };
    const window = { previous_from: at(months[0]), previous_to: at(months[1]), from: at(months[1]), to: at(months[2]) };
    const rows = await ledger.db.read(spendChange, { ...unfiltered, ...asked, ...window });
    expect(rows.map((row) => row.tenant_id).sort()).toEqual(['a', 'b', 'unattributed']);
    for (const row of rows) {
      const parts = [row.volume_change, row.mix_change, row.price_change].map((part) => units(part));
      const change = costOf(row.tenant_id, months[1], months[2]) - costOf(row.tenant_id, months[0], months[1]);
      expect(row.change).toBe(decimal(change));
      expect(parts.reduce((sum, part) => sum + part, 0n)).toBe(change);
    }
  });
});

describe('a price that is learned later and applies earlier', () => {
  test('changes exactly the calls that it covers, each by the difference of the two prices, and no other', async () => {
    // Without tiers, so that it is not a tier of most calls' size that counts instead.
    const tiered = new Set(
      books.prices.filter((p) => p.context_over_tokens > 0).map((p) => `${p.model} ${p.token_kind}`),
    );
    const old = books.prices.find((price) => !tiered.has(`${price.model} ${price.token_kind}`));
    if (old === undefined) throw new Error('every price has tiers');
    const corrected: Price = {
      ...old,
      valid_from: Date.UTC(2026, 2, 10),
      valid_to: Date.UTC(2026, 3, 1),
      list_unit_price: '123.000000000000000001',
    };
    await append(ledger.db, prices, [priceRow(corrected)], { knownFrom: '2026-06-01 00:00:00.000' });
    const others = books.prices.filter(
      (p) => p.valid_from !== corrected.valid_from || p.model !== old.model || p.token_kind !== old.token_kind,
    );
    const after = calls.flatMap((call) => linesOf(call, { ...books, prices: [...others, corrected] }));
    const changed = lines.flatMap((line, i): [string, string | null][] => {
      const next = after[i];
      if (next === undefined || line.tokens === 0n || line.call.started_at < from || line.call.started_at >= to)
        return [];
      return next.list === line.list
        ? []
        : [[`${line.call.call_id} ${line.kind}`, decimal((next.list ?? 0n) - (line.list ?? 0n))]];
    });
    expect(changed.length).toBeGreaterThan(0);
    const covered = changed.map(([id]) => calls.find((call) => id.startsWith(`${call.call_id} `))?.started_at ?? 0);
    expect(covered.every((started) => started >= corrected.valid_from && started < Date.UTC(2026, 3, 1))).toBe(true);
    const known = 'known_from=2026-05-01T00:00:00Z&known_to=2026-07-01T00:00:00Z';
    const { data } = await ask(app, key, `/v1/spend/rerated?${window}&${known}&group_by=user_id,token_kind`);
    const found = data
      .filter((row) => row['list_cost_before'] !== row['list_cost_after'])
      .map((row): [string, unknown] => [
        `${String(row['user_id'])} ${String(row['token_kind'])}`,
        row['list_cost_difference'],
      ]);
    expect(new Map(found)).toEqual(new Map(changed));
  });
});

describe('shared cost', () => {
  test.each(zones)(
    'of a month in %s: ratios add up to 1, idle and used to the invoice, each ratio by its weighted tokens',
    async (tz) => {
      const { data } = await ask(app, key, `/v1/commitments/allocated?month=2026-03&tz=${encodeURIComponent(tz)}`);
      const byId = Map.groupBy(data, (row) => String(row['commitment_id']));
      expect([...byId.keys()].sort()).toEqual(['fixed', 'full', 'idle', 'peak']);
      for (const rows of byId.values()) {
        const sum = (name: string): bigint => rows.reduce((all, row) => all + units(String(row[name])), 0n);
        expect(sum('allocated_ratio')).toBe(units('1'));
        expect(decimal(sum('allocated_cost'))).toBe(rows[0]?.['committed_amount']);
        for (const row of rows) {
          const exact = units(String(row['allocated_ratio']), 18) * units(String(row['committed_amount']), 6);
          expect(units(String(row['allocated_cost']), 24)).toBe(exact);
        }
      }
      // What each used, in millionths of a weighted token, from the calls of that month of that zone.
      const march = calls.filter(
        (call) =>
          call.deployment === 'ptu' &&
          bucketOf(call.started_at, 'P1M', tz) === bucketOf(Date.UTC(2026, 2, 15), 'P1M', tz),
      );
      const weighted = (tenant: string): bigint =>
        march
          .filter((call) => call.tenant_id === tenant)
          .reduce(
            (all, { tokens }) =>
              all +
              Object.entries(tokens).reduce(
                (s, [kind, n]) => s + n * (kind === 'output' || kind === 'reasoning' ? 3_700_000n : 1_000_000n),
                0n,
              ),
            0n,
          );
      const minutes =
        BigInt(bucketOf(Date.UTC(2026, 3, 15), 'P1M', tz) - bucketOf(Date.UTC(2026, 2, 15), 'P1M', tz)) / 60_000n;
      // A part of an hour that a month has counts as an hour.
      const capacity = ((minutes + 59n) / 60n) * 60n * 100_000_000n * 1_000_000n;
      for (const row of byId.get('idle') ?? []) {
        if (row['is_idle'] === true) continue;
        expect([tz, row['tenant_id'], units(String(row['allocated_ratio']), 18)]).toEqual([
          tz,
          row['tenant_id'],
          (weighted(String(row['tenant_id'])) * 10n ** 18n) / capacity,
        ]);
      }
    },
  );
});
