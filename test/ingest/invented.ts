import { decodeMessage } from '../../ingest/decode.ts';
import type { Format } from '../../ingest/format.ts';
import type { Message } from '../../ingest/message.ts';

/** A count that a decoder gives and no numbers of the record lead to. */
export type Invented = { readonly field: string; readonly value: number };

/**
 * The counts of tokens of a message that are invented: each must be in its record, or be one of its counts less up to
 * three others and plus up to one, which is all the arithmetic that taking parts out of wholes needs.
 */
export function inventedTokens(
  message: Message,
  declared: readonly Format[] = [],
): { counted: number; invented: Invented[] } {
  const records = recordsIn(Buffer.from(message.body).toString('utf8'));
  const invented: Invented[] = [];
  let counted = 0;
  const decoded = decodeMessage(message, declared);
  // A line may have several spans, or none: then nobody knows which is whose.
  const isOneEach = decoded.length === records.length;
  for (const [index, { event }] of decoded.entries()) {
    if (event.kind === 'dropped' || event.kind === 'rejected') continue;
    const given = Object.entries(event.fields).filter(
      (field): field is [string, number] => field[0].endsWith('_tokens') && typeof field[1] === 'number',
    );
    if (given.length === 0) continue;
    const numbers = [...new Set(tokenNumbers(isOneEach ? records[index] : records))];
    const stated = new Set(numbers);
    let possible: Set<number> | null = null;
    for (const [field, value] of given) {
      counted += 1;
      if (stated.has(value)) continue;
      possible ??= differences(numbers);
      const less = possible;
      if (value < 0 || (!less.has(value) && !numbers.some((number) => less.has(value - number))))
        invented.push({ field, value });
    }
  }
  return { counted, invented };
}

/** Every number, and every one less up to three others. */
function differences(numbers: readonly number[]): Set<number> {
  let found = new Set(numbers);
  for (let parts = 0; parts < 3; parts += 1) {
    const less = [...found].flatMap((number) => numbers.map((part) => number - part));
    found = new Set([...found, ...less]);
  }
  return found;
}

/** The numbers of a record that are under a name about tokens, also in texts, JSON texts and server-sent events. */
function tokenNumbers(json: unknown, named = false): number[] {
  if (typeof json === 'number') return named ? [json] : [];
  if (typeof json === 'string') {
    const parsed = parse(json) ?? parse(bodyOf(json));
    if (parsed !== undefined && typeof parsed !== 'string') return tokenNumbers(parsed, named);
    const events = json.split('\n').map((line) => parse(line.replace(/^\s*data:/, '')));
    return [
      ...events.flatMap((event) => tokenNumbers(typeof event === 'object' ? event : null)),
      ...digits(json, named),
    ];
  }
  if (typeof json !== 'object' || json === null) return [];
  // OpenTelemetry has the name beside the value, and types inside of it.
  const [key, value] = [member(json, 'key'), member(json, 'value')];
  if (typeof key === 'string' && value !== undefined) return tokenNumbers(value, /token/i.test(key));
  return Object.entries(json).flatMap(([name, value]) =>
    tokenNumbers(
      value,
      named && (Array.isArray(json) || /^(int|double|string)Value$/i.test(name))
        ? named
        : /token|ratelimit/i.test(name),
    ),
  );
}

/** What stands after the head of an HTTP message, or in base64. */
function bodyOf(text: string): string {
  const [, ...rest] = text.split(/\r?\n\r?\n/);
  return rest.length > 0 ? rest.join('\n\n') : Buffer.from(text, 'base64').toString('utf8');
}

function digits(text: string, named: boolean): number[] {
  return named && text.trim() !== '' ? [Number(text)] : [];
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** The records of a message: one per line, whole, or listed. */
function recordsIn(text: string): unknown[] {
  const whole = parse(text);
  if (whole !== undefined) return recordsOf(whole);
  // A message of HTTP is one record, whatever its lines are.
  if (/^\uFEFF?\s*(request|response):/i.test(text)) return [text];
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .flatMap((line) => recordsOf(parse(line) ?? line));
}

function recordsOf(body: unknown): unknown[] {
  if (Array.isArray(body)) return body.flatMap((one) => listed(one) ?? [one]);
  const rows = tablesOf(body).flatMap(rowsOf);
  return listed(body) ?? (rows.length > 0 ? rows : [body]);
}

function member(body: unknown, name: string): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return undefined;
  return Object.entries(body).find(([key, value]) => key.toLowerCase() === name && value !== null)?.[1];
}

function listed(body: unknown): unknown[] | null {
  const records = member(body, 'records');
  return Array.isArray(records) ? records : null;
}

/** The answer of a Log Analytics query: rows whose names stand aside. */
function tablesOf(body: unknown): unknown[] {
  const tables = member(member(body, 'result') ?? body, 'tables');
  return Array.isArray(tables) ? tables : [];
}

function rowsOf(table: unknown): unknown[] {
  const [columns, rows] = [member(table, 'columndescriptors') ?? member(table, 'columns'), member(table, 'rows')];
  if (!Array.isArray(columns) || !Array.isArray(rows)) return [];
  const names = columns.map((column) => String(member(column, 'name')));
  return rows.map((row: unknown) =>
    Array.isArray(row) ? Object.fromEntries(names.map((name, index) => [name, row[index] as unknown])) : row,
  );
}
