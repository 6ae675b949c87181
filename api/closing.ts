import { createHash, randomUUID } from 'node:crypto';
import {
  bookedTotals,
  statementCharges,
  statementLines,
  statements,
  storedLines,
  unbookedCharges,
} from '#clickhouse/statements.ts';
import { assert } from '#common/assert.ts';
import { completeness } from './answer.ts';
import {
  type Billed,
  billedBy,
  chargeArguments,
  closedMonthsOf,
  countsOf,
  knowledgeNow,
  type Statement,
  statementOf,
  storedStatement,
  unbookedExact,
} from './chargeback.ts';
import { ProblemError, refuse } from './problem.ts';
import type { Reader, StatementWriter } from './reader.ts';
import { csvOf, type Line, lineOrder, printed } from './statement.ts';
import { argument } from './window.ts';

export type Closing = {
  readonly month: string;
  /** '' is as priced. */
  readonly currency: string;
  /** Prices and attributions as known then; null is now. */
  readonly asKnownAt: Date | null;
  readonly by: string;
  readonly reason: string;
};

/**
 * Closes a month: copies its charges, prints its lines, reads both back, and only then writes the row that makes it
 * closed. Throws a conflict when it is closed already or not finished; then nothing has changed.
 */
export async function closeMonth(db: Reader & StatementWriter, closing: Closing): Promise<Statement> {
  const { month, currency } = closing;
  const closed = await closedMonthsOf(db);
  if (closed.some((header) => header.month === month)) throw alreadyClosed(month);
  const known = await knowledgeOf(db, closing.asKnownAt);
  const complete = await completeness(db);
  const months = await billedBy(db, { month, currency, asKnownAt: known }, closed);
  assertFinished(month, months, complete.through);

  const id = randomUUID();
  for (const billed of months) {
    for (const zone of billed.zones) {
      await db.insertFrom(statementCharges, unbookedCharges, chargeArguments(billed, zone, known, id));
    }
  }
  const lines: Line[] = [];
  for (const billed of months) lines.push(...(await storedAndTrue(db, billed, known, id)));
  const sha256 = await storeLines(db, id, lines);
  const counts = await countsOf(db, months[0]?.zones ?? [], known);
  const header = {
    month,
    statement_id: id,
    as_known_at: known,
    currency,
    complete_through: argument(new Date(complete.through ?? '')),
    ...counts,
    lines: lines.length,
    sha256,
    closed_by: closing.by,
    reason: closing.reason,
  };
  const row = Object.keys(statements.columns).map((name) => header[name as keyof typeof header]);
  // Of two that close at once the second insert is a repetition of the first, and leaves nothing.
  await db.insert(statements, JSON.stringify(row), `close/${month}`);
  const written = await statementOf(db, { month, currency, asKnownAt: known });
  if (written.closed?.statement_id !== id) throw alreadyClosed(month);
  return written;
}

/** SHA-256 of the statement as CSV, in hex. */
export function hashOfStatement(lines: readonly Line[]): string {
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

function assertFinished(month: string, months: readonly Billed[], through: string | null): void {
  const ends = (months[0]?.zones ?? []).map((zone) => zone.to.getTime());
  const end = new Date(Math.max(...ends)).toISOString();
  if (through !== null && Date.parse(through) >= Date.parse(end)) return;
  const far =
    through === null
      ? 'nothing has been received'
      : `the ledger is complete through ${new Date(through).toISOString()}`;
  throw new ProblemError('conflict', `${month} is not finished: it ends at ${end}, and ${far}; close it after that`);
}

/** The lines of what was stored, if it is what the ledger still says; a lost write or a call in between is neither. */
async function storedAndTrue(db: Reader, billed: Billed, known: string, id: string): Promise<Line[]> {
  const orderBy = lineOrder.map((column) => ({ column, descending: false }));
  const all = await db.read(storedLines, { statement_id: id }, { orderBy });
  const stored = all
    .filter((line) => line.charge_month === billed.chargeMonth)
    .map(({ charge_month: _month, ...line }) => line);
  const { chargeMonth, chargeClass } = billed;
  const booked = await db.read(bookedTotals, { charge_month: chargeMonth });
  const print = (lines: typeof stored): Line[] => printed({ chargeMonth, chargeClass, lines, booked });
  const lines = print(stored);
  if (csvOf(lines) !== csvOf(print(await unbookedExact(db, billed, known)))) {
    throw new ProblemError('unavailable', 'the month changed while it was being closed; nothing was closed, try again');
  }
  return lines;
}

/** Stores printed lines, reads them back, and gives the hash of what was read. */
async function storeLines(db: Reader & StatementWriter, id: string, lines: readonly Line[]): Promise<string> {
  const rows = lines.map((line, i) => {
    const row = { statement_id: id, line_number: i + 1, ...line };
    return JSON.stringify(Object.keys(statementLines.columns).map((name) => row[name as keyof typeof row]));
  });
  if (rows.length > 0) await db.insert(statementLines, rows.join('\n'));
  const hash = hashOfStatement(await storedStatement(db, id));
  assert(hash === hashOfStatement(lines), 'the stored lines of a statement are not those that were printed');
  return hash;
}
