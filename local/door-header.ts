const lineFormats =
  /^(TSV|TabSeparated|TSVRaw|TabSeparatedRaw|Raw|LineAsString|CSV|JSONCompactEachRow|JSONCompactStringsEachRow)With(Names|NamesAndTypes)$/i;
const binaryFormats = /^RowBinaryWith(Names|NamesAndTypes)$/i;
const plainFormats =
  /^(TSV|TabSeparated|TSVRaw|TabSeparatedRaw|Raw|LineAsString|TSKV|CSV|JSONEachRow|JSONL|JSONLines|NDJSON|JSONStringsEachRow|JSONCompactEachRow|JSONCompactStringsEachRow|RowBinary|Native|MsgPack|BSONEachRow|CustomSeparated|Buffers)$/i;

/** Whether an answer in this format may be sent chunk by chunk. All others have an envelope around all rows. */
export function streamsRows(format: string): boolean {
  return plainFormats.test(format) || lineFormats.test(format) || binaryFormats.test(format);
}

/**
 * How many bytes of a chunk are names and types: the engine formats each chunk of a stream as a file of its own, so
 * these come again with each chunk and belong only before the first one.
 */
export function headerLength(format: string, chunk: Uint8Array): number {
  const lines = lineFormats.exec(format);
  if (lines !== null) {
    const quoted = /^CSV/i.test(format);
    const first = lineEnd(chunk, 0, quoted);
    return /Types$/i.test(format) ? lineEnd(chunk, first, quoted) : first;
  }
  return binaryFormats.test(format) ? binaryHeaderLength(chunk, /Types$/i.test(format) ? 2 : 1) : 0;
}

/** Past the line break; in CSV a name may hold one within its quotes. */
function lineEnd(bytes: Uint8Array, from: number, quoted: boolean): number {
  let inQuotes = false;
  for (let at = from; at < bytes.length; at += 1) {
    if (quoted && bytes[at] === 0x22) inQuotes = !inQuotes;
    if (bytes[at] === 0x0a && !inQuotes) return at + 1;
  }
  return bytes.length;
}

/** The number of columns and then that many strings, once for names and once more for types. */
function binaryHeaderLength(bytes: Uint8Array, rounds: number): number {
  let at = 0;
  const readLength = (): number => {
    let value = 0;
    for (let shift = 0; at < bytes.length; shift += 7) {
      const byte = bytes[at] as number;
      at += 1;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    return value;
  };
  const columns = readLength();
  for (let string = 0; string < columns * rounds; string += 1) {
    const length = readLength();
    at += length;
  }
  return at;
}
