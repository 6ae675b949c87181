import { tz as inZone, TZDate, tzOffset } from '@date-fns/tz';
import {
  addDays,
  addMonths,
  differenceInCalendarDays,
  differenceInCalendarMonths,
  startOfDay,
  startOfMonth,
} from 'date-fns';
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
      return differenceInCalendarDays(last, from, { in: inZone(tz) }) + 1;
    case 'P1M':
      return differenceInCalendarMonths(last, from, { in: inZone(tz) }) + 1;
    default:
      return unreachable(step);
  }
}

function hasWholeHours(instant: number, tz: string): boolean {
  return tzOffset(tz, new Date(instant)) % 60 === 0;
}

/** The finest step that answers a window with at most 500 buckets. */
export function automaticStep(from: number, to: number, tz: string): Step {
  return steps.find((step) => bucketsIn(step, from, to, tz) <= 500) ?? 'P1M';
}

/**
 * The first instant after a bucket that begins at `start`. Days and months end where the next one of the zone begins: a
 * day may have 23 or 25 hours, and one whose midnight does not exist begins when the clock goes on.
 */
export function bucketEnd(step: Step, start: number, tz: string): number {
  const zone = { in: inZone(tz) };
  switch (step) {
    case 'PT1M':
    case 'PT5M':
    case 'PT1H':
      return start + fixed[step];
    case 'P1D':
      return startOfDay(addDays(start, 1, zone), zone).getTime();
    case 'P1M':
      return startOfMonth(addMonths(start, 1, zone), zone).getTime();
    default:
      return unreachable(step);
  }
}

export type Span = { readonly from: Date; readonly to: Date };

/** A calendar month, such as 2026-10, of a time zone. */
export function monthOf(month: string, tz: string): Span {
  const [year = 0, number = 1] = month.split('-').map(Number);
  const from = new TZDate(year, number - 1, 1, tz);
  return { from: new Date(from.getTime()), to: new Date(bucketEnd('P1M', from.getTime(), tz)) };
}

/** The calendar month of a time zone in which an instant is, such as 2026-10. */
export function monthAt(instant: Date, tz: string): string {
  const local = new TZDate(instant.getTime(), tz);
  return `${local.getFullYear()}-${String(local.getMonth() + 1).padStart(2, '0')}`;
}

/**
 * The window before one: as many months before where it is of whole months of the zone, as many days before where it is
 * of whole days, else as long.
 */
export function previousWindow(from: Date, to: Date, tz: string): Span {
  const zone = { in: inZone(tz) };
  const begins = (start: (at: Date, options: typeof zone) => Date): boolean =>
    [from, to].every((at) => start(at, zone).getTime() === at.getTime());
  if (begins(startOfMonth)) {
    return { from: new Date(addMonths(from, -differenceInCalendarMonths(to, from, zone), zone).getTime()), to: from };
  }
  if (begins(startOfDay)) {
    return { from: new Date(addDays(from, -differenceInCalendarDays(to, from, zone), zone).getTime()), to: from };
  }
  return { from: new Date(2 * from.getTime() - to.getTime()), to: from };
}
