import type { Book } from './book.ts';

type Row = Readonly<Record<string, unknown>>;

/** What writing an entry would change; `before` is the row that applies until then. */
export type Change = { readonly entry: Row; readonly before: Row | undefined };

/**
 * The entries that would change something: those for which the row that applies at their start does not say the same
 * already. Where a fact is from (`price_list`) is no part of what it says.
 */
export function changesOf(book: Book, state: readonly Row[], entries: readonly Row[]): Change[] {
  const known = Map.groupBy(state, (row) => identity(book, row));
  return entries.flatMap((entry) => {
    const at = instantOf(entry['valid_from']);
    const [before] = (known.get(identity(book, entry)) ?? [])
      .filter((row) => instantOf(row['valid_from']) <= at)
      .filter((row) => row['valid_to'] === null || instantOf(row['valid_to']) > at)
      .sort((a, b) => instantOf(b['valid_from']) - instantOf(a['valid_from']));
    return before !== undefined && says(before, entry) ? [] : [{ entry, before }];
  });
}

/** One line for a person: `+` what is new, `~` what changes and how, `-` what is withdrawn. */
export function lineOf(book: Book, { entry, before }: Change): string {
  const what = book.key.map((name) => text(name, entry[name])).filter((value) => value !== '');
  const from = `from ${String(entry['valid_from'])}`;
  const withdrawn = entry['valid_to'] !== undefined && instantOf(entry['valid_to']) === instantOf(entry['valid_from']);
  const fields = Object.keys(entry).filter((name) => !book.key.includes(name) && name !== 'valid_from');
  const stated = fields.filter((name) => text(name, entry[name]) !== '');
  if (withdrawn) return `- ${what.join(' ')} ${from}`;
  if (before === undefined) {
    return `+ ${what.join(' ')} ${from}: ${stated.map((name) => `${name} ${text(name, entry[name])}`).join(', ')}`;
  }
  const changed = fields.filter((name) => text(name, before[name]) !== text(name, entry[name]));
  const steps = changed.map(
    (name) => `${name} ${text(name, before[name]) || 'none'} → ${text(name, entry[name]) || 'none'}`,
  );
  return `~ ${what.join(' ')} ${from}: ${steps.join(', ')}`;
}

/** An entry with what it leaves out, as the book fills it in; one that the book will refuse stays as it is. */
export function whole(book: Book, entry: Row): Row {
  const read = book.entry.safeParse(entry);
  return read.success ? read.data : entry;
}

function identity(book: Book, row: Row): string {
  return JSON.stringify(book.key.map((name) => text(name, row[name])));
}

const provenance = new Set(['valid_from', 'price_list']);

/** Whether a row says everything that an entry does, beginning at or before it. */
function says(row: Row, entry: Row): boolean {
  const stated = Object.entries(entry).every(
    ([name, value]) => provenance.has(name) || text(name, row[name]) === text(name, value),
  );
  // A row that ends says less than an entry that does not.
  return stated && text('valid_to', row['valid_to']) === text('valid_to', entry['valid_to']);
}

function instantOf(value: unknown): number {
  return new Date(String(value)).getTime();
}

/** A value as it is compared and shown: 2.50 is 2.5, an instant is one instant in any zone. */
function text(name: string, value: unknown): string {
  if (value === null || value === undefined || value === '') return '';
  // What is no instant is the book's to refuse.
  if (name.startsWith('valid_') && !Number.isNaN(instantOf(value))) return new Date(instantOf(value)).toISOString();
  if (typeof value === 'object') return JSON.stringify(sorted(value));
  const plain = typeof value === 'string' ? value : JSON.stringify(value);
  return /^\d+\.\d+$/.test(plain) ? plain.replace(/\.?0+$/, '') : plain;
}

/** Maps have no order. */
function sorted(value: object): object {
  if (Array.isArray(value)) return value.map((item) => text('', item));
  const pairs = Object.entries(value).map(([name, item]): [string, string] => [name, text('', item)]);
  return Object.fromEntries(pairs.sort(([a], [b]) => (a < b ? -1 : 1)));
}
