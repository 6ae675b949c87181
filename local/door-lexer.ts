/**
 * One token of ClickHouse SQL. `word` is an unquoted identifier, keyword or number; `quoted` an identifier in
 * backquotes or double quotes, without them; `text` any literal in quotes or dollars; `sign` one other character.
 */
export type Token = {
  readonly kind: 'word' | 'quoted' | 'text' | 'sign';
  readonly text: string;
  readonly start: number;
  readonly end: number;
  /** How many brackets of any sort are open around it. */
  readonly depth: number;
};

const space = /\s/;
const wordCharacter = /[\p{L}\p{N}_]/u;
const heredocTag = /\$(?:[A-Za-z_]\w*)?\$/y;

/**
 * The tokens of a statement, lazily, because the data of an INSERT may follow it. It decides what the door shows and
 * where data begins; what a statement may do is judged by the engine's own parser alone.
 */
export function* tokens(sql: string): Generator<Token, void> {
  let at = 0;
  let depth = 0;
  while (at < sql.length) {
    const skipped = skipBlank(sql, at);
    if (skipped !== at) {
      at = skipped;
      continue;
    }
    const character = sql[at] as string;
    const heredoc = character === '$' ? heredocEnd(sql, at) : undefined;
    if (heredoc !== undefined) {
      yield { kind: 'text', text: '', start: at, end: heredoc, depth };
      at = heredoc;
    } else if (character === "'" || character === '"' || character === '`') {
      const end = quoteEnd(sql, at, character);
      yield { kind: character === "'" ? 'text' : 'quoted', text: sql.slice(at + 1, end - 1), start: at, end, depth };
      at = end;
    } else if (wordCharacter.test(character)) {
      let end = at + 1;
      while (end < sql.length && wordCharacter.test(sql[end] as string)) end += 1;
      yield { kind: 'word', text: sql.slice(at, end), start: at, end, depth };
      at = end;
    } else {
      if (')]}'.includes(character)) depth -= 1;
      yield { kind: 'sign', text: character, start: at, end: at + 1, depth };
      at += 1;
      if ('([{'.includes(character)) depth += 1;
    }
  }
}

/** Past the white space or the comment that begins here; the same place if none does. */
function skipBlank(sql: string, at: number): number {
  let end = at;
  while (end < sql.length && space.test(sql[end] as string)) end += 1;
  const two = sql.slice(end, end + 2);
  if (two === '--' || two === '#!' || two === '# ') {
    const line = sql.indexOf('\n', end);
    return line < 0 ? sql.length : line + 1;
  }
  if (two === '/*') {
    const close = sql.indexOf('*/', end + 2);
    return close < 0 ? sql.length : close + 2;
  }
  return end;
}

/** Past the closing quote; backslashes escape, and a doubled quote is one quote. An open end is the end of the text. */
function quoteEnd(sql: string, at: number, quote: string): number {
  let end = at + 1;
  while (end < sql.length) {
    if (sql[end] === '\\') end += 2;
    else if (sql[end] !== quote) end += 1;
    else if (sql[end + 1] === quote) end += 2;
    else return end + 1;
  }
  return sql.length;
}

/** Past `$tag$ … $tag$`, or undefined if no such text begins here. */
function heredocEnd(sql: string, at: number): number | undefined {
  heredocTag.lastIndex = at;
  const tag = heredocTag.exec(sql)?.[0];
  if (tag === undefined) return undefined;
  const close = sql.indexOf(tag, at + tag.length);
  return close < 0 ? undefined : close + tag.length;
}
