import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseBookCommand, runBookCommand } from '../../api/book_command.ts';
import { apiTarget, databaseTarget } from '../../api/book_target.ts';
import { start } from '../../api/main.ts';
import { ConfigurationError } from '#common/environment.ts';
import { createLog } from '#common/log.ts';
import { ask, type Ledger, openLedger } from '../api/ledger.ts';

/* `npm run books`: the books as files, through a running API and in the database itself, with the same outcome. */
const main = fileURLToPath(new URL('../../api/main.ts', import.meta.url));
let ledger: Ledger;
let program: Awaited<ReturnType<typeof start>>;
let key: string;
let directory: string;
let online: string[];

beforeAll(async () => {
  ledger = await openLedger();
  key = await ledger.key({ role: 'finance', name: 'Ada of finance' });
  program = await start({ database: ledger.config, host: '127.0.0.1', port: 0, log: createLog('test', 'silent') });
  directory = await mkdtemp(join(tmpdir(), 'gatemeter-books-'));
  online = ['--url', program.url, '--key', key];
});

afterAll(async () => {
  await program.close();
  await ledger.close();
  await rm(directory, { recursive: true, force: true });
});

type Outcome = { code: number | null; output: string; said: string };

/** The command as it runs in the program, without a process of its own. */
async function books(...args: string[]): Promise<Outcome> {
  const output: string[] = [];
  const said: string[] = [];
  const outcome = (code: number): Outcome => ({ code, output: output.join(''), said: said.join('\n') });
  try {
    const command = parseBookCommand(args);
    const { url, key, author = 'test' } = command;
    const target = url === undefined ? databaseTarget(ledger.db, author) : apiTarget(url, key ?? '');
    await runBookCommand(
      command,
      target,
      (line) => said.push(line),
      (text) => output.push(text),
    );
    return outcome(0);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    said.push(error.message);
    return outcome(2);
  }
}

/** The command as a person runs it. */
async function typed(...args: string[]): Promise<Outcome> {
  const { url, database, user, password } = ledger.config;
  const child = spawn(process.execPath, [main, 'books', ...args], {
    env: {
      PATH: process.env['PATH'],
      CLICKHOUSE_URL: url,
      CLICKHOUSE_DATABASE: database,
      CLICKHOUSE_USER: user,
      CLICKHOUSE_PASSWORD: password,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve) => void child.once('exit', resolve));
  const [output, said, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, output, said };
}

async function file(name: string, content: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, content);
  return path;
}

const since = '2026-10-01T00:00:00Z';

describe('rows by CSV and by options', () => {
  const agreements = [
    'agreement_id,tenant_id,model,discount_percent,valid_from',
    'EA-7,acme,gpt-*,12.5,2026-10-01T00:00:00Z',
    `EA-8,"'=HYPERLINK(""x"")",,3,2026-10-01T00:00:00Z`,
  ].join('\n');

  test('a dry run says what would change and writes nothing; the same without it writes, with author and reason', async () => {
    const path = await file('agreements.csv', agreements);
    const dry = await books('add', 'agreements', path, '--reason', 'order form 7', '--dry-run', ...online);
    expect(dry.said).toContain('+ EA-7 acme gpt-* 0 from 2026-10-01T00:00:00.000Z: discount_percent 12.5');
    expect(dry.said).toContain('2 would be written; this was a dry run');
    expect((await books('export', 'agreements', ...online)).output.trim().split('\n').length).toBe(1);
    expect((await books('add', 'agreements', path, '--reason', 'order form 7', ...online)).said).toContain('2 written');
    const { data } = await ask(
      ledger.api(() => new Date()),
      key,
      '/v1/agreements',
    );
    expect(data.map((row) => [row['tenant_id'], row['author'], row['reason']])).toEqual([
      ['acme', 'Ada of finance', 'order form 7'],
      ['=HYPERLINK("x")', 'Ada of finance', 'order form 7'],
    ]);
  });

  test('an export is the import of another ledger: no cell runs in a spreadsheet, nothing is new, a change is shown', async () => {
    const out = join(directory, 'export.csv');
    await books('export', 'agreements', '--output', out, ...online);
    const exported = await readFile(out, 'utf8');
    expect(exported).toContain(`"'=HYPERLINK(""x"")"`);
    const again = await books('add', 'agreements', out, '--reason', 'again', '--author', 'ada');
    expect(again.said).toContain('agreements: 2 read, 2 known already');
    expect(again.said).toContain('0 written');
    await writeFile(out, exported.replace('12.5', '15'));
    const changed = await books('add', 'agreements', out, '--reason', 'more', '--author', 'ada', '--dry-run');
    expect(changed.said).toContain('~ EA-7 acme gpt-*');
    expect(changed.said).toContain('discount_percent 12.5 → 15');
  });

  test('one row by options, in the database itself; lists, maps and withdrawal; list shows it with its author', async () => {
    const row = [
      '--commitment-id',
      'ptu',
      '--deployments',
      '["a","b"]',
      '--shares',
      '{"acme":"0.5"}',
      '--amount',
      '100',
    ];
    const terms = ['--amount-per', 'month', '--billing-currency', 'USD', '--allocation-method', 'fixed_shares'];
    const who = ['--author', 'grace', '--reason', 'reservation 9'];
    const added = await books('add', 'commitments', ...row, ...terms, '--valid-from', since, ...who);
    expect([added.code, added.said]).toEqual([0, 'commitments: 1 read, 0 known already\n1 written']);
    const listed = await books('list', 'commitments');
    expect(listed.output).toContain('+ ptu from 2026-10-01T00:00:00.000Z:');
    expect(listed.output).toContain('(grace: reservation 9)');
    const gone = await books(
      'add',
      'commitments',
      ...row,
      ...terms,
      '--valid-from',
      since,
      '--valid-to',
      since,
      ...who,
    );
    expect(gone.said).toContain('1 written');
    expect((await books('list', 'commitments')).output).toBe('');
    expect((await books('list', 'commitments', '--history')).output.trim().split('\n').length).toBe(2);
    expect((await books('list')).output).toMatch(/^tenants +0 /m);
  });

  test('what is refused names the row as a person knows it, and nothing of the file is written', async () => {
    const path = await file(
      'rates.csv',
      `from_currency,to_currency,exchange_rate,valid_from\nUSD,EUR,0.9,${since}\nUSD,CHF,zero,${since}\n`,
    );
    for (const where of [online, ['--author', 'ada']]) {
      const refused = await books('add', 'exchange-rates', path, '--reason', 'x', ...where);
      expect(refused.code).toBe(2);
      expect(refused.said).toContain('USD CHF exchange_rate (row 2 of those that change): must be a decimal as text');
      const dry = await books('add', 'exchange-rates', path, '--reason', 'x', '--dry-run', ...where);
      expect(dry.code).toBe(2);
    }
    expect((await books('export', 'exchange-rates')).output.trim().split('\n').length).toBe(1);
    const without = await books('add', 'exchange-rates', path);
    expect([without.code, without.said]).toEqual([2, expect.stringContaining('--reason is missing')]);
    const foreign = await books('add', 'tenants', '--tenant-id', 'a', '--amount', '1', '--reason', 'x');
    expect(foreign.said).toContain('tenants has no --amount');
  });
});

test('what cannot be read or reached is said in a sentence, with its place, and ends with 2', async () => {
  const ragged = await file('ragged.csv', `tenant_id,valid_from\na,${since}\nb\n`);
  const add = ['add', 'tenants', '--reason', 'x', ...online];
  const nobody = ['--url', 'http://127.0.0.1:1'];
  const cases: [string[], string][] = [
    [[...add, ragged], 'ragged.csv cannot be read as CSV: Invalid Record Length'],
    [[...add, ragged], 'on line 3'],
    [[...add, 'absent.csv'], 'absent.csv cannot be read as CSV: ENOENT'],
    [['list', '--url', program.url, '--key', 'gm_unknown'], 'the API refuses with 401: the key is unknown'],
    [['list', ...nobody, '--key', key], 'the API cannot be reached, or the connection broke: '],
  ];
  for (const [args, said] of cases)
    expect(await books(...args)).toMatchObject({ code: 2, said: expect.stringContaining(said) });
});

test('as a command: rows go to stdout, words to stderr, and a refusal ends with 2', async () => {
  const row = ['--tenant-id', 'typed', '--name', 'Größe 🚀', '--valid-from', since];
  const added = typed('add', 'tenants', ...row, '--reason', 'new', '--author', 'ada');
  const wrong = await typed('add', 'tenants', ...row);
  expect([wrong.code, wrong.output]).toEqual([2, '']);
  expect(wrong.said).toContain('--reason is missing');
  const { code, output, said } = await added;
  expect([code, output, said]).toEqual([0, '', 'tenants: 1 read, 0 known already\n1 written\n']);
  const shown = await typed('export', 'tenants', ...online);
  expect([shown.code, shown.said]).toEqual([0, '']);
  expect(shown.output).toContain('typed,Größe 🚀,UTC,2026-10-01T00:00:00.000Z,,ada,new,');
});

describe('prices of others', () => {
  test('Azure Retail Prices by its pages over HTTP: every page once, each price by the unit of its row', async () => {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url ?? '');
      const at = new URL(request.url ?? '', 'http://x').searchParams.get('$skip') ?? '0';
      const unit = at === '0' ? ['1K', 0.0025] : ['1M', 10];
      const Items = [
        {
          currencyCode: 'USD',
          retailPrice: unit[1],
          unitOfMeasure: unit[0],
          armRegionName: 'westeurope',
          meterId: at,
          meterName: at === '0' ? 'gpt paged 1120 Inp glbl Tokens' : 'gpt paged 1120 Outp glbl Tokens',
          effectiveStartDate: since,
          type: 'Consumption',
        },
      ];
      const port = (server.address() as AddressInfo).port;
      const NextPageLink = at === '0' ? `http://127.0.0.1:${port}/api/retail/prices?$skip=1` : null;
      response.end(JSON.stringify({ BillingCurrency: 'USD', Items, NextPageLink, Count: 1 }));
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/retail/prices?$skip=0`;
    const done = await books('import', 'prices', '--from', 'azure-retail', url, '--reason', 'retail', ...online);
    server.close();
    expect(done.said).toContain('2 written');
    expect(asked.length).toBe(2);
    const exported = await books('export', 'prices', ...online);
    const rows = exported.output.split('\n').filter((line) => line.includes('gpt-paged'));
    expect(rows.map((line) => line.split(',').slice(0, 11).join(','))).toEqual([
      'azure-retail,azure.ai.openai,gpt-paged,,standard,input,0,0.0025,1000,Tokens,USD',
      'azure-retail,azure.ai.openai,gpt-paged,,standard,output,0,10,1000000,Tokens,USD',
    ]);
  });

  test('a file of LiteLLM: only what changes is written, a price a thousand times off is refused, a reason forces it', async () => {
    const row = { litellm_provider: 'openai', input_cost_per_token: 2.5e-6 };
    const path = await file('litellm.json', JSON.stringify({ 'gpt-own': row, 'gpt-two': row }));
    const from = [
      'import',
      'prices',
      '--from',
      'litellm',
      '--valid-from',
      since,
      '--reason',
      'monthly',
      '--author',
      'ada',
    ];
    expect((await books(...from, path)).said).toContain('2 written');
    expect((await books(...from, path)).said).toContain('2 read, 2 known already');
    const wrong = { 'gpt-own': { ...row, input_cost_per_token: 2.5e-3 }, 'gpt-two': row };
    const off = await file('off.json', JSON.stringify(wrong));
    const refused = await books(...from, off);
    expect(refused.said).toContain('is 1000 times what litellm states for gpt-own');
    expect(refused.code).toBe(2);
    expect((await books(...from, off, '--forced-because', 'they mean it')).said).toContain('1 written');
  });

  test('a row with a unit that is not understood stops the import, unless it is to be left out', async () => {
    const header = 'provider_name,model,token_kind,list_unit_price,pricing_currency,pricing_unit,valid_from';
    const rows = [`openai,gpt-three,input,1,USD,1M,${since}`, `openai,gpt-three,output,1,USD,1M Tokens,${since}`];
    const path = await file('list.csv', [header, ...rows].join('\n'));
    const from = ['import', 'prices', '--from', 'list-csv', path, '--reason', 'own list', ...online];
    const stopped = await books(...from);
    expect(stopped.code).toBe(2);
    expect(stopped.said).toContain('not understood: line 2 (gpt-three input): the unit "1M" is not one of tokens');
    const rest = await books(...from, '--leave-out-faulty');
    expect([rest.code, rest.said]).toEqual([0, expect.stringContaining('1 written')]);
  });
});
