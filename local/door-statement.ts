import { tokens, type Token } from './door-lexer.ts';

/** A statement as the engine takes it. Which statements are allowed is decided in the engine, from `judged`. */
export type Statement =
  | {
      readonly kind: 'insert';
      /** What the engine's parser judges: the statement without its data, or all of it where no data can be told apart. */
      readonly judged: string;
      readonly prefix: string;
      readonly data: Uint8Array<ArrayBuffer>;
    }
  | {
      readonly kind: 'other';
      /** The first word, in upper case. */
      readonly verb: string;
      readonly judged: string;
      /** The FORMAT clause, if it has one. */
      readonly format: string | undefined;
      /** Totals and extremes come after the rows and can only be formatted with them. */
      readonly hasTotals: boolean;
    };

/** A request that is none, in words for its sender. */
export class StatementError extends Error {
  override name = 'StatementError';
}

/** Far more than any statement is long before its data; the rest of a body is not searched for its FORMAT. */
const headBytes = 65_536;
const reading = new Set(['SELECT', 'WITH', 'SHOW', 'EXPLAIN', 'DESCRIBE', 'DESC', 'EXISTS', 'VALUES', 'CHECK', 'FROM']);

/** Whether the statement only reads, as far as its first word tells: this divides the lane, nothing else. */
export function isReading(statement: Statement): boolean {
  return statement.kind === 'other' && reading.has(statement.verb);
}

/** The statement in a request: `query` of the URL, a line break, and the body, as ClickHouse joins them. */
export function readStatement(query: string, body: Uint8Array<ArrayBuffer>): Statement {
  // Latin-1 keeps one character per byte, so that places in the text are places in the body, whatever the data is.
  const head = query === '' ? latin1(body.subarray(0, headBytes)) : query;
  const found = scan(head);
  if (found.file)
    throw new StatementError('Files of the server cannot be read or written through HTTP (INFILE, OUTFILE)');
  if (found.verb !== 'INSERT') return readOther(query, body);
  if (found.dataAt === undefined) {
    const whole = join(query, body);
    return { kind: 'insert', judged: latin1(whole), prefix: '', data: whole };
  }
  if (query !== '') return { kind: 'insert', judged: query.slice(0, found.dataAt), prefix: query, data: body };
  return { kind: 'insert', judged: strict(body.subarray(0, found.dataAt)), prefix: '', data: body };
}

type Scan = { verb: string; dataAt: number | undefined; file: boolean };

/** The first word, and for an INSERT that takes data after `FORMAT name` the place where the data may begin. */
function scan(head: string): Scan {
  let verb = '';
  let before: Token | undefined;
  let couldTakeData = true;
  for (const token of tokens(head)) {
    const word = token.kind === 'word' ? token.text.toUpperCase() : '';
    if (verb === '') {
      verb = word;
      if (word === '' && token.text !== '(') return { verb, dataAt: undefined, file: false };
    }
    const previous = before?.kind === 'word' ? before.text.toUpperCase() : '';
    if ((previous === 'INTO' && word === 'OUTFILE') || (previous === 'FROM' && word === 'INFILE')) {
      return { verb, dataAt: undefined, file: true };
    }
    if (verb === 'INSERT') {
      if (word === 'SELECT' || word === 'WITH' || word === 'VALUES') couldTakeData = false;
      if (!couldTakeData && word === 'VALUES') return { verb, dataAt: undefined, file: false };
      if (couldTakeData && previous === 'FORMAT' && token.depth === 0 && token.kind === 'word') {
        return { verb, dataAt: token.end, file: false };
      }
    }
    before = token;
  }
  return { verb, dataAt: undefined, file: false };
}

function readOther(query: string, body: Uint8Array<ArrayBuffer>): Statement {
  const sql = strict(join(query, body));
  let verb = '';
  let format: string | undefined;
  let awaitsFormat = false;
  let inSettings = false;
  let hasTotals = false;
  for (const token of tokens(sql)) {
    const word = token.kind === 'word' ? token.text.toUpperCase() : '';
    if (verb === '') verb = word;
    if (word === 'TOTALS' || word === 'EXTREMES') hasTotals = true;
    if (awaitsFormat && (token.kind === 'word' || token.kind === 'quoted')) {
      format = token.text;
      inSettings = false;
    } else if (format !== undefined && !inSettings && token.text !== ';') {
      // A FORMAT clause is followed by SETTINGS or the end; anything else shows that it was a name in the query.
      if (word === 'SETTINGS') inSettings = true;
      else format = undefined;
    }
    awaitsFormat = word === 'FORMAT' && token.depth === 0;
  }
  return { kind: 'other', verb, judged: sql, format, hasTotals };
}

function join(query: string, body: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (query === '') return body;
  const front = new TextEncoder().encode(body.length === 0 ? query : `${query}\n`);
  const whole = new Uint8Array(front.length + body.length);
  whole.set(front);
  whole.set(body, front.length);
  return whole;
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

/** The engine takes text, so bytes that are none are refused instead of changed. */
function strict(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new StatementError('The query is not valid UTF-8');
  }
}
