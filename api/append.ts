import { z } from '@hono/zod-openapi';
import type { Database } from '#clickhouse/client.ts';
import { priceBook } from '#clickhouse/books.ts';
import type { invoiceLines } from '#clickhouse/invoices.ts';
import { prices } from '#clickhouse/money.ts';
import type { Book, BookTable } from './book.ts';
import { everything } from './window.ts';

/** What the API writes: rows of the books and of invoices, one JSON array per line; with a token only once. */
export type Writer = {
  readonly append: (table: BookTable | typeof invoiceLines, lines: string, token?: string) => Promise<void>;
};

/** A database as a writer of the books, and of nothing else. */
export function writer(db: Database): Writer {
  return { append: async (table, lines, token) => db.insert(table, lines, token) };
}

/** Entries of one submission. */
export const entriesMax = 5_000;

/** What is sent to a book; `entries` are read one by one, so that each fault can name its entry. */
export const submission = z.strictObject({
  reason: z
    .string({ error: 'is missing: say why, for whoever audits the book' })
    .min(1, 'is empty: say why')
    .max(1_000),
  forced_because: z
    .string()
    .min(1)
    .max(1_000)
    .optional()
    .describe('Writes prices in spite of a warning about their size; kept with the reason'),
  dry_run: z.boolean().optional().describe('Checks everything and writes nothing'),
  entries: z
    .array(z.unknown())
    .min(1, 'has no entry')
    .max(entriesMax, `has more than ${entriesMax} entries; send several`),
});

type Fault = { readonly parameter: string; readonly detail: string };
export type Appended =
  | { readonly kind: 'appended'; readonly rows: number }
  | { readonly kind: 'faulty'; readonly faults: readonly Fault[] };

type Entry = Readonly<Record<string, unknown>>;

/** Appends what is valid as a whole or refuses it as a whole, with every fault. */
export async function append(
  db: { readonly read: Database['read'] },
  write: Writer,
  book: Book,
  sent: z.output<typeof submission>,
  author: string,
): Promise<Appended> {
  const read = sent.entries.map((entry) => book.entry.safeParse(entry));
  const faults = read.flatMap((outcome, i) => (outcome.success ? [] : faultsOf(outcome.error, i)));
  const entries = read.flatMap((outcome) => (outcome.success ? [outcome.data] : []));
  // By the place in what was sent, where an entry that could not be read leaves a hole.
  const placed = read.map((outcome) => (outcome.success ? outcome.data : undefined));
  faults.push(...reversed(placed), ...repeated(book, placed));
  if (faults.length > 0) return { kind: 'faulty', faults };
  if (book.table.name === prices.name && sent.forced_because === undefined) {
    const state = await db.read(priceBook, { as_known_at: everything, history: 0 });
    const strange = outOfScale(entries, state);
    if (strange.length > 0) return { kind: 'faulty', faults: strange };
  }
  if (sent.dry_run === true) return { kind: 'appended', rows: 0 };
  const reason = sent.forced_because === undefined ? sent.reason : `${sent.reason} (forced: ${sent.forced_because})`;
  const lines = entries.map((entry) => line(book, { ...entry, author, reason }));
  await write.append(book.table, lines.join('\n'));
  return { kind: 'appended', rows: lines.length };
}

function faultsOf(error: z.ZodError, index: number): Fault[] {
  return error.issues.flatMap((issue) => {
    const at = `entries.${index}`;
    const place = [at, ...issue.path.map(String)].join('.');
    if (issue.code !== 'unrecognized_keys') return [{ parameter: place, detail: issue.message }];
    return issue.keys.map((key) => ({ parameter: `${place}.${key}`, detail: 'is not a field here; remove it' }));
  });
}

function line(book: Book, entry: Entry): string {
  return JSON.stringify(Object.keys(book.table.columns).map((name) => entry[name]));
}

/** An end before the start would withdraw what applies now: most often it is a wrong year. */
function reversed(entries: readonly (Entry | undefined)[]): Fault[] {
  const detail = 'lies before valid_from; write the same instant to withdraw the row';
  return entries.flatMap((entry, i) => {
    // Both are instants in the one form of ISO 8601 that has an order as text.
    const { valid_from, valid_to } = entry ?? {};
    const isReversed = typeof valid_to === 'string' && typeof valid_from === 'string' && valid_to < valid_from;
    return isReversed ? [{ parameter: `entries.${i}.valid_to`, detail }] : [];
  });
}

/** Two entries that state the same thing: which of them counts would be chance. */
function repeated(book: Book, entries: readonly (Entry | undefined)[]): Fault[] {
  const seen = new Set<string>();
  return entries.flatMap((entry, i) => {
    if (entry === undefined) return [];
    const key = JSON.stringify([...book.key, 'valid_from'].map((name) => entry[name]));
    if (!seen.has(key)) {
      seen.add(key);
      return [];
    }
    const detail = `repeats an entry before it with the same ${[...book.key, 'valid_from'].join(', ')}; keep one`;
    return [{ parameter: `entries.${i}`, detail }];
  });
}

/** Prices of the same model and kind differ by some tenths between sellers; by this much only when a unit is wrong. */
const factorMax = 100n;

/** Prices that are about a thousand times another source's, or a thousandth: per thousand taken for per million. */
function outOfScale(entries: readonly Entry[], state: readonly Entry[]): Fault[] {
  const others = Map.groupBy(state, comparedBy);
  return entries.flatMap((entry, i) => {
    // What is withdrawn is often withdrawn because of its unit.
    if (entry['valid_to'] === entry['valid_from']) return [];
    const price = perToken(entry);
    const other = (others.get(comparedBy(entry)) ?? []).find((known) => {
      const theirs = perToken(known);
      return price > 0n && theirs > 0n && (price >= theirs * factorMax || theirs >= price * factorMax);
    });
    if (other === undefined) return [];
    const detail = `is ${inWords(price, perToken(other))} what ${String(other['price_list'])} states for ${String(entry['model'])} (${String(other['list_unit_price'])} for ${String(other['pricing_quantity'])}); check the unit, or send forced_because`;
    return [{ parameter: `entries.${i}.list_unit_price`, detail }];
  });
}

function comparedBy(price: Entry): string {
  const names = ['model', 'token_kind', 'service_tier', 'context_over_tokens', 'pricing_currency'];
  return JSON.stringify(names.map((name) => String(price[name])));
}

/** In units of 10^-24. */
function perToken(price: Entry): bigint {
  const [whole = '0', fraction = ''] = String(price['list_unit_price']).split('.');
  return BigInt(whole + fraction.padEnd(24, '0')) / BigInt(String(price['pricing_quantity']));
}

function inWords(price: bigint, other: bigint): string {
  return price > other ? `${price / other} times` : `a ${other / price}th of`;
}
