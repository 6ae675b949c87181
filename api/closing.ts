import { createHash, randomUUID } from 'node:crypto';
import { statementCharges, statementLines, statements, storedLines } from '#clickhouse/statements.ts';
import { assert } from '#common/assert.ts';
import { completeness } from './answer.ts';
import { type Billed, billedAsKnownAt, billedBy, callStatesOf, chargesOf, correctedBy, wholeSpan } from './billed.ts';
import {
  closedMonthsOf,
  type Header,
  inhabited,
  knowledgeNow,
  printedOf,
  type Statement,
  statementOf,
  storedStatement,
} from './chargeback.ts';
import { ProblemError, refuse } from './problem.ts';
import type { Reader } from './reader.ts';
import { csvOf, type Line, sumOfCharges } from './statement.ts';
import { argument } from './window.ts';

export type Closing = {
  readonly month: string;
  /** '' is as priced. */
  readonly currency: string;
  /** Prices and attributions as known then; null is now. */
  readonly asKnownAt: Date | null;
  readonly issuer: string;
  readonly by: string;
  readonly reason: string;
};

/**
 * Closes a month: copies its charges, prints its lines, reads both back, and only then writes the row that makes it
 * closed. Throws a conflict when it is closed already or not finished; then nothing has changed.
 */
export async function closeMonth(db: Reader, closing: Closing): Promise<Statement> {
  const { month, currency } = closing;
  const closed = await closedMonthsOf(db);
  if (closed.some((header) => header.month === month)) throw alreadyClosed(month);
  const known = await knowledgeOf(db, closing.asKnownAt);
  const corrected = correctedBy(month, closed);
  if (closing.asKnownAt !== null) assertNotBefore(closing.asKnownAt, corrected, closed);
  const complete = await completeness(db);
  const asked = closing.asKnownAt === null ? null : known;
  const all = await billedBy(db, { month, currency, asKnownAt: asked }, closed);
  const [own] = all;
  assert(own !== undefined, 'a statement bills its own month');
  const { from, to } = wholeSpan(own);
  assertFinished(month, to, complete.through);
  const window = { month, calls_from: from.toISOString(), calls_to: to.toISOString() };
  // Before the calls are read for the bill: one that comes in between differs from this and is looked at again. Only of
  // the months that it bills: of another one a late call is still to be billed by the month whose correction it is.
  const call_states = await callStatesOf(db, [...corrected, window]);

  const { counts, months } = await inhabited(db, all, known);

  const id = randomUUID();
  const lines: Line[] = [];
  for (const billed of months) lines.push(...(await storeCharges(db, billed, known, id)));
  const header = {
    month,
    statement_id: id,
    as_known_at: known,
    currency,
    issuer: closing.issuer,
    complete_through: argument(new Date(complete.through ?? '')),
    ...counts,
    calls_from: argument(from),
    calls_to: argument(to),
    call_states,
    lines: lines.length,
    sha256: await storeLines(db, id, lines),
    closed_by: closing.by,
    reason: closing.reason,
  };
  const row = Object.keys(statements.columns).map((name) => header[name as keyof typeof header]);
  const written = await writeOnce(db, month, JSON.stringify(row));
  if (written.statement_id !== id) throw alreadyClosed(month);
  return statementOf(db, { month, currency, asKnownAt: known });
}

const attemptsMax = 5;

/**
 * The month's row, of whoever wrote it first: of two that close at once the second insert is a repetition of the first
 * and leaves nothing. A token whose insert was lost is burnt, and the next attempt has another.
 */
async function writeOnce(db: Reader, month: string, row: string): Promise<Header> {
  for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
    await db.insert(statements, row, `close/${month}/${attempt}`);
    const written = (await closedMonthsOf(db)).find((header) => header.month === month);
    if (written !== undefined) return written;
  }
  throw new ProblemError('unavailable', 'the database does not keep the closing; nothing was closed, try again');
}

/** SHA-256 of the statement as CSV, in hex. */
function hashOfStatement(lines: readonly Line[]): string {
  return createHash('sha256').update(csvOf(lines)).digest('hex');
}

function alreadyClosed(month: string): ProblemError {
  return new ProblemError(
    'conflict',
    `${month} is closed already, and a closed statement never changes; what came later is in /v1/chargeback/${month}/corrections`,
  );
}

/** The instant of knowledge: what becomes known later is a correction. */
async function knowledgeOf(db: Reader, wanted: Date | null): Promise<string> {
  const now = await knowledgeNow(db);
  if (wanted !== null && wanted > now) {
    throw refuse(
      'as_known_at',
      `lies in the future; it is ${now.toISOString()}, leave it out to close with all that is known`,
    );
  }
  return argument(wanted ?? now);
}

/** Of what is corrected in this month, all that was billed must have been known: corrections never go back in time. */
function assertNotBefore(wanted: Date, corrected: readonly Header[], closed: readonly Header[]): void {
  for (const { month } of corrected) {
    const billed = billedAsKnownAt(month, closed);
    if (wanted.getTime() >= billed) continue;
    const then = new Date(billed).toISOString();
    throw refuse(
      'as_known_at',
      `lies before ${then}, as of which ${month} was billed, and its corrections are in this month; send that or later`,
    );
  }
}

function assertFinished(month: string, to: Date, through: string | null): void {
  if (through !== null && Date.parse(through) >= to.getTime()) return;
  const far =
    through === null
      ? 'nothing has been received'
      : `the ledger is complete through ${new Date(through).toISOString()}`;
  throw new ProblemError(
    'conflict',
    `${month} is not finished: it ends at ${to.toISOString()}, and ${far}; close it after that`,
  );
}

const chargesMax = 5_000;

/** Stores the charges of a month as they are read, reads back what they add up to, and prints that. */
async function storeCharges(db: Reader, billed: Billed, known: string, id: string): Promise<Line[]> {
  const sum = sumOfCharges();
  let waiting: string[] = [];
  const store = async (): Promise<void> => {
    if (waiting.length > 0) await db.insert(statementCharges, waiting.join('\n'));
    waiting = [];
  };
  for await (const rows of chargesOf(db, billed, known, id)) {
    sum.add(rows);
    waiting.push(...rows.map((row) => JSON.stringify(chargeColumns.map((name) => row[name]))));
    if (waiting.length >= chargesMax) await store();
  }
  await store();
  const stored = await db.read(storedLines, { statement_id: id });
  const own = stored.filter((line) => line.charge_month === billed.chargeMonth);
  const lines = await printedOf(db, billed, own);
  assert(
    csvOf(lines) === csvOf(await printedOf(db, billed, sum.lines())),
    'the stored charges of a statement are not those that were read',
  );
  return lines;
}

const chargeColumns = Object.keys(statementCharges.columns) as (keyof typeof statementCharges.columns)[];

/** Stores printed lines, reads them back, and gives the hash of what was read. */
async function storeLines(db: Reader, id: string, lines: readonly Line[]): Promise<string> {
  const rows = lines.map((line, i) => {
    const row = { statement_id: id, line_number: i + 1, ...line };
    return JSON.stringify(Object.keys(statementLines.columns).map((name) => row[name as keyof typeof row]));
  });
  if (rows.length > 0) await db.insert(statementLines, rows.join('\n'));
  const hash = hashOfStatement(await storedStatement(db, id));
  assert(hash === hashOfStatement(lines), 'the stored lines of a statement are not those that were printed');
  return hash;
}
