/** Milliseconds as the bound parameter of a view. */
export function instant(at: number): string {
  return new Date(at).toISOString().replace('T', ' ').replace('Z', '');
}

export const minuteMs = 60_000;

export function wholeMinute(at: number): number {
  return Math.floor(at / minuteMs) * minuteMs;
}
