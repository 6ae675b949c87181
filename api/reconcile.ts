import type { Readable } from 'node:stream';
import type { Database } from '#clickhouse/client.ts';
import { invoiceImports, invoiceLines, reconciliation } from '#clickhouse/invoices.ts';
import type { Arguments, Row } from '#clickhouse/view.ts';
import type { Writer } from './append.ts';
import { monthOf } from './calendar.ts';
import { type Invoice, invoiceOf } from './invoice.ts';
import { argument, everything } from './window.ts';

type Reads = { readonly read: Database['read'] };

/** What became of an export: taken in, or already there, or refused with what is wrong in it. */
export type Imported =
  | {
      readonly kind: 'imported' | 'known';
      readonly importId: string;
      readonly rows: number;
      readonly lines: number;
      readonly leftOut: Invoice['leftOut'];
    }
  | { readonly kind: 'faulty'; readonly faults: readonly string[] };

/** Takes in an export whole, or nothing of it; the same lines again are known. */
export async function importInvoice(
  db: Reads,
  write: Writer,
  csv: Readable,
  who: { readonly month: string; readonly author: string; readonly reason: string },
): Promise<Imported> {
  const { importId, lines, leftOut, faults } = await invoiceOf(csv, who.month);
  const currencies = new Set(lines.map((line) => line.billing_currency));
  if (faults.length > 0) return { kind: 'faulty', faults };
  if (lines.length === 0) {
    const seen = [...leftOut].map(([why, count]) => `${count} ${why}`).join(', ');
    return {
      kind: 'faulty',
      faults: [`no row of ${who.month} is of a model (${seen === '' ? 'there are none' : seen})`],
    };
  }
  if (currencies.size > 1) {
    return {
      kind: 'faulty',
      faults: [`it has amounts in ${[...currencies].sort().join(' and ')}, which are never added; send one currency`],
    };
  }
  const done = {
    importId,
    lines: lines.length,
    leftOut,
    rows: lines.reduce((sum, line) => sum + Number(line.rows), 0),
  };
  const known = await db.read(invoiceImports, { as_known_at: everything });
  if (known.some((row) => row.import_id === importId)) return { kind: 'known', ...done };
  const rows = lines.map((line) => {
    const row: Record<string, unknown> = { ...line, ...who, import_id: importId };
    return JSON.stringify(Object.keys(invoiceLines.columns).map((name) => row[name]));
  });
  await write.append(invoiceLines, rows.join('\n'), `invoice/${importId}`);
  return { kind: 'imported', ...done };
}

/** Which export of a month is asked for, and how. */
export type Reconciled = {
  readonly kind: 'reconciled';
  readonly invoice: Row<(typeof invoiceImports)['columns']>;
  readonly args: Arguments<(typeof reconciliation)['parameters']>;
};

/** The newest export of a month that was known at an instant, and the question about it; null where there is none. */
export async function reconciled(
  db: Reads,
  asked: { readonly month: string; readonly tolerance: string; readonly asKnownAt: Date | undefined },
): Promise<Reconciled | null> {
  const as_known_at = asked.asKnownAt === undefined ? everything : argument(asked.asKnownAt);
  const imports = await db.read(invoiceImports, { as_known_at });
  const [invoice] = imports
    .filter((row) => row.month === asked.month)
    .sort((a, b) => Date.parse(b.known_from) - Date.parse(a.known_from));
  if (invoice === undefined) return null;
  // Azure's days, and so its months, are UTC's.
  const { from, to } = monthOf(asked.month, 'UTC');
  return {
    kind: 'reconciled',
    invoice,
    args: {
      month: asked.month,
      import_id: invoice.import_id,
      from: argument(from),
      to: argument(to),
      as_known_at,
      currency: invoice.currencies[0] ?? '',
      tolerance_percent: asked.tolerance,
    },
  };
}

/** What tells the rows apart, in the order in which they are read. */
export const reconciliationKeys = ['line_kind', 'deployment', 'model', 'service_tier', 'token_kind', 'meters'] as const;
