import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { ConfigurationError, messageOf } from '#common/environment.ts';
import { entriesMax } from './append.ts';
import { type Book, books } from './book.ts';
import { changesOf, lineOf, whole } from './book_changes.ts';
import { entryOf, fromCsv, toCsv } from './book_csv.ts';
import type { Target } from './book_target.ts';
import { deploymentTypes } from './meter.ts';
import { importedFrom, priceFormats } from './price_import.ts';

const usage = `usage: npm run books -- list [BOOK] [--history]
       npm run books -- export BOOK [--history] [--output FILE.csv]
       npm run books -- add BOOK FILE.csv --reason TEXT [--dry-run]
       npm run books -- add BOOK --COLUMN VALUE … --valid-from 2026-01-01T00:00:00Z --reason TEXT [--dry-run]
       npm run books -- import prices --from ${priceFormats.join('|')} FILE|URL… --reason TEXT [--valid-from INSTANT]
                [--list NAME] [--deployment ${deploymentTypes.join('|')}] [--leave-out-faulty] [--forced-because TEXT] [--dry-run]
books: ${books.map((book) => book.name).join(', ')}
Columns are those of an export, with - for _; lists and maps are JSON.
--url URL --key KEY go through a running API; else CLICKHOUSE_URL names the database and --author who writes.`;

const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;
const options = {
  history: flag,
  output: text,
  reason: text,
  'forced-because': text,
  'dry-run': flag,
  from: text,
  'leave-out-faulty': flag,
  list: text,
  deployment: text,
  url: text,
  key: text,
  author: text,
} as const;

/** The columns of all books as options. */
const columnOptions = Object.fromEntries(
  books.flatMap((book) => Object.keys(book.table.columns)).map((name) => [flagOf(name), text]),
);

function flagOf(column: string): string {
  return column.replaceAll('_', '-');
}

export type BookCommand = ReturnType<typeof parseBookCommand>;

/** The words and options of `books …`; throws what is wrong with them, with the usage. */
export function parseBookCommand(args: readonly string[]) {
  try {
    const config = { args: [...args], options: { ...columnOptions, ...options }, allowPositionals: true } as const;
    const { values, positionals } = parseArgs(config);
    if ((values.url === undefined) !== (values.key === undefined)) throw new Error('--url and --key belong together');
    const own = new Set(Object.keys(options));
    const columns = Object.entries(values as Record<string, string>).filter(([name]) => !own.has(name));
    return { ...values, words: positionals, columns: new Map(columns) };
  } catch (error) {
    throw wrong(messageOf(error));
  }
}

function wrong(what: string): ConfigurationError {
  return new ConfigurationError(`${what}\n${usage}`);
}

/** Does what the command says; lines for people go to `say`, rows without --output to `print`. */
export async function runBookCommand(
  command: BookCommand,
  target: Target,
  say: (line: string) => void,
  print: (text: string) => void,
): Promise<void> {
  const [verb, name, ...rest] = command.words;
  if (verb === 'list' && name === undefined) return listBooks(target, print);
  const book = books.find((known) => known.name === name);
  if (verb !== 'list' && verb !== 'export' && verb !== 'add' && verb !== 'import') {
    throw wrong(`there is no command books ${verb ?? ''}`);
  }
  if (book === undefined) throw wrong(`there is no book ${name ?? ''}`);
  if (verb === 'list') return listBook(command, target, book, print);
  if (verb === 'export') return exportBook(command, target, book, print);
  if (verb === 'import' && book.name !== 'prices') throw wrong('only prices are imported; add takes a CSV of any book');
  const entries = verb === 'add' ? await given(command, book, rest) : await imported(command, rest, say);
  return appendAll(command, target, book, entries, say);
}

async function listBooks(target: Target, print: (text: string) => void): Promise<void> {
  for (const book of books) {
    const rows = await target.read(book, false);
    print(`${book.name.padEnd(16)}${String(rows.length).padStart(6)}  ${book.summary}\n`);
  }
}

/** A line for each row, as a dry run writes what it would add. */
async function listBook(
  command: BookCommand,
  target: Target,
  book: Book,
  print: (text: string) => void,
): Promise<void> {
  for (const row of await target.read(book, command.history === true)) {
    const { author, reason, known_from, ...entry } = row;
    const since = command.history === true ? ` at ${String(known_from)}` : '';
    print(`${lineOf(book, { entry, before: undefined })} (${String(author)}: ${String(reason)}${since})\n`);
  }
}

async function exportBook(
  command: BookCommand,
  target: Target,
  book: Book,
  print: (text: string) => void,
): Promise<void> {
  const csv = toCsv(Object.keys(book.view.columns), await target.read(book, command.history === true));
  if (command.output === undefined) print(csv);
  else await writeFile(command.output, csv);
}

type Entries = readonly Readonly<Record<string, unknown>>[];

/** The rows of a CSV, or the one row that options state. */
async function given(command: BookCommand, book: Book, files: readonly string[]): Promise<Entries> {
  const [file] = files;
  if (file !== undefined) return rowsOf(file, book);
  const columns = new Map(Object.keys(book.table.columns).map((name) => [flagOf(name), name]));
  const foreign = [...command.columns.keys()].find((option) => !columns.has(option));
  if (foreign !== undefined) throw wrong(`${book.name} has no --${foreign}`);
  if (command.columns.size === 0) throw wrong('say what to add: a CSV file, or the columns of one row');
  const texts = [...command.columns].map(([option, value]) => [columns.get(option) ?? option, value]);
  return [entryOf(Object.fromEntries(texts), book.table.columns)];
}

async function rowsOf(file: string, book: Book): Promise<Entries> {
  try {
    return fromCsv(await readFile(file, 'utf8'), book.table.columns);
  } catch (error) {
    throw new ConfigurationError(`${file} cannot be read as CSV: ${messageOf(error)}`);
  }
}

async function imported(
  command: BookCommand,
  places: readonly string[],
  say: (line: string) => void,
): Promise<Entries> {
  const format = priceFormats.find((known) => known === command.from);
  const deployment = deploymentTypes.find((type) => type === (command.deployment ?? 'global'));
  const validFrom = command.columns.get('valid-from');
  if (format === undefined) throw wrong(`--from must be one of ${priceFormats.join(', ')}`);
  if (deployment === undefined) throw wrong(`--deployment must be one of ${deploymentTypes.join(', ')}`);
  if (places.length === 0) throw wrong('the file or address is missing');
  if (validFrom === undefined && (format === 'litellm' || format === 'models.dev')) {
    throw wrong(`--valid-from is missing: ${format} has no dates, say from when its prices apply`);
  }
  const own = { list: command.list ?? format, validFrom: validFrom ?? '' };
  const found = await importedFrom(places, { ...own, format, deployment });
  for (const [why, count] of found.skipped) say(`left out ${count}: ${why}`);
  for (const fault of found.faults) say(`not understood: ${fault}`);
  if (found.faults.length > 0 && command['leave-out-faulty'] !== true) {
    throw new ConfigurationError(
      `nothing was written: ${found.faults.length} rows have a unit or a number that is not understood; mend them, or leave them out with --leave-out-faulty`,
    );
  }
  return found.entries;
}

/** Appends what the book does not say already, in requests of as many entries as fit. */
async function appendAll(
  command: BookCommand,
  target: Target,
  book: Book,
  entries: Entries,
  say: (line: string) => void,
): Promise<void> {
  const { reason, 'forced-because': forced, 'dry-run': dry = false } = command;
  if (reason === undefined) throw wrong('--reason is missing: say why, for whoever audits the book');
  const wanted = entries.map((entry) => whole(book, entry));
  const changes = changesOf(book, await target.read(book, false), wanted);
  say(`${book.name}: ${entries.length} read, ${entries.length - changes.length} known already`);
  if (dry) for (const change of changes) say(lineOf(book, change));
  let rows = 0;
  for (let at = 0; at < changes.length; at += entriesMax) {
    const sent = changes.slice(at, at + entriesMax).map((change) => change.entry);
    const why = { reason, ...(forced === undefined ? {} : { forced_because: forced }) };
    const outcome = await target.append(book, { ...why, dry_run: dry, entries: sent });
    if (outcome.kind === 'faulty') {
      for (const fault of outcome.faults) say(`${placeOf(fault.parameter, book, sent)}: ${fault.detail}`);
      throw new ConfigurationError(
        `${outcome.faults.length} faults; ${rows} rows were written before, and none of these ${sent.length}`,
      );
    }
    rows += outcome.rows;
  }
  say(dry ? `${changes.length} would be written; this was a dry run` : `${rows} written`);
}

/** `entries.7.amount` as the row that a person knows. */
function placeOf(parameter: string, book: Book, sent: Entries): string {
  const [, index = '', field = ''] = /^entries\.(\d+)\.?(.*)$/.exec(parameter) ?? [];
  const entry = sent[Number(index)];
  if (index === '' || entry === undefined) return parameter;
  const what = book.key.map((name) => entry[name]).filter((value) => typeof value === 'string' && value !== '');
  return `${[...what, field].filter((part) => part !== '').join(' ')} (row ${Number(index) + 1} of those that change)`;
}
