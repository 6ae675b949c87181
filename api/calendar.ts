import { unreachable } from '#common/assert.ts';

/** The grains of an answer, finest first, as ISO 8601 durations. */
export const steps = ['PT1M', 'PT5M', 'PT1H', 'P1D', 'P1M'] as const;
export type Step = (typeof steps)[number];

const minute = 60_000;
const fixed: Readonly<Record<'PT1M' | 'PT5M' | 'PT1H', number>> = {
  PT1M: minute,
  PT5M: 5 * minute,
  PT1H: 60 * minute,
};
const hour = fixed.PT1H;
const day = 24 * hour;

/**
 * The zone's name as the databases spell it, or null for what is no IANA zone. A bare offset is refused, although Intl
 * knows it: it has no day or month borders that change with the season, which is what `tz` is for.
 */
export function zoneName(text: string): string | null {
  if (!/^[A-Za-z]/.test(text)) return null;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone;
  } catch {
    return null;
  }
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** The local date at an instant as days since 1970-01-01, and as months since 1970-01. */
function localDate(instant: number, tz: string): { days: number; months: number } {
  const format =
    formats.get(tz) ??
    new Intl.DateTimeFormat('en-u-ca-iso8601-nu-latn', {
      timeZone: tz,
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
    });
  formats.set(tz, format);
  const parts = new Map(format.formatToParts(instant).map((part) => [part.type, Number(part.value)]));
  const [year, month, date] = [parts.get('year') ?? 0, parts.get('month') ?? 1, parts.get('day') ?? 1];
  return { days: Date.UTC(year, month - 1, date) / day, months: year * 12 + month };
}

/** How many buckets of a step a half-open window touches. */
export function bucketsIn(step: Step, from: number, to: number, tz: string): number {
  const last = to - 1;
  switch (step) {
    case 'PT1M':
    case 'PT5M':
      return Math.floor(last / fixed[step]) - Math.floor(from / fixed[step]) + 1;
    // One more, because the hours of a zone may begin at half past.
    case 'PT1H':
      return Math.floor(last / hour) - Math.floor(from / hour) + (hasWholeHours(from, tz) ? 1 : 2);
    case 'P1D':
      return localDate(last, tz).days - localDate(from, tz).days + 1;
    case 'P1M':
      return localDate(last, tz).months - localDate(from, tz).months + 1;
    default:
      return unreachable(step);
  }
}

function hasWholeHours(instant: number, tz: string): boolean {
  const format = new Intl.DateTimeFormat('en-u-nu-latn', { timeZone: tz, minute: 'numeric' });
  return Number(format.format(instant)) === new Date(instant).getUTCMinutes();
}

/** The finest step that answers a window with at most 500 buckets. */
export function automaticStep(from: number, to: number, tz: string): Step {
  return steps.find((step) => bucketsIn(step, from, to, tz) <= 500) ?? 'P1M';
}

/**
 * The first instant after a bucket that begins at `start`. Days and months end where the zone's date changes, found by
 * halving, because a day may have 23 or 25 hours and its midnight may not exist.
 */
export function bucketEnd(step: Step, start: number, tz: string): number {
  if (step !== 'P1D' && step !== 'P1M') return start + fixed[step];
  const unit = step === 'P1D' ? 'days' : 'months';
  const own = localDate(start, tz)[unit];
  let inside = start;
  let outside = start + (step === 'P1D' ? 2 : 33) * day;
  while (outside - inside > minute) {
    const middle = Math.floor((inside + outside) / 2 / minute) * minute;
    if (localDate(middle, tz)[unit] > own) outside = middle;
    else inside = middle;
  }
  return outside;
}
