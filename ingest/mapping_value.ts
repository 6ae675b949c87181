import { instantOf, type EpochUnit } from './instant.ts';
import { valueAt, type Path } from './mapping_path.ts';
import { enumerated, type ColumnType, type ValueSource, type ValueSources } from './mapping_schema.ts';
import { Reader, type Json } from './reader.ts';
import { maskSecrets } from './secret.ts';

/** The value of a column; null or '' where no alternative says anything. What is wrong is the record's problem. */
export function columnValue(record: Reader, column: string, type: ColumnType, sources: ValueSources): Json {
  for (const source of sources) {
    const value = readers[type](record, source);
    if (value === null || value === '') continue;
    const closed = enumerated.get(column);
    if (closed === undefined || (typeof value === 'string' && closed.has(value))) return value;
  }
  return type === 'text' ? '' : null;
}

/** A text of any column or id, without what opens doors. */
export function textValue(record: Reader, sources: ValueSources): string {
  const value = columnValue(record, '', 'text', sources);
  return typeof value === 'string' ? value : '';
}

/** A URL without its query string; a path alone is read as one of an unknown host. */
export function urlValue(record: Reader, sources: ValueSources): string {
  for (const source of sources) {
    const value = translated(record, source);
    const text = typeof value === 'string' ? value.split(/[?#]/, 1)[0] : undefined;
    if (text !== undefined && text !== '') return text.startsWith('/') ? `https://unknown${text}` : text;
  }
  return '';
}

/** A whole number ≥ 0, or null. */
export function countValue(record: Reader, sources: ValueSources | undefined): number | null {
  const value = sources === undefined ? null : columnValue(record, '', 'count', sources);
  return typeof value === 'number' ? value : null;
}

type ReadColumn = (record: Reader, source: ValueSource) => Json;

const readers: Readonly<Record<ColumnType, ReadColumn>> = {
  text: (record, source) => maskSecrets(checked(record, source, (reader, name) => reader.text(name))),
  instant: (record, source) =>
    checked(record, source, (reader, name) => instantOf(reader, name, epochUnits.get(source.unit ?? ''))),
  duration: (record, source) =>
    source.between === undefined ? duration(record, source) : between(record, source.between, source.unit),
  count: (record, source) => checked(record, source, (reader, name) => reader.count(name)),
  status: (record, source) => checked(record, source, (reader, name) => reader.status(name)),
  flag: (record, source) => checked(record, source, (reader, name) => reader.flag(name)),
  share: (record, source) =>
    checked(record, source, (reader, name) => share(reader, name, source.unit === 'percent' ? 100 : 1)),
};

const epochUnits: ReadonlyMap<string, EpochUnit> = new Map([
  ['epoch_s', 's'],
  ['epoch_ms', 'ms'],
  ['epoch_us', 'us'],
  ['epoch_ns', 'ns'],
]);

/** Milliseconds that one of a unit is; the others are parts of a millisecond. */
const perMillisecond: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['us', 1_000],
  ['ns', 1_000_000],
]);

/** Reads a value by the rules of all decoders; its problem names the path as the file writes it. */
function checked<T>(record: Reader, source: ValueSource, read: (reader: Reader, name: string) => T): T {
  const name = source.path?.text ?? 'constant';
  const reader = new Reader({ [name]: translated(record, source) ?? null });
  const value = read(reader, name);
  if (reader.problem) record.fail(reader.problem.reason, reader.problem.detail);
  return value;
}

/** The value at the path, of a list the wanted part, by the translation of `values`. */
function translated(record: Reader, { path, constant, values, list }: ValueSource): Json | undefined {
  const found = constant ?? (path === undefined ? undefined : valueAt(record, path.path));
  const value = list === undefined ? found : part(record, found, list);
  const isScalar = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  return isScalar && values !== undefined && Object.hasOwn(values, String(value)) ? values[String(value)] : value;
}

/** Members of a list, or of a text with commas, as proxies write one value per attempt: `0.005, 0.321`. */
function part(record: Reader, found: Json | undefined, list: 'first' | 'last' | 'sum' | 'count'): Json | undefined {
  const members = Array.isArray(found)
    ? found
    : typeof found === 'string'
      ? found.split(',').map((one) => one.trim())
      : [found];
  const said = members.filter((one) => one !== undefined && one !== null && one !== '' && one !== '-');
  if (list === 'first') return said[0];
  if (list === 'last') return said.at(-1);
  if (list === 'count') return said.length === 0 ? undefined : said.length;
  const numbers = said.map(Number);
  if (numbers.some((number) => !Number.isFinite(number)))
    record.fail('wrong_type', 'a member of a list is not a number');
  // Seconds with fractions add up with an error far below a millisecond; it is cut off.
  return numbers.length === 0 ? undefined : Number(numbers.reduce((sum, number) => sum + number, 0).toFixed(9));
}

function duration(record: Reader, source: ValueSource): number | null {
  const unit = source.unit ?? 'ms';
  return checked(record, source, (reader, name) => {
    if (unit === 'ms') return reader.milliseconds(name);
    const text = reader.text(name);
    if (text === '') return null;
    const number = /^-?\d{1,19}(?:\.\d{1,19})?(?:e-?\d{1,2})?$/i.test(text) ? Number(text) : Number.NaN;
    const ms = unit === 's' ? number * 1_000 : number / (perMillisecond.get(unit) ?? 1);
    const whole = new Reader({ [name]: Number.isFinite(ms) ? Math.round(ms) : text });
    const value = whole.milliseconds(name);
    if (whole.problem) reader.fail(whole.problem.reason, whole.problem.detail);
    return value;
  });
}

/** From one instant to the other, in milliseconds; null where one of them is missing. */
function between(
  record: Reader,
  [from, to]: readonly { text: string; path: Path }[],
  unit: string | undefined,
): number | null {
  if (from === undefined || to === undefined) return null;
  const [start, end] = [from, to].map((path) =>
    checked(record, { path, unit }, (reader, name) => {
      const instant = instantOf(reader, name, epochUnits.get(unit ?? ''));
      return instant === null ? null : Date.parse(`${instant.replace(' ', 'T')}Z`);
    }),
  );
  if (start === undefined || start === null || end === undefined || end === null) return null;
  if (end >= start && end - start <= 0xffff_ffff) return end - start;
  record.fail('number_out_of_range', `${to.text} is before ${from.text}`);
  return null;
}

function share(reader: Reader, name: string, whole: number): number | null {
  const text = reader.text(name);
  if (text === '') return null;
  const value = Number(text) / whole;
  if (value > 0 && value <= 1) return value;
  reader.fail('number_out_of_range', `${name} is no share above 0 and at most ${whole}`);
  return null;
}
