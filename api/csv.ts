/** Bytes in, bytes out; `end` throws when what came is not a whole document. */
export type Filter = { push(chunk: Uint8Array): Uint8Array; end(): void };

/** Raised when the database's bytes are not what they should be: the answer must break, not end. */
export class BrokenStream extends Error {
  override name = 'BrokenStream';
}

const quote = 0x22;
const comma = 0x2c;
const newline = 0x0a;
const apostrophe = 0x27;
/** What makes a spreadsheet run a cell: = + - @ tab CR, as its first character. */
const dangerous = new Set([0x3d, 0x2b, 0x2d, 0x40, 0x09, 0x0d]);
/** Numbers, \N, true, nan: what the database writes without quotes. An error's text always holds something else. */
const bare = new Set(new TextEncoder().encode('0123456789+-.\\abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'));

type State = 'line' | 'cell' | 'opened' | 'inside' | 'quoted' | 'bare';

/**
 * Puts an apostrophe before the text of a cell that a spreadsheet would run. Text is quoted by the database and numbers
 * are not, so -1 stays a number and "-1" becomes text; nothing else changes by a byte. The walk also proves the shape:
 * a server that fails in the middle appends its error to the rows, and that is not CSV.
 */
export function neutraliser(): Filter {
  let state: State = 'line';
  return {
    push(chunk) {
      // At most every second byte can begin a cell.
      const out = new Uint8Array(chunk.length + (chunk.length >> 1) + 1);
      let length = 0;
      for (const byte of chunk) {
        if (state === 'opened' && dangerous.has(byte)) out[length++] = apostrophe;
        state = after(state, byte);
        out[length++] = byte;
      }
      return out.subarray(0, length);
    },
    end() {
      if (state !== 'line') throw new BrokenStream('the rows end in the middle of a line');
    },
  };
}

function after(state: State, byte: number): State {
  switch (state) {
    case 'inside':
      return byte === quote ? 'quoted' : 'inside';
    case 'opened':
      return byte === quote ? 'quoted' : 'inside';
    case 'quoted':
      if (byte === quote) return 'inside';
      break;
    case 'line':
    case 'cell':
      if (byte === quote) return 'opened';
      break;
    case 'bare':
      break;
  }
  if (byte === comma) return 'cell';
  if (byte === newline) return 'line';
  if (state !== 'quoted' && bare.has(byte)) return 'bare';
  throw new BrokenStream('the database ended the rows with an error');
}

const magic = new TextEncoder().encode('PAR1');

/** Passes Parquet through and proves that the file is whole: it ends with its magic bytes. */
export function wholeParquet(): Filter {
  let tail: number[] = [];
  return {
    push(chunk) {
      tail = [...tail, ...chunk.subarray(-4)].slice(-4);
      return chunk;
    },
    end() {
      if (!magic.every((byte, i) => tail[i] === byte)) throw new BrokenStream('the Parquet file is not whole');
    },
  };
}

type Cell = readonly [value: string | readonly string[] | null, isNumber: boolean];

/** One row of CSV as the database writes it: text in quotes, numbers bare, null empty. `neutraliser` is still to pass. */
export function csvRow(cells: readonly Cell[]): string {
  const written = cells.map(([value, isNumber]) => {
    if (value === null) return '';
    const text = typeof value === 'string' ? value : value.join(' ');
    return isNumber ? text : `"${text.replaceAll('"', '""')}"`;
  });
  return `${written.join(',')}\n`;
}
