import type { Database } from './client.ts';
import {
  coldStartEpisodes,
  lateMinutes,
  measuredBaselines,
  measuredConsumers,
  measuredFits,
  measuredGaps,
  measuredHabits,
  measuredHours,
  measuredMinutes,
  measuredThrough,
  measuredTotals,
  trafficAnomalies,
  trafficFindings,
} from './detection.ts';
import {
  baselines,
  consumerHabits,
  consumerHours,
  detections,
  idleGaps,
  latencyFits,
  measurements,
  runningTotals,
  trafficHours,
  trafficMinutes,
  waitEpisodes,
} from './detection_tables.ts';
import type { Row, Types, View } from './view.ts';

/*
 * The order in which the detectors' tables are filled. Every step is a statement that may be repeated: measuring again
 * replaces, so a crash between two of them, or two evaluators at once, cost work and nothing else.
 */

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
/** The last minutes are still getting their calls: so many are measured again each time. */
const againMs = 2 * minuteMs;
/** What has been stored is sealed in seconds; what came within this is looked for once more, for those who take longer. */
const sealedMs = minuteMs;
/** How often `lookBack` has work: it reads an hour of calls, and what it looks for is known only after it is over. */
const lookBackEveryMs = 5 * minuteMs;
/** What is learned reaches back so far. */
const memoryMs = 28 * dayMs;

/** A backlog is measured in pieces of this length: a statement costs more than its rows, and its rows cost memory. */
const atOnceMs = 6 * hourMs;

/** How much `prepare` may catch up with in one call, so that a tick stays short on the first day and after an outage. */
export type Effort = { readonly hoursMax: number };

/** What is measured: up to which instant (ms), and whether that is the instant that was asked for. */
export type Prepared = { readonly through: number; readonly complete: boolean };

/**
 * Brings everything that the detectors share up to `at` (ms; calls that started before it): minutes, and with each full
 * hour what is expected of the next. Errors of the database are thrown.
 */
export async function prepare(db: Database, at: number, effort: Effort = { hoursMax: 24 }): Promise<Prepared> {
  const to = floor(at, minuteMs);
  const [known] = await db.read(measuredThrough, { at: argument(to) });
  const learned = instantOf(known?.hours ?? null);
  const first = learned === null ? (instantOf(known?.first_call ?? null) ?? to) : 0;
  const begin = floor(Math.max(to - memoryMs, first), hourMs);
  let minutes = Math.max(begin, instantOf(known?.minutes ?? null) ?? begin);
  let hours = Math.max(begin, learned ?? begin);
  for (let left = effort.hoursMax; left > 0 && hours + hourMs <= to; left -= 1) {
    const end = hours + hourMs;
    if (minutes < end) {
      const ahead = Math.min(floor(to, hourMs), hours + atOnceMs);
      await measure(db, Math.max(begin, minutes - againMs), ahead);
      minutes = ahead;
    }
    await learn(db, hours);
    await seeWaits(db, hours, end);
    hours = end;
    await db.insert(measurements, JSON.stringify(['hours', argument(hours)]));
  }
  if (hours + hourMs <= to) return { through: minutes, complete: false };
  await measure(db, Math.max(begin, Math.min(minutes, to) - againMs), to);
  return { through: to, complete: true };
}

/**
 * What need not be known within the minute, so that no alert waits for it: callers that waited, and calls that came after
 * their minute was measured. To be asked with what `prepare` was asked with, when the tick has been told.
 */
export async function lookBack(db: Database, at: number): Promise<void> {
  const to = floor(at, minuteMs);
  if (to % lookBackEveryMs !== 0) return;
  await seeWaits(db, to - hourMs, to);
  const [known] = await db.read(measuredThrough, { at: argument(to) });
  const hours = instantOf(known?.hours ?? null);
  await measureLate(db, { since: instantOf(known?.late ?? null), from: to - memoryMs, to, hours: hours ?? 0 });
}

async function measure(db: Database, from: number, to: number): Promise<void> {
  await db.insertFrom(trafficMinutes, measuredMinutes, { from: argument(from), to: argument(to) });
  await db.insert(measurements, JSON.stringify(['minutes', argument(to)]));
}

/**
 * Calls that came after their minute was measured: their minutes are measured again, and of hours that have been learned
 * from what they hold. What was found stays as it was found. An instant of `since` is of the database's clock, or null
 * where nobody has looked yet; then all that there is has just been measured.
 */
async function measureLate(db: Database, late: Late): Promise<void> {
  const from = late.since === null ? late.to : late.from;
  const since = argument((late.since ?? 0) - sealedMs);
  const [found] = await db.read(lateMinutes, { since, from: argument(from), to: argument(Math.max(from, late.to)) });
  if (found === undefined) return;
  const pieces = piecesOf(found.minutes.map((seconds) => seconds * 1_000));
  for (const piece of pieces)
    await db.insertFrom(trafficMinutes, measuredMinutes, { from: argument(piece.from), to: argument(piece.to) });
  const hours = new Set(
    pieces.flatMap(({ from: first, to }) => hoursOf(first, to)).filter((hour) => hour < late.hours),
  );
  for (const hour of hours) await db.insertFrom(trafficHours, measuredHours, { hour: argument(hour) });
  await db.insert(measurements, JSON.stringify(['late', argument(Date.parse(found.asked_at))]));
}

type Late = { readonly since: number | null; readonly from: number; readonly to: number; readonly hours: number };
type Piece = { readonly from: number; readonly to: number };

/** Ranges that hold the minutes (ms, ascending): a statement costs more than some minutes between two of them. */
function piecesOf(minutes: readonly number[]): Piece[] {
  const pieces: Piece[] = [];
  for (const minute of minutes) {
    const last = pieces.at(-1);
    const near = last !== undefined && minute < last.to + 10 * minuteMs && minute < last.from + atOnceMs;
    if (near) pieces.pop();
    pieces.push({ from: near ? last.from : minute, to: minute + minuteMs });
  }
  return pieces;
}

function hoursOf(from: number, to: number): number[] {
  const first = floor(from, hourMs);
  return Array.from({ length: Math.ceil((to - first) / hourMs) }, (_, i) => first + i * hourMs);
}

async function seeWaits(db: Database, from: number, to: number): Promise<void> {
  await db.insertFrom(waitEpisodes, coldStartEpisodes, { from: argument(from), to: argument(to) });
}

/** Learns from the finished hour that begins at `hour` (ms) what is expected of the next. */
async function learn(db: Database, hour: number): Promise<void> {
  const next = { hour: argument(hour + hourMs) };
  await learnCounts(db, hour);
  await db.insertFrom(latencyFits, measuredFits, next);
  await db.insertFrom(idleGaps, measuredGaps, { hour: argument(hour) });
  await db.insertFrom(consumerHours, measuredConsumers, { hour: argument(hour) });
  await db.insertFrom(consumerHabits, measuredHabits, next);
}

/** The part of learning that reads minutes and no calls. */
export async function learnCounts(db: Database, hour: number): Promise<void> {
  await db.insertFrom(trafficHours, measuredHours, { hour: argument(hour) });
  await db.insertFrom(baselines, measuredBaselines, { hour: argument(hour + hourMs) });
  await db.insertFrom(runningTotals, measuredTotals, { hour: argument(hour + hourMs) });
}

/** What a detector says of an instant (ms) that `prepare` has come to. Traffic is searched first, and kept for who asks. */
export async function ask<C extends Types>(db: Database, detector: View<At, C>, at: number): Promise<Row<C>[]> {
  if (detector.name === trafficAnomalies.name) await find(db, floor(at, minuteMs), floor(at, minuteMs));
  return db.read(detector, { at: argument(at) });
}

type At = { readonly at: "DateTime64(3, 'UTC')" };

/** Finds what the minutes from `from` through `to` (ms, of one hour of the clock) show. */
export async function find(db: Database, from: number, to: number): Promise<void> {
  await db.insertFrom(detections, trafficFindings, { from: argument(from), to: argument(to) });
  await db.insert(measurements, JSON.stringify(['findings', argument(to)]));
}

function floor(ms: number, step: number): number {
  return Math.floor(ms / step) * step;
}

function instantOf(wire: string | null): number | null {
  return wire === null ? null : Date.parse(wire);
}

/** An instant (ms) as the database takes it. */
export function argument(ms: number): string {
  return new Date(ms).toISOString().replace('T', ' ').replace('Z', '');
}
