import { storedCharges, storedLines } from '#clickhouse/statements.ts';
import { assert } from '#common/assert.ts';
import { chargeOrder, chargesIn, chargesOf } from './billed.ts';
import { monthOf } from './calendar.ts';
import type { Statement } from './chargeback.ts';
import { csvRow, neutraliser } from './csv.ts';
import { focusColumns, type FocusRow, type FocusVersion } from './focus_columns.ts';
import { type FocusContext, focusRow, roundingRow } from './focus_row.ts';
import type { Reader } from './reader.ts';
import { decimalText, exactly } from './rounding.ts';
import { type Charge, type ExactLine, type Line, lineKey } from './statement.ts';
import { everything } from './window.ts';

/**
 * A statement as FOCUS, one chunk of CSV after another: a row for each charge, and one for what each line was rounded
 * by, so that rows add up to what is paid. `issuer` names who bills while the month is open.
 */
export async function* focusFile(
  db: Reader,
  statement: Statement,
  version: FocusVersion,
  issuer: string,
): AsyncGenerator<Uint8Array> {
  const columns = focusColumns(version);
  const guard = neutraliser();
  const encoder = new TextEncoder();
  const write = (rows: readonly FocusRow[]): Uint8Array =>
    guard.push(encoder.encode(rows.map((row) => csvRow(columns.map((column) => cell(column, row)))).join('')));
  yield guard.push(encoder.encode(csvRow(columns.map(([name]) => [name, false]))));

  const contexts = contextsOf(statement, issuer);
  const names = new Map<string, string>();
  for await (const charges of allCharges(db, statement)) {
    for (const { tenant_id, tenant_name } of charges) names.set(tenant_id, tenant_name);
    yield write(charges.map((charge) => focusRow(charge, contexts(charge))));
  }
  yield write(await roundings(db, statement, contexts, names));
  guard.end();
}

type Column = ReturnType<typeof focusColumns>[number];

/** A value that the specification does not allow breaks the file: a reader must not find out for us. */
function cell([name, column]: Column, row: FocusRow): readonly [value: string | null, isNumber: boolean] {
  const value = row[name];
  assert(value !== null || column.nulls, `FOCUS has no null in ${name}`);
  assert(
    value === null || column.values === undefined || column.values.includes(value),
    `FOCUS has no ${value} in ${name}`,
  );
  return [value, column.type === 'Decimal'];
}

/** The charges of a statement: stored, or computed from what is open. */
async function* allCharges(db: Reader, { closed, asKnownAt, parts }: Statement): AsyncGenerator<Charge[]> {
  if (closed !== null) {
    const args = { statement_id: closed.statement_id };
    yield* chargesIn(await db.stream(storedCharges, args, 'JSONEachRow', { orderBy: chargeOrder }));
  }
  for (const { billed } of parts) yield* chargesOf(db, billed, asKnownAt ?? everything, '');
}

type Contexts = (line: Parameters<typeof lineKey>[0]) => FocusContext;

/** What the rows of a line have of the statement. */
function contextsOf(statement: Statement, issuer: string): Contexts {
  const { month, closed, lines } = statement;
  const period = periodOf(month);
  const numbers = new Map(lines.map((line, i) => [lineKey(line), i + 1]));
  const currencies = new Map(
    lines.filter((line) => line.billing_currency !== '').map((line) => [line.tenant_id, line.billing_currency]),
  );
  return (line) => {
    // What has no amount has no currency: it is shown in one in which its tenant pays, or in none (XXX by ISO 4217).
    const currency = line.billing_currency === '' ? (currencies.get(line.tenant_id) ?? 'XXX') : line.billing_currency;
    const payer = line.tenant_id === '' ? '-' : line.tenant_id;
    return {
      period,
      issuer: closed?.issuer ?? issuer,
      isCorrection: line.charge_month !== month,
      invoiceId: closed === null ? null : `${closed.statement_id}/${payer}/${currency}`,
      line: numbers.get(lineKey(line)) ?? null,
      currency,
    };
  };
}

function periodOf(month: string): FocusContext['period'] {
  const { from, to } = monthOf(month, 'UTC');
  return { start: instantOf(from), end: instantOf(to) };
}

function instantOf(at: Date): string {
  return at.toISOString().replace('.000Z', 'Z');
}

async function roundings(
  db: Reader,
  statement: Statement,
  contexts: Contexts,
  names: ReadonlyMap<string, string>,
): Promise<FocusRow[]> {
  const { closed, parts } = statement;
  const exact =
    closed === null
      ? parts.flatMap((part) => part.exact)
      : await db.read(storedLines, { statement_id: closed.statement_id });
  const printed = new Map(statement.lines.map((line) => [lineKey(line), line]));
  return exact
    .toSorted((a, b) => (lineKey(a) < lineKey(b) ? -1 : 1))
    .flatMap((line) => {
      const difference = roundedBy(line, printed.get(lineKey(line)));
      if (difference === 0n) return [];
      const payer = { ...line, tenant_name: names.get(line.tenant_id) ?? line.tenant_id };
      return [roundingRow(payer, decimalText(difference), periodOf(line.charge_month), contexts(line))];
    });
}

function roundedBy(exact: ExactLine, printed: Line | undefined): bigint {
  if (exact.effective_cost === null) return 0n;
  return exactly(printed?.effective_cost ?? '0') - exactly(exact.effective_cost);
}
