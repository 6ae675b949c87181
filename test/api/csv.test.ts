import fc from 'fast-check';
import { parse } from 'csv-parse/sync';
import { describe, expect, test } from 'vitest';
import { BrokenStream, type Filter, neutraliser, wholeParquet } from '../../api/csv.ts';

/** A row as the database writes it: text in quotes, numbers bare. */
function line(cells: readonly (string | number)[]): string {
  return `${cells.map((cell) => (typeof cell === 'number' ? String(cell) : `"${cell.replaceAll('"', '""')}"`)).join(',')}\n`;
}

/** The document through a filter, in pieces of these sizes. */
function through(filter: Filter, text: string, sizes: readonly number[]): string {
  const bytes = Buffer.from(text);
  const out: Buffer[] = [];
  for (let at = 0, i = 0; at < bytes.length; i += 1) {
    const size = sizes[i % sizes.length] ?? 1;
    out.push(Buffer.from(filter.push(bytes.subarray(at, at + size))));
    at += size;
  }
  filter.end();
  return Buffer.concat(out).toString();
}

const text = fc.oneof(
  fc.string({ unit: fc.constantFrom('=', '+', '-', '@', '\t', '\r', '\n', '"', ',', "'", 'a', '1', '😀', 'é') }),
  fc.constantFrom('=HYPERLINK("http://x","y")', '@SUM(1+9)*cmd|', "'=1", '"=1"', ''),
);
const cells = fc.array(fc.oneof(text, fc.integer(), fc.double({ noNaN: true })), { minLength: 1, maxLength: 5 });
const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 });

describe('a CSV cell that a spreadsheet would run', () => {
  test('is neutralised, and no other cell changes by a byte, however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(cells, { maxLength: 6 }), sizes, (rows, cut) => {
        const wanted = rows.map((row) =>
          row.map((cell) => (typeof cell === 'string' && /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell)),
        );
        expect(through(neutraliser(), rows.map(line).join(''), cut)).toBe(wanted.map(line).join(''));
      }),
      { numRuns: 500 },
    );
  });

  test('is harmless to a real CSV parser, and negative numbers stay numbers', () => {
    const parsed = parse(through(neutraliser(), line(['=1+1', 'say "=x"', -5, '-5', 'a\n=b']), [2]));
    expect(parsed).toEqual([["'=1+1", 'say "=x"', '-5', "'-5", 'a\n=b']]);
  });
});

describe('a document that the database did not finish', () => {
  test('cut anywhere inside a line it is refused, so it cannot look complete', () => {
    const whole = line(['a "b"', 12, 'c,d\n']);
    for (let length = 1; length < Buffer.byteLength(whole); length += 1) {
      const filter = neutraliser();
      filter.push(Buffer.from(whole).subarray(0, length));
      expect(() => filter.end()).toThrow(BrokenStream);
    }
  });

  test('with an error of the server after its rows it is refused, in the form of every server version', () => {
    const rows = line(['a', 1]) + line(['b', 2]);
    const errors = [
      'Code: 241. DB::Exception: memory limit exceeded. (MEMORY_LIMIT_EXCEEDED) (version 24.8.1)\n',
      '__exception__\r\nabcdefgh\r\nCode: 395. DB::Exception: boom "quoted", text\n36 abcdefgh\r\n__exception__\r\n',
      '\r\n__exception__\r\nabcdefgh\r\nboom\n5 abcdefgh\r\n__exception__\r\n',
    ];
    for (const error of errors) {
      for (const before of [rows, rows + '"c', `${rows}"c"`, `${rows}"c",`]) {
        expect(() => through(neutraliser(), before + error, [7])).toThrow(BrokenStream);
      }
    }
  });

  test('a Parquet file without its end is refused, and a whole one passes unchanged', () => {
    expect(through(wholeParquet(), 'PAR1....PAR1', [5])).toBe('PAR1....PAR1');
    expect(() => through(wholeParquet(), 'PAR1....PAR', [5])).toThrow(BrokenStream);
    expect(() => through(wholeParquet(), '', [5])).toThrow(BrokenStream);
  });
});
