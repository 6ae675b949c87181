import { z } from '@hono/zod-openapi';
import type { Arguments } from '#clickhouse/view.ts';
import type { rated } from '#clickhouse/money.ts';
import { dimensions, type attributedCalls } from '#clickhouse/views.ts';
import { automaticStep, bucketsIn, type Step, steps, zoneName } from './calendar.ts';
import { decodeCursor, encodeCursor, fingerprint, type Position } from './cursor.ts';

const dimensionNames = Object.keys(dimensions) as (keyof typeof dimensions)[];

const bucketsMax = 11_000;
const dayMs = 86_400_000;
/** Beyond every instant that a row can have been learned at: all that is known, whatever the clocks say. */
export const everything = '2299-12-31 23:59:59.999';

const written = z.iso.datetime({
  offset: true,
  error:
    'is not an instant with a zone; write ISO 8601 such as 2026-07-01T00:00:00Z, or +02:00 with its + as %2B in a URL',
});
const held = (at: Date): boolean => at.getTime() >= 0 && at.getTime() < Date.UTC(2106, 0);
const unheld = 'must lie between the years 1970 and 2105';

/** When something is to begin or to end; what is finer than a millisecond is cut off. */
export const moment = written.transform((text) => new Date(text)).refine(held, unheld);

export const instant = written
  .refine((text) => !/\.\d{4,}/.test(text), 'is finer than a millisecond; write at most three decimals')
  .transform((text) => new Date(text))
  .refine(held, unheld);

/** A parameter that may be given several times. */
const repeatable = z
  .union([z.string(), z.array(z.string())], { error: 'is not text' })
  .transform((given) => (typeof given === 'string' ? [given] : given));

/** The same of a closed set of words: one that is misspelt must not answer that there is nothing. */
export function severalOf(words: readonly string[]) {
  const error = `must be one of ${words.join(', ')}; repeat the parameter to allow several`;
  const word = z.enum(words, { error });
  return z
    .union([word, z.array(word)], { error })
    .transform((given) => (typeof given === 'string' ? [given] : given))
    .optional()
    .openapi({ type: 'array', items: { type: 'string', enum: [...words] } });
}

function repeated(name: string) {
  return repeatable
    .optional()
    .openapi({ type: 'array', items: { type: 'string' } })
    .describe(`Only calls with this ${name}; repeat the parameter to allow several`);
}

const filters = Object.fromEntries(dimensionNames.map((name) => [name, repeated(name)])) as Record<
  keyof typeof dimensions,
  ReturnType<typeof repeated>
>;

function wholeNumber(minimum: number, maximum: number, error: string) {
  return z
    .string({ error })
    .regex(/^\d{1,9}$/, error)
    .transform(Number)
    .refine((n) => n >= minimum && n <= maximum, error)
    .openapi({ type: 'integer', minimum, maximum });
}

/** `limit` of a list; a stream has no default, because a file that ends early would look complete. */
function limitOf(normal: number, maximum: number) {
  return wholeNumber(1, maximum, `must be a whole number from 1 to ${maximum}`)
    .optional()
    .describe(`Rows of one page (default ${normal}, at most ${maximum}); csv and parquet carry all rows if left out`);
}

const once = 'must be given once, as text';

export const currency = z.string({ error: once }).regex(/^[A-Z]{3}$/, 'must be an ISO 4217 code such as EUR');

export const format = z
  .enum(['json', 'csv', 'parquet'], { error: 'must be json, csv or parquet' })
  .optional()
  .describe('Instead of the header Accept; csv and parquet are streamed');

export const knownAt = instant
  .optional()
  .describe('Prices and attributions as known at this instant (default: all that is known); not for viewers');

/** The parameters of every list of calls. */
export function windowShape(limit: { normal: number; maximum: number }) {
  return {
    from: instant.optional().describe('Start of the window, inclusive (default: 24 hours before `to`)'),
    to: instant.optional().describe('End of the window, exclusive (default: now)'),
    as_known_at: knownAt,
    ...filters,
    limit: limitOf(limit.normal, limit.maximum),
    cursor: z
      .string({ error: once })
      .optional()
      .describe('meta.next_cursor of the page before, with the same parameters'),
    format,
  };
}

export const zone = z
  .string({ error: once })
  .transform((text, context) => {
    const name = zoneName(text);
    if (name === null) context.addIssue('is not an IANA time zone; write one such as Europe/Berlin');
    return name ?? 'UTC';
  })
  .optional()
  .openapi({ type: 'string' })
  .describe('IANA time zone of hours, days and months (default UTC); times in answers stay UTC');

export const month = z
  .string({ error: 'is missing; write a calendar month such as 2026-10' })
  .regex(/^(19|20)\d\d-(0[1-9]|1[0-2])$/, 'is not a calendar month; write one such as 2026-10')
  .openapi({ example: '2026-10' })
  .describe('Calendar month of the time zone tz');

const stepError = `must be one of ${steps.join(', ')}, auto`;

/** The parameters of a question that groups, `currency` and `compare` for one about money: `groups` may be named in group_by, `measures` and they in order_by. */
export function groupedShape(groups: readonly string[], measures: readonly string[]) {
  const names = ['time', ...groups, ...measures];
  const { from, to, ...others } = windowShape({ normal: 1_000, maximum: 100_000 });
  // What a reader looks for first comes first in the reference; the many filters come after.
  return {
    from,
    to,
    step: z
      .enum([...steps, 'auto'], { error: stepError })
      .optional()
      .describe('Width of a row in time, ISO 8601; auto picks one with at most 500 rows per group; default: one row'),
    tz: zone,
    group_by: z
      .string({ error: 'must be given once, as a comma list' })
      .transform((text) => [...new Set(text.split(',').filter((name) => name !== ''))])
      .refine((given) => given.every((name) => groups.includes(name)), `must be a comma list of ${groups.join(', ')}`)
      .optional()
      .openapi({ type: 'string', example: 'tenant_id,response_model' })
      .describe(`Comma list of ${groups.join(', ')}`),
    order_by: z
      .string({ error: once })
      .refine((text) => names.includes(text.replace(/^-/, '')), `must be one of ${names.join(', ')}, or - before it`)
      .optional()
      .describe('A returned column; - before it for descending (default: time, then the groups)'),
    currency: currency
      .optional()
      .describe('Amounts in this currency, at the exchange rate of the day of each call (default: as priced)'),
    compare: z
      .enum(['previous'], { error: 'must be previous' })
      .optional()
      .describe(
        'Rows say why contracted cost changed against the window before (the same number of months or days before where the window is of whole ones): volume_change + mix_change + price_change = change',
      ),
    ...others,
  };
}

export type WindowGiven = z.output<z.ZodObject<ReturnType<typeof windowShape>>>;
export type GroupedGiven = z.output<z.ZodObject<ReturnType<typeof groupedShape>>>;

export type Refused = { readonly kind: 'refused'; readonly parameter: string; readonly detail: string };

export type Window = {
  readonly kind: 'window';
  readonly from: Date;
  readonly to: Date;
  /** The page before's end; null on the first page. */
  readonly position: Position | null;
  readonly fingerprint: string;
};

function refused(parameter: string, detail: string): Refused {
  return { kind: 'refused', parameter, detail };
}

/** The window that is asked for at `now`. `path` and what is given, without the paging, are the question's identity. */
export function windowOf(path: string, given: WindowGiven | GroupedGiven, now: Date): Window | Refused {
  const { cursor, limit: _limit, format: _format, ...asked } = given;
  const identity = fingerprint(JSON.stringify([path, Object.entries(asked).sort(([a], [b]) => (a < b ? -1 : 1))]));
  const position = cursor === undefined ? null : decodeCursor(cursor);
  if (cursor !== undefined && position?.question !== identity) {
    return refused('cursor', 'is not from this question; send the parameters of the page before, or begin without it');
  }
  if (position !== null) {
    const [from, to] = [new Date(position.from), new Date(position.to)];
    return { kind: 'window', from, to, position, fingerprint: identity };
  }
  const to = given.to ?? now;
  const from = given.from ?? new Date(Math.max(0, to.getTime() - dayMs));
  if (from >= to) {
    const named = given.from === undefined ? 'to' : 'from';
    return refused(named, `from (${from.toISOString()}) must be before to (${to.toISOString()})`);
  }
  return { kind: 'window', from, to, position: null, fingerprint: identity };
}

/** The step of a window: null for one row per group. */
export function stepOf(
  given: GroupedGiven,
  window: Window,
): { readonly kind: 'step'; readonly step: Step | null } | Refused {
  if (given.step === undefined) return { kind: 'step', step: null };
  const [from, to, tz] = [window.from.getTime(), window.to.getTime(), given.tz ?? 'UTC'];
  const step = given.step === 'auto' ? automaticStep(from, to, tz) : given.step;
  const buckets = bucketsIn(step, from, to, tz);
  if (buckets <= bucketsMax) return { kind: 'step', step };
  const detail = `${step} cuts this window into ${buckets} parts, more than ${bucketsMax}; use a wider step, auto, or a shorter window`;
  return refused('step', detail);
}

/** The cursor of the page after this one. */
export function cursorAfter(window: Window, at: Pick<Position, 'offset' | 'started_at' | 'call_id'>): string {
  return encodeCursor({
    question: window.fingerprint,
    from: window.from.getTime(),
    to: window.to.getTime(),
    ...at,
  });
}

/** An instant as the database takes it. */
export function argument(at: Date): string {
  return at.toISOString().replace('T', ' ').replace('Z', '');
}

/** The arguments of a view of calls. `visible` is the principal's, never the request's. */
export function callArguments(
  given: Pick<WindowGiven, keyof typeof dimensions | 'as_known_at'>,
  window: { readonly from: Date; readonly to: Date },
  visible: readonly string[],
): Arguments<(typeof attributedCalls)['parameters']> {
  const chosen = Object.fromEntries(dimensionNames.map((name) => [name, given[name] ?? []])) as Record<
    keyof typeof dimensions,
    string[]
  >;
  return {
    ...chosen,
    from: argument(window.from),
    to: argument(window.to),
    step: '',
    tz: 'UTC',
    as_known_at: given.as_known_at === undefined ? everything : argument(given.as_known_at),
    visible_tenants: [...visible],
  };
}

/** The arguments of a grouping view. */
export function groupedArguments(
  given: GroupedGiven,
  window: Window,
  step: Step | null,
  visible: readonly string[],
): Arguments<typeof rated> {
  return {
    ...callArguments(given, window, visible),
    step: step ?? '',
    tz: given.tz ?? 'UTC',
    group_by: given.group_by ?? [],
    currency: given.currency ?? '',
  };
}
