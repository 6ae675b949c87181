import type { Database } from './client.ts';
import {
  coldStartEpisodes,
  measuredBaselines,
  measuredConsumers,
  measuredFits,
  measuredGaps,
  measuredHours,
  measuredMinutes,
  measuredThrough,
  trafficFindings,
} from './detection.ts';
import {
  baselines,
  consumerHours,
  detections,
  idleGaps,
  latencyFits,
  measurements,
  trafficHours,
  trafficMinutes,
  waitEpisodes,
} from './detection_tables.ts';

/*
 * The order in which the detectors' tables are filled. Every step is a statement that may be repeated: measuring again
 * replaces, so a crash between two of them, or two evaluators at once, cost work and nothing else.
 */

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
/** Calls that come late change minutes that have been measured: so many are measured again each time. */
const againMs = 5 * minuteMs;
/** How often it is looked for callers that wait: it reads an hour of calls, and a held call is logged only when it ends. */
const waitsEveryMs = 5 * minuteMs;
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
 * hour what is expected of the next. Then finds what the minute before `at` shows. Errors of the database are thrown.
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
  if (to % waitsEveryMs === 0) await seeWaits(db, to - hourMs, to);
  await find(db, to, to);
  return { through: to, complete: true };
}

async function measure(db: Database, from: number, to: number): Promise<void> {
  await db.insertFrom(trafficMinutes, measuredMinutes, { from: argument(from), to: argument(to) });
  await db.insert(measurements, JSON.stringify(['minutes', argument(to)]));
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
}

/** The part of learning that reads minutes and no calls. */
export async function learnCounts(db: Database, hour: number): Promise<void> {
  await db.insertFrom(trafficHours, measuredHours, { hour: argument(hour) });
  await db.insertFrom(baselines, measuredBaselines, { hour: argument(hour + hourMs) });
}

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
