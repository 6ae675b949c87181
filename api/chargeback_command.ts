import { createWriteStream } from 'node:fs';
import { rename } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { databaseConfig, databaseVariables, openDatabase } from '#clickhouse/client.ts';
import { readEnvironment } from '#common/environment.ts';
import { ConfigurationError, messageOf } from '#common/error.ts';
import { statementOf } from './chargeback.ts';
import { closeMonth } from './closing.ts';
import { ProblemError } from './problem.ts';
import { type Reader, reader } from './reader.ts';
import { fileOf, statementFormats } from './statement_file.ts';
import { argument, currency, instant, month } from './window.ts';

const usage = `usage: npm run chargeback -- MONTH [--format F] [--out FILE] [--currency C] [--as-known-at INSTANT]
                                 [--close [--reason TEXT]] [--url URL --key KEY]
  MONTH          a calendar month such as 2026-10
  --format       ${statementFormats.join(', ')} (default csv)
  --out          the file to write; left out, it goes to standard output
  --currency     amounts in this currency; left out, as they are priced
  --as-known-at  prices and attributions as known at this instant
  --close        closes the month first: its statement is stored and never changes again
  --reason       why, for the audit
  --url          of a running API, for example http://127.0.0.1:8080; left out, CLICKHOUSE_URL is asked directly
  --key          an API key of role finance or admin`;

const shape = z.strictObject({
  month,
  format: z.enum(statementFormats, { error: `--format must be one of ${statementFormats.join(', ')}` }).default('csv'),
  out: z.string().optional(),
  currency: currency.optional(),
  'as-known-at': instant.optional(),
  close: z.boolean().default(false),
  reason: z.string().max(1_000).default(''),
  url: z.url('--url is not a URL').optional(),
  key: z.string().optional(),
});

type Wanted = z.output<typeof shape>;

/** What is printed of a statement, and what is said of it. */
type Answer = {
  readonly body: AsyncIterable<Uint8Array>;
  readonly sha256: string | null;
  readonly through: string | null;
};

/** Closes a month where that is asked, and writes its statement. Refusals are configuration errors: nothing was written. */
export async function chargeback(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const wanted = parse(args);
  const { url, key } = wanted;
  if (url !== undefined && key !== undefined) {
    await write(wanted, await fromApi(wanted, url, key));
    return;
  }
  const issuer = { STATEMENT_ISSUER: z.string().trim().min(1).max(200).default('Gatemeter') };
  const read = readEnvironment({ ...databaseVariables, ...issuer }, environment);
  const db = openDatabase(databaseConfig(read), 'chargeback');
  try {
    await write(wanted, await fromDatabase(wanted, reader(db), read.STATEMENT_ISSUER));
  } catch (error) {
    if (error instanceof ProblemError) throw new ConfigurationError(error.message);
    throw error;
  } finally {
    await db.close();
  }
}

function parse(args: readonly string[]): Wanted {
  const text = { type: 'string' } as const;
  const options = {
    format: text,
    out: text,
    currency: text,
    'as-known-at': text,
    close: { type: 'boolean' },
    reason: text,
    url: text,
    key: text,
  } as const;
  try {
    const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options });
    if (positionals.length !== 1) throw new Error('name one month, such as 2026-10');
    if ((values.url === undefined) !== (values.key === undefined)) throw new Error('--url and --key go together');
    const read = shape.safeParse({ month: positionals[0], ...values });
    if (read.success) return read.data;
    throw new Error(read.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('\n'));
  } catch (error) {
    throw new ConfigurationError(`${messageOf(error)}\n${usage}`);
  }
}

async function fromApi(wanted: Wanted, url: string, key: string): Promise<Answer> {
  const known = wanted['as-known-at']?.toISOString();
  const terms = { currency: wanted.currency, as_known_at: known };
  const path = `/v1/chargeback/${wanted.month}`;
  const headers = { authorization: `Bearer ${key}` };
  if (wanted.close) {
    const body = JSON.stringify({ reason: wanted.reason, ...terms });
    await answered(fetch(new URL(`${path}/close`, url), { method: 'POST', headers, body }));
  }
  const given = Object.entries({ format: wanted.format, ...(wanted.close ? {} : terms) });
  const query = new URLSearchParams(given.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
  const response = await answered(fetch(new URL(`${path}?${query.toString()}`, url), { headers }));
  return {
    body: response.body ?? Readable.from([]),
    sha256: response.headers.get('x-statement-sha256'),
    through: response.headers.get('x-complete-through'),
  };
}

async function answered(asked: Promise<Response>): Promise<Response> {
  const response = await asked.catch((error: unknown) => {
    throw new ConfigurationError(`the API cannot be reached: ${messageOf(error)}`);
  });
  if (response.ok) return response;
  const problem = z.object({ detail: z.string() }).safeParse(await response.json().catch(() => null));
  const detail = problem.success ? problem.data.detail : 'without a reason';
  throw new ConfigurationError(`the API refuses with ${response.status}: ${detail}`);
}

async function fromDatabase(wanted: Wanted, db: Reader, issuer: string): Promise<Answer> {
  const asKnownAt = wanted['as-known-at'] ?? null;
  const common = { month: wanted.month, currency: wanted.currency ?? '' };
  const found = wanted.close
    ? await closeMonth(db, { ...common, asKnownAt, issuer, by: userInfo().username, reason: wanted.reason })
    : await statementOf(db, { ...common, asKnownAt: asKnownAt === null ? null : argument(asKnownAt) });
  if (!wanted.close && found.closed !== null && (asKnownAt !== null || wanted.currency !== undefined)) {
    throw new ConfigurationError(`${wanted.month} is closed and answers what was stored; leave the other options out`);
  }
  return {
    body: fileOf(db, found, wanted.format, issuer).body,
    sha256: found.closed?.sha256 ?? null,
    through: found.completeThrough,
  };
}

/** A file has its name only when it is whole. */
async function write({ month: of, out }: Wanted, { body, sha256, through }: Answer): Promise<void> {
  if (out === undefined) {
    await pipeline(body, process.stdout, { end: false });
  } else {
    await pipeline(body, createWriteStream(`${out}.partial`));
    await rename(`${out}.partial`, out);
  }
  const state = sha256 === null ? 'open: it changes until it is closed' : `closed, sha256 of its CSV ${sha256}`;
  process.stderr.write(`${of}: ${state}; complete through ${through ?? 'nothing yet'}\n`);
}
