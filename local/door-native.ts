/**
 * ClickHouse's Native format for clients that name a protocol version, as Go's driver, and with it Grafana, does: from
 * version 1 on each block begins with a block info, from 54454 on each column tells whether it is serialised in a
 * special way. The engine only writes version 0, so both are put in here; the values themselves are the same bytes.
 */
const customSerialization = 54_454;
/** Field 1, no overflow row; field 2, no bucket (-1 as 32 bits); end. */
const blockInfo = Uint8Array.of(1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0);

/**
 * The blocks of a chunk, which are whole, in the given protocol version. A type whose bytes cannot be counted here, as
 * JSON, is refused.
 */
export function toProtocol(bytes: Uint8Array, version: number): Uint8Array {
  if (version === 0) return bytes;
  const reader = new BlockReader(bytes);
  const pieces: Uint8Array[] = [];
  let from = 0;
  while (reader.at < bytes.length) {
    pieces.push(blockInfo);
    const columns = reader.varint();
    const rows = reader.varint();
    for (let column = 0; column < columns; column += 1) {
      reader.string();
      const type = reader.string();
      if (version >= customSerialization) {
        pieces.push(bytes.subarray(from, reader.at), Uint8Array.of(0));
        from = reader.at;
      }
      reader.skipColumn(type, rows);
    }
    pieces.push(bytes.subarray(from, reader.at));
    from = reader.at;
  }
  return Buffer.concat(pieces);
}

const fixedBytes: Readonly<Record<string, number>> = {
  Bool: 1,
  Int8: 1,
  UInt8: 1,
  Int16: 2,
  UInt16: 2,
  Int32: 4,
  UInt32: 4,
  Int64: 8,
  UInt64: 8,
  Int128: 16,
  UInt128: 16,
  Int256: 32,
  UInt256: 32,
  BFloat16: 2,
  Float32: 4,
  Float64: 8,
  Date: 2,
  Date32: 4,
  Time: 4,
  Time64: 8,
  DateTime: 4,
  DateTime64: 8,
  Enum8: 1,
  Enum16: 2,
  UUID: 16,
  IPv4: 4,
  IPv6: 16,
  Nothing: 1,
  Point: 16,
};
const aliases: Readonly<Record<string, string>> = {
  Ring: 'Array(Point)',
  LineString: 'Array(Point)',
  Polygon: 'Array(Array(Point))',
  MultiLineString: 'Array(Array(Point))',
  MultiPolygon: 'Array(Array(Array(Point)))',
};

class BlockReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#view.getUint8(this.at);
      this.at += 1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  string(): string {
    const length = this.varint();
    this.at += length;
    return Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + this.at - length, length).toString();
  }

  /** Goes past a column: the versions of all its dictionaries, then its values. Without rows it has neither. */
  skipColumn(type: string, rows: number): void {
    if (rows === 0) return;
    this.at += 8 * (type.match(/\bLowCardinality\(/g)?.length ?? 0);
    this.#skip(type, rows);
  }

  #skip(type: string, rows: number): void {
    const alias = aliases[type];
    if (alias !== undefined) return this.#skip(alias, rows);
    const open = type.indexOf('(');
    const name = open < 0 ? type : type.slice(0, open);
    const inner = open < 0 ? '' : type.slice(open + 1, -1);
    const size = fixedBytes[name] ?? (name.startsWith('Interval') ? 8 : undefined);
    if (size !== undefined) {
      this.at += size * rows;
    } else if (name === 'String') {
      for (let row = 0; row < rows; row += 1) {
        const length = this.varint();
        this.at += length;
      }
    } else if (name === 'FixedString') {
      this.at += Number(inner) * rows;
    } else if (name === 'Decimal') {
      this.at += decimalBytes(Number(inner.split(',')[0])) * rows;
    } else {
      this.#skipNested(name, inner, rows);
    }
  }

  #skipNested(name: string, inner: string, rows: number): void {
    switch (name) {
      case 'Nullable':
        this.at += rows;
        this.#skip(inner, rows);
        return;
      case 'Array':
        this.#skip(inner, this.#elements(rows));
        return;
      case 'Map':
      case 'Nested': {
        const elements = this.#elements(rows);
        for (const part of parts(inner)) this.#skip(withoutName(part, name === 'Nested'), elements);
        return;
      }
      case 'Tuple':
        for (const part of parts(inner)) this.#skip(withoutName(part, true), rows);
        return;
      case 'LowCardinality':
        this.#skipDictionary(inner, rows);
        return;
      case 'SimpleAggregateFunction':
        this.#skip(parts(inner)[1] ?? '', rows);
        return;
      default:
        throw new Error(
          `Code: 48. DB::Exception: Native with a protocol version is not implemented for the type ${name}; ` +
            'use toString() or another format. (NOT_IMPLEMENTED)',
        );
    }
  }

  /** The flags, which tell the size of an index; the number of keys and the keys; the number of rows and an index each. */
  #skipDictionary(type: string, rows: number): void {
    if (rows === 0) return;
    const indexBytes = 2 ** this.#view.getUint8(this.at);
    const keys = Number(this.#view.getBigUint64(this.at + 8, true));
    this.at += 16;
    this.#skip(/^Nullable\((.*)\)$/s.exec(type)?.[1] ?? type, keys);
    this.at += 8 + indexBytes * rows;
  }

  /** Arrays begin with the end of each one, and so with the number of all elements at the end. */
  #elements(rows: number): number {
    if (rows === 0) return 0;
    this.at += rows * 8;
    return Number(this.#view.getBigUint64(this.at - 8, true));
  }
}

function decimalBytes(precision: number): number {
  if (precision <= 9) return 4;
  if (precision <= 18) return 8;
  return precision <= 38 ? 16 : 32;
}

/** The parts of a list between its outermost commas; names in quotes may hold commas and brackets. */
function parts(list: string): string[] {
  const found: string[] = [];
  let depth = 0;
  let from = 0;
  for (let at = 0; at < list.length; at += 1) {
    const character = list[at] as string;
    if (character === '`' || character === "'") {
      for (at += 1; at < list.length && list[at] !== character; at += 1) if (list[at] === '\\') at += 1;
    } else if (character === '(') depth += 1;
    else if (character === ')') depth -= 1;
    else if (character === ',' && depth === 0) {
      found.push(list.slice(from, at).trim());
      from = at + 1;
    }
  }
  if (list.trim() !== '') found.push(list.slice(from).trim());
  return found;
}

/** A part of a tuple may have a name before its type. */
function withoutName(part: string, mayHaveName: boolean): string {
  if (!mayHaveName) return part;
  return /^(?:`(?:[^`\\]|\\.)*`|\w+) (.*)$/s.exec(part)?.[1] ?? part;
}
