import fc from 'fast-check';
import { expect, test } from 'vitest';
import { headerLength, streamsRows } from '../../local/door-header.ts';
import { tokens } from '../../local/door-lexer.ts';
import { toProtocol } from '../../local/door-native.ts';
import { isReading, readStatement } from '../../local/door-statement.ts';

const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
const text = (data: Uint8Array): string => new TextDecoder().decode(data);
const varint = (value: number): number[] =>
  value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
const name = (word: string): number[] => [...varint(word.length), ...bytes(word)];

/** The tokens of a text in short. */
function seen(sql: string): string {
  return [...tokens(sql)].map((token) => `${token.kind}:${token.text}`).join(' ');
}

test('the lexer sees through quotes, comments, heredocs and brackets', () => {
  expect(seen("a -- b\n'c;''d\\'' /* e */ `f``g` \"h\"")).toBe("word:a text:c;''d\\' quoted:f``g quoted:h");
  expect(seen('$x$ ; $y$ $x$ b')).toBe('text: word:b');
  expect(seen('$ #! a\nb')).toBe('sign:$ word:b');
  expect([...tokens('a(b[c]{d})e')].filter((token) => token.kind === 'word').map((token) => token.depth)).toEqual([
    0, 1, 2, 2, 0,
  ]);
  expect(seen("'open")).toBe('text:ope');
});

test('the lexer ends on every text and its tokens come in order', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'\'"`\\$ab1;-/*#( )\n'.split('')) }), (sql) => {
      let last = 0;
      for (const token of tokens(sql)) {
        expect(token.start).toBeGreaterThanOrEqual(last);
        expect(token.end).toBeGreaterThan(token.start);
        last = token.end;
      }
      expect(last).toBeLessThanOrEqual(sql.length);
    }),
    { numRuns: 2_000 },
  );
});

test.each([
  ['INSERT INTO t FORMAT CSV', '1\n', 'INSERT INTO t ', '', 'CSV', '1\n'],
  ['', 'INSERT INTO t (a) SETTINGS x = 1 FORMAT CSV\n1\n', 'INSERT INTO t (a) ', 'SETTINGS x = 1 ', 'CSV', '1\n'],
  ['', 'insert into format format CSV \t1', 'insert into format ', '', 'CSV', '1'],
  [
    '',
    'INSERT INTO settings.values (format) FORMAT CSV\r\n\n1',
    'INSERT INTO settings.values (format) ',
    '',
    'CSV',
    '\n1',
  ],
  ['INSERT INTO t FORMAT JSONEachRow {"a":1}', '{"a":2}', 'INSERT INTO t ', '', 'JSONEachRow', '{"a":1}\n{"a":2}'],
  [
    '',
    '/* FORMAT x */ INSERT INTO t -- FORMAT y\nFORMAT Native\n',
    '/* FORMAT x */ INSERT INTO t -- FORMAT y\n',
    '',
    'Native',
    '',
  ],
])('data is cut off an INSERT where ClickHouse begins it: %j %j', (query, body, target, settings, format, data) => {
  const statement = readStatement(query, bytes(body));
  if (statement.kind !== 'load') throw new Error('no load');
  expect([statement.target, statement.settings, statement.format, text(statement.data)]).toEqual([
    target,
    settings,
    format,
    data,
  ]);
});

test.each([
  ['SELECT 1 FORMAT JSON', 'JSON', true],
  ["SELECT 1 FORMAT JSON SETTINGS a = 1, b = 'c'", 'JSON', true],
  ['SELECT 1 SETTINGS a = 1 FORMAT `JSON`;', 'JSON', true],
  ["SELECT format('{}', 1), 'FORMAT x' AS format", undefined, true],
  ['SELECT * FROM (SELECT 1 FORMAT x) ', undefined, true],
  ['(SELECT 1)', undefined, true],
  ['WITH 1 AS a SELECT a -- FORMAT x', undefined, true],
  ['INSERT INTO t SELECT 1', undefined, false],
  ['INSERT INTO t VALUES (1)', undefined, false],
  ['CREATE TABLE t (format String) ENGINE = Memory', undefined, false],
])('the format and the side of a statement are seen: %s', (sql, format, reads) => {
  const statement = readStatement(sql, bytes(''));
  expect([statement.kind === 'text' ? statement.format : 'load', isReading(statement)]).toEqual([format, reads]);
});

test('only formats whose chunks may be joined are streamed', () => {
  for (const format of ['JSONEachRow', 'CSV', 'CSVWithNames', 'Native', 'RowBinaryWithNamesAndTypes', 'tsv']) {
    expect([format, streamsRows(format)]).toEqual([format, true]);
  }
  for (const format of [
    'JSON',
    'JSONCompact',
    'Parquet',
    'Arrow',
    'ArrowStream',
    'Avro',
    'ORC',
    'XML',
    'Pretty',
    'Values',
    'Nonsense',
  ]) {
    expect([format, streamsRows(format)]).toEqual([format, false]);
  }
});

test('a repeated header is measured exactly, with line breaks and quotes in names', () => {
  expect(headerLength('CSVWithNames', bytes('"a\n""b"\n1\n'))).toBe(8);
  expect(headerLength('TSVWithNamesAndTypes', bytes('a\nUInt8\n1\n'))).toBe(8);
  expect(headerLength('CSV', bytes('1\n'))).toBe(0);
  const long = 'x'.repeat(300);
  const binary = Uint8Array.from([1, ...name(long), ...name('UInt8'), 7]);
  expect(headerLength('RowBinaryWithNames', binary)).toBe(binary.length - 7);
  expect(headerLength('RowBinaryWithNamesAndTypes', binary)).toBe(binary.length - 1);
});

test('Native for a client with a protocol version has its block info and its flags, and the values as they were', () => {
  const columns: Array<[type: string, values: number[]]> = [
    ['UInt16', [1, 0, 2, 0]],
    ['String', [...name('a'), ...name('y'.repeat(200))]],
    ['Nullable(FixedString(2))', [0, 1, 65, 66, 0, 0]],
    [
      'Array(Tuple(`x, (` UInt8, s String))',
      [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 5, 6, ...name('p'), ...name('')],
    ],
    ['Map(String, Decimal(9, 2))', [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, ...name('k'), 1, 2, 3, 4]],
    ["Enum8('a,)' = 1)", [1, 1]],
    [
      'LowCardinality(Nullable(String))',
      [1, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 90, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0],
    ],
    ["DateTime64(3, 'UTC')", Array.from({ length: 16 }, () => 9)],
  ];
  const block = (flags: number[], info: number[]): number[] => [
    ...info,
    columns.length,
    2,
    ...columns.flatMap(([type, values]) => [name('c'), name(type), flags, values].flat()),
  ];
  const info = [1, 0, 2, 255, 255, 255, 255, 0];
  const plain = Uint8Array.from([...block([], []), ...block([], [])]);
  expect([...toProtocol(plain, 0)]).toEqual([...plain]);
  expect([...toProtocol(plain, 1)]).toEqual([...block([], info), ...block([], info)]);
  expect([...toProtocol(plain, 54_460)]).toEqual([...block([0], info), ...block([0], info)]);
  expect(() => toProtocol(Uint8Array.from([1, 1, ...name('c'), ...name('JSON'), 0]), 1)).toThrow(/NOT_IMPLEMENTED/);
});
