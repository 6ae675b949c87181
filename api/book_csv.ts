import { parse } from 'csv-parse/sync';
import { stringify } from 'csv-stringify/sync';
import type { Types } from '#clickhouse/view.ts';

type Row = Readonly<Record<string, unknown>>;

/** What makes a spreadsheet run a cell, with the apostrophes that keep it from that. */
const dangerous = /^'*[=+\-@\t\r]/;

/** Rows as CSV: lists and maps as JSON, nothing as an empty cell, text that a spreadsheet would run behind an apostrophe. */
export function toCsv(columns: readonly string[], rows: readonly Row[]): string {
  const records = rows.map((row) => columns.map((name) => cell(row[name])));
  return stringify([columns, ...records], { quoted_match: /['\r]/ });
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return '';
  const plain = typeof value === 'string' ? value : JSON.stringify(value);
  return dangerous.test(plain) ? `'${plain}` : plain;
}

/** What `toCsv` wrote, or a person: entries of a book with these columns. Empty cells are left out. */
export function fromCsv(text: string, columns: Types): Record<string, unknown>[] {
  const records: Record<string, string>[] = parse(text, { columns: true, bom: true, skip_empty_lines: true });
  return records.map((record) => entryOf(record, columns));
}

/** What the books write themselves; an export has it, an import does not take it. */
const written = new Set(['author', 'reason', 'known_from']);

/** Texts by the columns of a book as an entry of it. */
export function entryOf(texts: Readonly<Record<string, string>>, columns: Types): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(texts)
      .filter(([name, value]) => value !== '' && !written.has(name))
      .map(([name, value]) => [name, valueOf(value, columns[name] ?? 'String')]),
  );
}

function valueOf(value: string, type: string): unknown {
  const text = dangerous.test(value) && value.startsWith("'") ? value.slice(1) : value;
  if (!/^(Array|Map)/.test(type)) return text;
  try {
    return JSON.parse(text);
  } catch {
    // The book says what is wrong with it, and where.
    return text;
  }
}
