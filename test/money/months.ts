import fc from 'fast-check';
import type { Database } from '#clickhouse/client.ts';
import { agreements, prices } from '#clickhouse/money.ts';
import { bucketOf } from '../api/brute.ts';
import { at, type CallRecord } from '../api/ledger.ts';
import { append, type AppendOptions, type BookRow } from './books.ts';
import type { Books, Contract, Discount, Metered, Price } from './oracle.ts';

const hour = 3_600_000;
/** Three months with both changes of the clock: Europe 29 March, America 8 March, Lord Howe 5 April by half an hour. */
export const from = Date.UTC(2026, 1, 27, 12);
export const to = Date.UTC(2026, 4, 2, 12);
/** Ahead and behind, by hours, half hours and three quarters, with and without summer time. */
export const zones = [
  'UTC',
  'Europe/Berlin',
  'America/St_Johns',
  'Asia/Kathmandu',
  'Australia/Lord_Howe',
  'Pacific/Kiritimati',
] as const;

/** Instants at which something is easily counted to the wrong side: months and days of each zone, changes of the clock. */
const edges = [
  ...zones.flatMap((tz) => [3, 4, 5].map((month) => bucketOf(Date.UTC(2026, month - 1, 3), 'P1M', tz))),
  ...zones.map((tz) => bucketOf(Date.UTC(2026, 2, 29, 12), 'P1D', tz)),
  Date.UTC(2026, 2, 29, 1),
  Date.UTC(2026, 2, 8, 5, 30),
  Date.UTC(2026, 3, 4, 15),
];

const edge = fc.constantFrom(...edges);
const instant = fc.oneof(
  fc.integer({ min: from, max: to - 1 }),
  fc.tuple(edge, fc.integer({ min: -2, max: 2 })).map(([at, by]) => at + by),
);
const validFrom = fc.oneof(fc.constant(Date.UTC(2020, 0)), edge, fc.integer({ min: from, max: to }));
const dated = validFrom.chain((valid_from) =>
  fc.record({
    valid_from: fc.constant(valid_from),
    valid_to: fc.option(
      fc.integer({ min: 1, max: 60 * 24 }).map((hours) => valid_from + hours * hour),
      { nil: null, freq: 4 },
    ),
  }),
);
const price = fc
  .tuple(fc.integer({ min: 0, max: 99 }), fc.integer({ min: 0, max: 999_999_999 }))
  .map(([whole, fraction]) => `${whole}.${String(fraction).padStart(9, '0')}049999996`);
const model = fc.constantFrom('m0', 'm1', 'm2');
const kind = fc.constantFrom('input', 'cache_read', 'cache_write_1h', 'output', 'reasoning');
const tenant = fc.constantFrom('', 'a', 'b');

function together<A, B>([a, b]: readonly [A, B]): A & B {
  return { ...a, ...b };
}

const books: fc.Arbitrary<Books> = fc.record({
  prices: fc.array(
    fc
      .tuple(
        dated,
        fc.record({
          model,
          token_kind: kind,
          context_over_tokens: fc.constantFrom(0, 0, 200_000),
          list_unit_price: price,
        }),
      )
      .map((parts): Price => together(parts)),
    { minLength: 12, maxLength: 24 },
  ),
  discounts: fc.array(
    fc
      .tuple(
        dated,
        fc.record({
          tenant_id: tenant,
          model: fc.oneof(fc.constant(''), model),
          token_kind: fc.oneof(fc.constant(''), kind),
          percent: fc.integer({ min: 0, max: 1_000_000 }),
        }),
      )
      .map(([a, { percent, ...b }]): Discount => {
        const named = { agreement_id: `d${percent}`, discount_percent: (percent / 10_000).toFixed(4) };
        return together([together([a, b]), named]);
      }),
    { minLength: 3, maxLength: 8 },
  ),
  contracts: fc.array(
    fc
      .tuple(dated, fc.record({ tenant_id: tenant, model, token_kind: kind, contracted_unit_price: price }))
      .map((parts): Contract => together(parts)),
    { minLength: 2, maxLength: 5 },
  ),
});

const tokens = fc.oneof(fc.integer({ min: 0, max: 300_000 }), fc.integer({ min: 0, max: 4_000_000_000 })).map(BigInt);
const call = fc.record({
  started_at: instant,
  tenant_id: fc.constantFrom('a', 'b', 'unattributed'),
  deployment: fc.constantFrom('d1', 'd2', 'ptu'),
  model: fc.constantFrom('m0', 'm1', 'm2', 'm3'),
  tokens: fc.record({ input: tokens, cache_read: tokens, cache_write_1h: tokens, output: tokens, reasoning: tokens }),
});

/** Rows of a book that say different things about the same key and start: which counts would be chance. */
function apart<T>(rows: readonly T[], key: (row: T) => string): T[] {
  return [...new Map(rows.map((row) => [key(row), row])).values()];
}

/** Books and calls of some months; the same seed gives the same. */
export function generate(seed: number, calls: number): { books: Books; calls: Metered[] } {
  const [made] = fc.sample(books, { seed, numRuns: 1 });
  const { prices = [], discounts = [], contracts = [] } = made ?? {};
  return {
    books: {
      prices: apart(prices, (p) => `${p.model} ${p.token_kind} ${p.context_over_tokens} ${p.valid_from}`),
      discounts: apart(discounts, (d) => d.agreement_id),
      contracts: apart(contracts, (c) => `${c.tenant_id} ${c.model} ${c.token_kind} ${c.valid_from}`),
    },
    calls: fc
      .sample(call, { seed: seed + 1, numRuns: calls })
      .map((made, i) => together([made, { call_id: `gw/${i}`, consumer_id: made.tenant_id }])),
  };
}

/** Commitments on the deployments that calls have, by each method, with and without idle. */
export function commitmentRows(seed: number): Record<string, unknown>[] {
  const each = {
    provider_name: '',
    billing_currency: 'USD',
    weights: { output: '3.7', reasoning: '3.7' },
    amount_per: 'month',
  };
  const [a = 1, b = 1, c = 1] = fc.sample(fc.integer({ min: 1, max: 999_999_999 }), { seed, numRuns: 3 });
  return [
    {
      ...each,
      commitment_id: 'full',
      deployments: ['d3'],
      amount: `${a}.000001`,
      allocation_method: 'weighted_tokens',
    },
    {
      ...each,
      commitment_id: 'idle',
      deployments: ['d3'],
      amount: `${b}.999999`,
      allocation_method: 'weighted_tokens',
      capacity_tokens_per_minute: 100_000_000,
    },
    {
      ...each,
      commitment_id: 'peak',
      deployments: ['d3'],
      amount: `${c}.5`,
      allocation_method: 'peak',
      amount_per: 'hour',
    },
    {
      ...each,
      commitment_id: 'fixed',
      deployments: ['d3'],
      amount: '7',
      allocation_method: 'fixed_shares',
      shares: { a: '0.333333333', b: '0.1' },
    },
  ];
}

/** A price of generated books as the book has it. */
export function priceRow(price: Price): BookRow {
  return { ...price, ...instants(price), provider_name: 'p' };
}

/** Writes all of generated books. */
export async function appendBooks(db: Database, books: Books, options: AppendOptions = {}): Promise<void> {
  const unit = { provider_name: 'p', service_tier: 'standard' };
  const discountRows = books.discounts.map((d): BookRow =>
    Object.assign(instants(d), { pricing_quantity: 1 }, other(d)),
  );
  const contractRows = books.contracts.map((c, i): BookRow =>
    Object.assign(instants(c), unit, { agreement_id: `c${i}` }, other(c)),
  );
  await append(db, prices, books.prices.map(priceRow), options);
  await append(db, agreements, [...discountRows, ...contractRows], options);
}

/** What a log would say of a generated call. */
export function recordOf(call: Metered): CallRecord {
  return {
    call_id: call.call_id,
    started_at: call.started_at,
    consumer_id: call.consumer_id === 'unattributed' ? 'nobody' : call.consumer_id,
    provider_name: 'p',
    response_model: call.model,
    deployment: call.deployment === 'ptu' ? 'd3' : call.deployment,
    user_id: call.call_id,
    http_response_status_code: 200,
    usage_input_tokens: String(call.tokens['input']),
    usage_cache_read_input_tokens: String(call.tokens['cache_read']),
    usage_cache_creation_1h_input_tokens: String(call.tokens['cache_write_1h']),
    usage_output_tokens: String(call.tokens['output']),
    usage_reasoning_output_tokens: String(call.tokens['reasoning']),
  };
}

type Dated = { readonly valid_from: number; readonly valid_to: number | null };

function instants(row: Dated): BookRow {
  return { valid_from: at(row.valid_from), valid_to: row.valid_to === null ? null : at(row.valid_to) };
}

/** A row without what `instants` says. */
function other({ valid_from: _from, valid_to: _to, ...rest }: Dated): BookRow {
  return rest;
}
