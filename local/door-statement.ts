import { tokens, type Token } from './door-lexer.ts';

/**
 * A statement as the engine takes it. A `load` is an INSERT whose data was cut off it: the engine must never read
 * data as text of a statement, because there it ends the data at a blank line and runs what follows as SQL.
 */
export type Statement =
  | {
      readonly kind: 'load';
      /** `INSERT INTO … (…)` */
      readonly target: string;
      /** Its SETTINGS clause, or nothing. */
      readonly settings: string;
      readonly format: string;
      readonly data: Uint8Array<ArrayBuffer>;
    }
  | {
      readonly kind: 'text';
      readonly sql: string;
      /** The first word, in upper case. */
      readonly verb: string;
      /** The FORMAT clause, if it has one. */
      readonly format: string | undefined;
      /** Totals and extremes come after the rows and can only be formatted together with them. */
      readonly hasTotals: boolean;
    };

/** A request that holds no statement, in words for its sender. */
export class StatementError extends Error {
  override name = 'StatementError';
}

/** Far more than any statement is long before its data; the rest of a body is not searched for its FORMAT. */
const headBytes = 65_536;
const reading = new Set(['SELECT', 'WITH', 'SHOW', 'EXPLAIN', 'DESCRIBE', 'DESC', 'EXISTS', 'VALUES', 'CHECK', 'FROM']);

/** Whether the statement only reads, as far as its first word tells: this divides the lane, nothing else. */
export function isReading(statement: Statement): boolean {
  return statement.kind === 'text' && (reading.has(statement.verb) || statement.verb === '');
}

/** The statement in a request: `query` of the URL, a line break, and the body, as ClickHouse joins them. */
export function readStatement(query: string, body: Uint8Array<ArrayBuffer>): Statement {
  // Latin-1 keeps one character per byte, so that places in the text are places in the body, whatever the data is.
  const head = query === '' ? latin1(body.subarray(0, headBytes)) : query;
  const parts = insertParts(head);
  if (parts === undefined) return readText(utf8(join(query, body)));
  const piece = (from: number, to: number): string =>
    query === '' ? utf8(body.subarray(from, to)) : query.slice(from, to);
  return {
    kind: 'load',
    target: piece(0, parts.targetEnd),
    settings: piece(parts.targetEnd, parts.settingsEnd),
    format: parts.format,
    data: query === '' ? body.slice(parts.dataStart) : join(query.slice(parts.dataStart), body),
  };
}

type InsertParts = { targetEnd: number; settingsEnd: number; format: string; dataStart: number };

/** Where an INSERT with `FORMAT name` and data has its parts; undefined for all other statements. */
function insertParts(head: string): InsertParts | undefined {
  let before: Token | undefined;
  let settingsStart: number | undefined;
  let formatStart: number | undefined;
  for (const token of tokens(head)) {
    const word = token.kind === 'word' ? token.text.toUpperCase() : '';
    if (before === undefined && word !== 'INSERT') return undefined;
    if (formatStart !== undefined) {
      if (token.kind !== 'word') return undefined;
      const blank = /^[ \t\f]*\r?\n?/.exec(head.slice(token.end))?.[0].length ?? 0;
      const targetEnd = settingsStart ?? formatStart;
      return { targetEnd, settingsEnd: formatStart, format: token.text, dataStart: token.end + blank };
    }
    if (token.depth === 0 && !isNamePosition(before)) {
      if (['SELECT', 'WITH', 'VALUES', 'FROM', 'WATCH', 'EXPLAIN'].includes(word)) return undefined;
      if (word === 'SETTINGS') settingsStart ??= token.start;
      if (word === 'FORMAT') formatStart = token.start;
    }
    before = token;
  }
  return undefined;
}

/** Whether a name of a table must follow, which may look like a keyword. */
function isNamePosition(before: Token | undefined): boolean {
  return before?.text === '.' || (before?.kind === 'word' && /^(INTO|TABLE|FUNCTION)$/i.test(before.text));
}

function readText(sql: string): Statement {
  let verb = '';
  let format: string | undefined;
  let before = '';
  let awaitsFormat = false;
  let inSettings = false;
  let hasTotals = false;
  let isEmpty = true;
  for (const token of tokens(sql)) {
    const word = token.kind === 'word' ? token.text.toUpperCase() : '';
    isEmpty &&= token.text === ';';
    if (verb === '') verb = word;
    if (word === 'TOTALS' || word === 'EXTREMES') hasTotals = true;
    if ((before === 'INTO' && word === 'OUTFILE') || (before === 'FROM' && word === 'INFILE')) throw noFiles();
    // The data of input() would stand in the text of the statement, and the engine passes over it without a word.
    if (verb === 'INSERT' && before === 'INPUT' && token.text === '(') throw new StatementError(noInput);
    if (awaitsFormat && (token.kind === 'word' || token.kind === 'quoted')) {
      format = token.text;
      inSettings = false;
    } else if (format !== undefined && !inSettings && token.text !== ';') {
      // A FORMAT clause is followed by SETTINGS or the end; anything else shows that it was a name in the query.
      if (word === 'SETTINGS') inSettings = true;
      else format = undefined;
    }
    awaitsFormat = word === 'FORMAT' && token.depth === 0;
    before = word;
  }
  if (isEmpty) throw new StatementError('Syntax error: Empty query');
  return { kind: 'text', verb, sql, format, hasTotals };
}

const noInput = 'input() is not there in the embedded engine: insert the rows as they are and select from the table';

function noFiles(): StatementError {
  return new StatementError('Files of the server cannot be read or written through HTTP (INFILE, OUTFILE)');
}

function join(front: string, body: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (front === '') return body;
  const bytes = new TextEncoder().encode(body.length === 0 ? front : `${front}\n`);
  const whole = new Uint8Array(bytes.length + body.length);
  whole.set(bytes);
  whole.set(body, bytes.length);
  return whole;
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

/** The engine takes statements as text, so bytes that are none are refused instead of changed. */
function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new StatementError('The query is not valid UTF-8');
  }
}
