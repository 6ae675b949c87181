import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { prices } from '#clickhouse/money.ts';
import { ConfigurationError } from '#common/environment.ts';
import { databaseBooks, parseReconcileCommand, runReconcileCommand } from '../../api/reconcile_command.ts';
import type { App } from '../../api/route.ts';
import { type AnswerRow, ask, type CallRecord, type Ledger, openLedger } from '../api/ledger.ts';
import { append } from './books.ts';
import { actual, header, inp, row, sendInvoice } from './invoices.ts';
import { decimal, units } from './oracle.ts';

/* Hand-written exports of Azure's Cost Management, each with the traps that make an honest ledger look wrong. */
const october = Date.UTC(2026, 9, 5);
let ledger: Ledger;
let app: App;
let key: string;
let directory: string;

type Tokens = [input?: number | undefined, cached?: number | undefined, output?: number, reasoning?: number];

function call(
  deployment: string,
  model: string,
  [input, cached, output, reasoning]: Tokens,
  more: Partial<CallRecord> = {},
): CallRecord {
  return {
    call_id: `gw/${deployment}/${model}`,
    started_at: october,
    consumer_id: 'c',
    provider_name: 'azure.ai.openai',
    response_model: model,
    deployment,
    http_response_status_code: 200,
    usage_input_tokens: input ?? null,
    usage_cache_read_input_tokens: cached ?? null,
    usage_output_tokens: output ?? null,
    usage_reasoning_output_tokens: reasoning ?? null,
    ...more,
  };
}

const claude = { provider_name: 'azure.ai.inference' };

beforeAll(async () => {
  ledger = await openLedger();
  key = await ledger.key({ role: 'finance', name: 'Ada of finance' });
  app = ledger.api(() => new Date(Date.UTC(2026, 10, 5)));
  directory = await mkdtemp(join(tmpdir(), 'gatemeter-invoice-'));
  const kinds = { input: '2.5', cache_read: '0.25', output: '10' };
  const rows = ['alpha-9', 'beta-9'].flatMap((model) =>
    Object.entries(kinds).map(([token_kind, list_unit_price]) => ({
      provider_name: 'azure.ai.openai',
      model,
      token_kind,
      list_unit_price,
    })),
  );
  await append(ledger.db, prices, [
    ...rows,
    { provider_name: 'azure.ai.inference', model: 'claude-x', token_kind: 'input', list_unit_price: '100' },
  ]);
  await ledger.store([
    call('Chat-Prod', 'alpha-9', [2_000_000, undefined, 400_000, 100_000]),
    call('wrong-unit', 'alpha-9', [1_000_000]),
    call('cached-inside', 'alpha-9', [600_000, 400_000]),
    call('cached-twice', 'alpha-9', [1_000_000, 400_000]),
    call('router', 'alpha-9', [2_000_000]),
    call('router', 'beta-9', [1_000_000]),
    call('claude-a', 'claude-x', [1_000_000], claude),
    call('claude-b', 'claude-x', [2_000_000], claude),
    call('unbilled', 'alpha-9', [7]),
    call('grok', 'alpha-9', [undefined, undefined, 500_000, 300_000]),
    call('discount', 'alpha-9', [1_000_000]),
    call('unpriced', 'gamma-9', [1_000_000]),
    call('off', 'alpha-9', [1_000_000]),
    // What a commitment pays for, what another cloud served, and what was in another month are not in this bill.
    call('elsewhere', 'alpha-9', [9_999], { provider_name: 'openai' }),
    call('router', 'alpha-9', [5_000], { call_id: 'gw/september', started_at: Date.UTC(2026, 8, 30, 23, 59, 59, 999) }),
    call('focus', 'alpha-9', [3_000_000], { started_at: Date.UTC(2026, 7, 31, 23) }),
  ]);
});

afterAll(async () => {
  await ledger.close();
  await rm(directory, { recursive: true, force: true });
});

const send = async (month: string, csv: string, as = key): ReturnType<typeof sendInvoice> =>
  sendInvoice(app, as, month, csv);

function outline(rows: readonly AnswerRow[]): string[] {
  return rows.map((r) =>
    [
      r['deployment'] || '-',
      r['model'] || '-',
      r['token_kind'] || '-',
      r['billed_tokens'],
      r['ledger_tokens'],
      r['finding'],
    ].join(' '),
  );
}

describe('an export of actual cost', () => {
  let rows: AnswerRow[];
  let meta: Record<string, unknown>;
  beforeAll(async () => {
    const { status, body } = await send('2026-10', actual);
    expect([status, body['data']]).toEqual([
      201,
      {
        import_id: expect.stringMatching(/^[0-9a-f]{64}$/),
        known_already: false,
        rows: 20,
        lines: 18,
        left_out: { 'not of a model': 1, 'of 2026-09': 1 },
      },
    ]);
    const answer = await ask(app, key, '/v1/chargeback/2026-10/reconciliation');
    rows = answer.data;
    meta = answer.meta;
  });

  test('each trap is told by its name, and only what is the same agrees', () => {
    expect(outline(rows)).toEqual([
      'claude-a - -   estimated',
      'claude-b - -   estimated',
      '- - -   fixed_cost',
      'router - -   router_fee',
      '- - input 9000  no_deployment_tag',
      'cached-inside - cache_read  400000 invoice_input_includes_cached',
      'cached-inside - input 1000000 600000 invoice_input_includes_cached',
      'cached-twice - cache_read 400000 400000 ledger_input_includes_cached',
      'cached-twice - input 600000 1000000 ledger_input_includes_cached',
      'chat-prod - input 2000000 2000000 agrees',
      'chat-prod - output 500000 500000 agrees',
      'discount - input 1000000 1000000 price_differs',
      'grok - output 500000 800000 reasoning_not_billed',
      'odd - input   unknown_unit',
      'off - input 1100000 1000000 tokens_differ',
      'router alpha9 input 2000000 2000000 agrees',
      'router beta9 input 1000000 1000000 agrees',
      'unbilled - input  7 not_in_invoice',
      'unpriced - input 1000000 1000000 unpriced',
      'unseen - input 11000  not_in_ledger',
      'wrong-unit - input 1000000000 1000000 unit_off_by_1000',
    ]);
    expect(meta).toMatchObject({
      month: '2026-10',
      author: 'Ada of finance',
      reason: 'invoice',
      billing_currency: 'USD',
    });
  });

  test('quantities of thousands and millions are tokens before they are compared; costs keep every digit', () => {
    const chat = rows.filter((r) => r['deployment'] === 'chat-prod');
    expect(
      chat.map((r) => [r['units'], r['billed_quantity'], r['billed_cost'], r['ledger_cost'], r['cost_variance']]),
    ).toEqual([
      [['1K'], '2000', '5', '5', '0'],
      [['1M'], '0.5', '5', '5', '0'],
    ]);
  });

  test('Claude’s units name no deployment: its bill is divided by the ledger’s cost, marked, and adds up', () => {
    const parts = rows.filter((r) => r['is_estimated'] === true);
    // 310.01 × 100 / 300, cut off at 6 decimals; the rest is on the larger one.
    expect(parts.map((r) => [r['deployment'], r['billed_cost'], r['ledger_cost']])).toEqual([
      ['claude-a', '103.336666', '100'],
      ['claude-b', '206.673334', '200'],
    ]);
    expect(rows.filter((r) => r['finding'] === 'router_fee').map((r) => [r['billed_cost'], r['ledger_cost']])).toEqual([
      ['0.42', null],
    ]);
  });

  test('the lines add up to the bill: no cost is in two of them, and none is lost', () => {
    // All of the export's costs but the last two rows, which are of no model and of another month, by hand.
    const billed = rows.flatMap((r) => (r['billed_cost'] === null ? [] : [units(String(r['billed_cost']))]));
    expect(decimal(billed.reduce((all, amount) => all + amount, 0n))).toBe('1091.33');
  });

  test('sent again it is known; with a tolerance of 10 percent what is off by that agrees in its tokens', async () => {
    expect((await send('2026-10', actual)).body['data']).toMatchObject({ known_already: true });
    const { data } = await ask(app, key, '/v1/chargeback/2026-10/reconciliation?tolerance_percent=10');
    expect(data.find((r) => r['deployment'] === 'off')?.['finding']).toBe('agrees');
  });
});

test('FOCUS and Microsoft Customer Agreement columns, tags with braces, ISO dates: the same lines', async () => {
  const focus = [
    'BilledCost,BillingCurrency,ChargePeriodStart,PricingQuantity,PricingUnit,ResourceId,Tags,x_PricingUnitDescription,x_SkuMeterCategory,x_SkuMeterId,x_SkuMeterName',
    `7.5,USD,2026-08-31T00:00:00Z,3000,Units,/s/acct,"{""Deployment"":""Focus""}",1K,Foundry Models,id,${inp}`,
  ].join('\n');
  expect((await send('2026-08', focus)).status).toBe(201);
  expect(outline((await ask(app, key, '/v1/chargeback/2026-08/reconciliation')).data)).toEqual([
    'focus - input 3000000 3000000 agrees',
  ]);
  const customer = [
    'date,meterId,meterName,meterCategory,quantity,unitOfMeasure,costInBillingCurrency,billingCurrency,tags,instanceName',
    `09/30/2026,id,${inp},Foundry Models,5,1K,0.0125,USD,"{""deployment"":""router""}",/s/acct`,
  ].join('\n');
  const path = join(directory, 'part.csv.gz');
  await writeFile(path, gzipSync(customer));
  const said: string[] = [];
  const shown: string[] = [];
  // Two parts with a header each, as large exports have them, through the command.
  const command = parseReconcileCommand([path, path, '--month', '2026-09', '--all']);
  await runReconcileCommand(
    command,
    databaseBooks(ledger.db, 'ada'),
    (line) => said.push(line),
    (text) => shown.push(text),
  );
  expect(said).toEqual(
    ['2 rows of 2026-09 are 1 meters of deployments', '1 unit_off_by_1000'].map((line, i) =>
      i === 1 ? '1 tokens_differ' : line,
    ),
  );
  expect(shown.join('')).toMatch(
    /^deployment +model +service_tier[^\n]*\nrouter +- +standard +input +10000 +5000 +0.025 +0.0125 +0.0125 +tokens_differ +alpha 9 Inp glbl Tokens\n$/,
  );
});

test('what is no export of the month is refused with its reason, and nothing of it is kept', async () => {
  const cases: [string, string][] = [
    ['a,b\n1,2\n', 'no column of metername'],
    [
      [header, row({ meter: inp, unit: '1K', quantity: 'many', cost: '1', deployment: 'd', date: '07/05/2026' })].join(
        '\n',
      ),
      'line 2 (alpha 9 Inp glbl Tokens): quantity "many" or cost "1" is no number',
    ],
    [
      [header, row({ meter: 'D2 v5', unit: '1 Hour', quantity: '1', cost: '1', category: 'Virtual Machines' })].join(
        '\n',
      ),
      'no row of 2026-07 is of a model (1 not of a model)',
    ],
    [
      [header, row({ meter: inp, unit: '1K', quantity: '1', cost: '1', deployment: 'd', date: '7 May' })].join('\n'),
      '"7 May" is no date',
    ],
  ];
  const first = row({ meter: inp, unit: '1K', quantity: '1', cost: '1', deployment: 'd', date: '07/05/2026' });
  cases.push([`${header}\n${first}\n"open`, 'Quote Not Closed']);
  for (const [csv, why] of cases) {
    const { status, body } = await send('2026-07', csv);
    expect([status, JSON.stringify(body)]).toEqual([400, expect.stringContaining(JSON.stringify(why).slice(1, -1))]);
  }
  await expect(ask(app, key, '/v1/chargeback/2026-07/reconciliation')).rejects.toThrow(
    'there is no export for 2026-07',
  );
  const viewer = await ledger.key({ role: 'viewer', tenants: ['t'] });
  expect((await send('2026-10', actual, viewer)).status).toBe(403);
  expect(() => parseReconcileCommand(['--month', '10'])).toThrow(ConfigurationError);
});

test('an upload that breaks off is refused, and the program goes on: an error that nobody hears would end it', async () => {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(`${header}\n`));
      setImmediate(() => controller.error(new Error('the client has gone')));
    },
  });
  const path = '/v1/chargeback/2026-07/reconciliation?reason=x';
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'text/csv' };
  const answer = await app.request(
    new Request(`http://localhost${path}`, { method: 'POST', headers, body, duplex: 'half' }),
  );
  expect([answer.status, await answer.text()]).toEqual([
    400,
    expect.stringContaining('it broke off: the client has gone'),
  ]);
  const broken = join(directory, 'broken.csv.gz');
  await writeFile(broken, 'not gzip');
  const command = parseReconcileCommand([broken, '--month', '2026-07']);
  const run = runReconcileCommand(command, databaseBooks(ledger.db, 'ada'), String, String);
  await expect(run).rejects.toThrow(/broken.csv.gz cannot be read: incorrect header check/);
});
