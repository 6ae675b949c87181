import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { statements } from '../../migrations/statements.ts';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000_000);
console.log(`statements.test.ts runs with SEED=${seed}`);

test('a semicolon ends a statement, and what is empty is none', () => {
  expect(statements('SELECT 1; SELECT 2;')).toEqual(['SELECT 1', 'SELECT 2']);
  expect(statements('SELECT 1')).toEqual(['SELECT 1']);
  expect(statements('')).toEqual([]);
  expect(statements(' ;\n;; ')).toEqual([]);
});

test.each([
  ['a string', "SELECT ';'"],
  ['a string with an escaped quote', String.raw`SELECT 'it\'s; here'`],
  ['a string with a doubled quote', "SELECT 'it''s; here'"],
  ['a string that ends in a backslash', String.raw`SELECT 'a\\'`],
  ['a string with the start of a comment', "SELECT '--;', '/*;'"],
  ['a quoted name', 'SELECT 1 AS `a;b`, 2 AS "c;d"'],
  ['a quoted name with an apostrophe', "SELECT 1 AS `it's`, ';' AS \"x'y\""],
  ['a quoted name with an escaped quote', 'SELECT 1 AS `a\\`;b`, 2 AS "c\\";d"'],
  ['a comment to the end of its line', "SELECT 1 -- it's; not the end\n, 2"],
  ['a comment of its own', 'SELECT 1 /* `;\n"; */, 2'],
])('a semicolon inside %s does not end a statement', (_, statement) => {
  expect(statements(`${statement};${statement};\n`)).toEqual([statement, statement]);
});

test('a comment stays with the statement that it explains, and alone is no statement', () => {
  expect(statements('-- Why; because.\nSELECT 1;')).toEqual(['-- Why; because.\nSELECT 1']);
  expect(statements('SELECT 1; -- the end; really\n')).toEqual(['SELECT 1']);
  expect(statements('SELECT 1; /* the end; */ -- really\n')).toEqual(['SELECT 1']);
});

/** Any text between quotes, with what would end it escaped. */
function quoted(quote: string): fc.Arbitrary<string> {
  return fc
    .string({ unit: fc.constantFrom(';', '-', '*', '/', "'", '"', '`', '\\', '\n', 'a') })
    .map((text) => quote + text.replaceAll(/[\\'"`]/g, String.raw`\$&`) + quote);
}

test('statements joined by semicolons come apart as they were, whatever is quoted in them', () => {
  const piece = fc.oneof(quoted("'"), quoted('`'), quoted('"'), fc.constantFrom('-- ;\n', '/* ; */', ' x ', ','));
  const statement = fc.array(piece, { minLength: 1 }).map((pieces) => `SELECT ${pieces.join(' ')} y`);
  fc.assert(
    fc.property(fc.array(statement, { minLength: 1 }), (list) => {
      expect(statements(list.join(';\n'))).toEqual(list);
    }),
    { seed, numRuns: 2_000 },
  );
});

test('every statement of every migration begins with what it does, after its comment', () => {
  const folder = new URL('../../migrations/', import.meta.url);
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.sql'));
  expect(files.length).toBeGreaterThan(20);
  for (const file of files) {
    for (const statement of statements(readFileSync(new URL(file, folder), 'utf8')))
      expect(statement.replaceAll(/^--[^\n]*\n/gm, ''), file).toMatch(/^(CREATE|ALTER|INSERT|DROP|RENAME) /);
  }
});
