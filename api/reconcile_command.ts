import { constants, createReadStream } from 'node:fs';
import { access } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { parseArgs } from 'node:util';
import { createGunzip } from 'node:zlib';
import { z } from 'zod';
import type { Database } from '#clickhouse/client.ts';
import { reconciliation } from '#clickhouse/invoices.ts';
import { ConfigurationError, messageOf } from '#common/environment.ts';
import { writer } from './append.ts';
import { reached, refusal } from './book_target.ts';
import { importInvoice, reconciled, reconciliationKeys } from './reconcile.ts';

const usage = `usage: npm run reconcile -- [FILE.csv|FILE.csv.gz…] --month 2026-10 [--reason TEXT] [--tolerance 1] [--all]
Files are Azure's export of that month; without one the export that was taken in last is compared again.
Rows that agree are left out of the table, unless --all.
--url URL --key KEY go through a running API; else CLICKHOUSE_URL names the database and --author who sends.`;

const text = { type: 'string' } as const;
const options = {
  month: text,
  reason: text,
  tolerance: text,
  all: { type: 'boolean' },
  url: text,
  key: text,
  author: text,
} as const;

export type ReconcileCommand = ReturnType<typeof parseReconcileCommand>;

/** The files and options of `reconcile …`; throws what is wrong with them, with the usage. */
export function parseReconcileCommand(args: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    if (!/^(19|20)\d\d-(0[1-9]|1[0-2])$/.test(values.month ?? ''))
      throw new Error('--month is missing: write one such as 2026-10');
    if ((values.url === undefined) !== (values.key === undefined)) throw new Error('--url and --key belong together');
    const { month = '', tolerance = '1', reason = 'npm run reconcile', all = false, url, key, author } = values;
    return { files: positionals, month, tolerance, reason, all, url, key, author };
  } catch (error) {
    throw new ConfigurationError(`${messageOf(error)}\n${usage}`);
  }
}

type Row = Readonly<Record<string, unknown>>;
type Taken = {
  readonly rows: number;
  readonly lines: number;
  readonly known: boolean;
  readonly leftOut: Readonly<Record<string, number>>;
};

/** Where the command sends an export and asks for what it says. */
export type Books = {
  readonly take: (csv: Readable, month: string, reason: string) => Promise<Taken>;
  readonly compare: (month: string, tolerance: string) => Promise<readonly Row[]>;
};

/** The database itself. */
export function databaseBooks(db: Database, author: string): Books {
  return {
    take: async (csv, month, reason) => {
      const outcome = await importInvoice(db, writer(db), csv, { month, author, reason });
      if (outcome.kind === 'faulty')
        throw new ConfigurationError(`nothing was taken in:\n  ${outcome.faults.join('\n  ')}`);
      const { rows, lines, leftOut } = outcome;
      return { rows, lines, known: outcome.kind === 'known', leftOut: Object.fromEntries(leftOut) };
    },
    compare: async (month, tolerance) => {
      const found = await reconciled(db, { month, tolerance, asKnownAt: undefined });
      if (found === null) throw new ConfigurationError(`there is no export for ${month}; name its files`);
      const orderBy = reconciliationKeys.map((column) => ({ column, descending: false }));
      return db.read(reconciliation, found.args, { orderBy });
    },
  };
}

const took = z.object({
  data: z.object({
    rows: z.number(),
    lines: z.number(),
    known_already: z.boolean(),
    left_out: z.record(z.string(), z.number()),
  }),
});
const listing = z.object({ data: z.array(z.record(z.string(), z.unknown())) });

async function read(asked: Promise<Response>): Promise<unknown> {
  const answer = await reached(asked);
  const body: unknown = await answer.json().catch(() => null);
  if (!answer.ok) throw refusal(answer.status, body);
  return body;
}

/** A running API. */
export function apiBooks(url: string, key: string): Books {
  const headers = { authorization: `Bearer ${key}` };
  const place = (month: string, query: Record<string, string>): URL =>
    new URL(`/v1/chargeback/${month}/reconciliation?${new URLSearchParams(query).toString()}`, url);
  return {
    take: async (csv, month, reason) => {
      const sent = {
        method: 'POST',
        headers: { ...headers, 'content-type': 'text/csv' },
        body: Readable.toWeb(csv) as ReadableStream,
        duplex: 'half' as const,
      };
      const { data } = took.parse(await read(fetch(place(month, { reason }), sent)));
      return { rows: data.rows, lines: data.lines, known: data.known_already, leftOut: data.left_out };
    },
    compare: async (month, tolerance) =>
      listing.parse(await read(fetch(place(month, { tolerance_percent: tolerance }), { headers }))).data,
  };
}

/** Takes the files in, and prints what differs. */
export async function runReconcileCommand(
  command: ReconcileCommand,
  books: Books,
  say: (line: string) => void,
  print: (text: string) => void,
): Promise<void> {
  if (command.files.length > 0) {
    // Before anything is sent: a file that is not there would look like a connection that broke.
    for (const file of command.files) {
      await access(file, constants.R_OK).catch((error: unknown) => {
        throw new ConfigurationError(`${file} cannot be read: ${messageOf(error)}`);
      });
    }
    // What is wrong with a file is said before what became of sending it.
    let broken: ConfigurationError | undefined;
    const content = contentOf(command.files, (why) => (broken = why));
    const taken = books.take(Readable.from(content), command.month, command.reason);
    const done = await taken.catch((error: unknown) => {
      throw broken ?? error;
    });
    say(
      `${done.rows} rows of ${command.month} are ${done.lines} meters of deployments${done.known ? ', and were known already' : ''}`,
    );
    for (const [why, count] of Object.entries(done.leftOut)) say(`left out ${count} rows: ${why}`);
  }
  const rows = await books.compare(command.month, command.tolerance);
  const counts = new Map<unknown, number>();
  for (const row of rows) counts.set(row['finding'], (counts.get(row['finding']) ?? 0) + 1);
  const shown = rows.filter((row) => command.all || row['finding'] !== 'agrees');
  print(tableOf([columns, ...shown.map((row) => columns.map((name) => cell(row[name])))]));
  say([...counts].map(([finding, count]) => `${count} ${String(finding)}`).join(', '));
}

/** The files one after the other, each ending with a line. */
async function* contentOf(files: readonly string[], failed: (why: ConfigurationError) => void): AsyncGenerator<Buffer> {
  for (const file of files) {
    try {
      const raw = createReadStream(file);
      yield* file.endsWith('.gz') ? raw.pipe(createGunzip()) : raw;
    } catch (error) {
      const why = new ConfigurationError(`${file} cannot be read: ${messageOf(error)}`);
      failed(why);
      throw why;
    }
    yield Buffer.from('\n');
  }
}

const columns = [
  'deployment',
  'model',
  'service_tier',
  'token_kind',
  'billed_tokens',
  'ledger_tokens',
  'billed_cost',
  'ledger_cost',
  'cost_variance',
  'finding',
  'meters',
];

function cell(value: unknown): string {
  if (value === null || value === undefined || value === '') return '-';
  return Array.isArray(value) ? value.join(' + ') : typeof value === 'string' ? value : JSON.stringify(value);
}

function tableOf(rows: readonly (readonly string[])[]): string {
  const widths = columns.map((_, i) => Math.max(...rows.map((row) => (row[i] ?? '').length)));
  return rows
    .map(
      (row) =>
        `${row
          .map((text, i) => text.padEnd(widths[i] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}
