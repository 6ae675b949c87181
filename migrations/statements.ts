// One alternative per thing that may hide a semicolon, then the semicolon itself.
const tokens = /'(?:[^'\\]|\\[^]|'')*'|`(?:[^`\\]|\\[^])*`|"(?:[^"\\]|\\[^])*"|--[^\n]*|\/\*[^]*?\*\/|;/g;

/**
 * Splits a migration into its statements at the semicolons that are not inside a string, a quoted name or a comment.
 * Comments stay in the text: ClickHouse keeps the reasons of a view with it nowhere else.
 */
export function statements(sql: string): string[] {
  const found: string[] = [];
  let start = 0;
  for (const token of sql.matchAll(tokens)) {
    if (token[0] !== ';') continue;
    found.push(sql.slice(start, token.index).trim());
    start = token.index + 1;
  }
  found.push(sql.slice(start).trim());
  return found.filter(
    (text) => text.replaceAll(tokens, (token) => (/^(--|\/\*)/.test(token) ? '' : token)).trim() !== '',
  );
}
