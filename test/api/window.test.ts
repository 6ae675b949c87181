import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { automaticStep, bucketEnd, bucketsIn, steps, zoneName } from '../../api/calendar.ts';
import { decodeCursor, encodeCursor, fingerprint } from '../../api/cursor.ts';
import { callArguments, cursorAfter, groupedArguments, groupedShape, stepOf, windowOf } from '../../api/window.ts';
import type { Window } from '../../api/window.ts';
import { bucketOf } from './brute.ts';

const schema = z.strictObject(groupedShape(['tenant_id', 'region'], ['calls']));
const now = new Date('2026-07-01T12:00:00.000Z');

function windowFor(query: Record<string, unknown>, at = now): Window {
  const window = windowOf('/v1/usage', schema.parse(query), at);
  if (window.kind === 'refused') throw new Error(`${window.parameter} ${window.detail}`);
  return window;
}

describe('the window', () => {
  test('without parameters is the last 24 hours, and every call counts once in adjoining windows', () => {
    const window = windowFor({});
    expect([window.from.toISOString(), window.to.toISOString()]).toEqual([
      '2026-06-30T12:00:00.000Z',
      '2026-07-01T12:00:00.000Z',
    ]);
    expect(windowFor({ to: '2026-06-30T12:00:00Z' }).to).toEqual(window.from);
  });

  test('an offset is the instant it names', () => {
    expect(windowFor({ from: '2026-06-30T02:00:00.5+02:00' }).from.toISOString()).toBe('2026-06-30T00:00:00.500Z');
  });

  test('an instant finer than the ledger is refused instead of rounded', () => {
    expect(schema.safeParse({ from: '2026-06-30T02:00:00.12345Z' }).success).toBe(false);
  });

  test('the arguments carry the principal, not the request, as who may see', () => {
    const given = schema.parse({
      tenant_id: ['a', 'b'],
      region: 'x',
      group_by: 'region,tenant_id,region',
      step: 'P1D',
      tz: 'europe/berlin',
    });
    const args = groupedArguments(given, windowFor({}), 'P1D', ['own']);
    expect(args).toMatchObject({ visible_tenants: ['own'], tenant_id: ['a', 'b'], region: ['x'], source: [] });
    expect(args).toMatchObject({
      group_by: ['region', 'tenant_id'],
      step: 'P1D',
      tz: 'Europe/Berlin',
      from: '2026-06-30 12:00:00.000',
    });
    expect(callArguments({}, windowFor({}), [])).toMatchObject({ visible_tenants: [], step: '' });
  });
});

describe('the step', () => {
  const year = { from: '2026-01-01T00:00:00Z', to: '2027-01-01T00:00:00Z' };

  test('more than 11,000 buckets are refused, and the refusal names the step', () => {
    const outcome = stepOf(schema.parse({ ...year, step: 'PT5M' }), windowFor(year));
    expect(outcome).toMatchObject({ kind: 'refused', parameter: 'step' });
    expect(stepOf(schema.parse({ ...year, step: 'PT1H' }), windowFor(year))).toEqual({ kind: 'step', step: 'PT1H' });
  });

  test('auto never gives more than 500 buckets, and the finest step that fits', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3e12 }), fc.integer({ min: 1, max: 1e12 }), (from, length) => {
        const step = automaticStep(from, from + length, 'Europe/Berlin');
        if (step !== 'P1M') expect(bucketsIn(step, from, from + length, 'Europe/Berlin')).toBeLessThanOrEqual(500);
        const finer = steps[steps.indexOf(step) - 1];
        if (finer !== undefined) expect(bucketsIn(finer, from, from + length, 'Europe/Berlin')).toBeGreaterThan(500);
      }),
    );
  });
});

describe('the calendar of a zone', () => {
  const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'America/St_Johns', 'Pacific/Auckland'];

  test('a bucket ends where the next one begins: no instant is in two or in none', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: Date.UTC(2020, 0), max: Date.UTC(2035, 0) }),
        fc.constantFrom(...zones),
        fc.constantFrom(...steps),
        (at, tz, step) => {
          const begin = bucketOf(at, step, tz);
          const end = bucketEnd(step, begin, tz);
          expect(end).toBeGreaterThan(at);
          expect(bucketOf(end - 1, step, tz)).toBe(begin);
          expect(bucketOf(end, step, tz)).toBe(end);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('the days of the clock change have 23 and 25 hours', () => {
    expect([hours('2026-03-29T12:00:00Z'), hours('2026-10-25T12:00:00Z')]).toEqual([23, 25]);
  });

  test('a day whose midnight does not exist begins when the clock goes on, and no instant falls between the days', () => {
    const skipped: readonly [string, string][] = [
      ['America/Sao_Paulo', '2018-11-04T03:00:00Z'],
      ['Africa/Cairo', '2026-04-23T22:00:00Z'],
      ['Asia/Beirut', '2026-03-28T22:00:00Z'],
    ];
    for (const [tz, text] of skipped) {
      const begins = Date.parse(text);
      expect([tz, bucketEnd('P1D', begins - 24 * 3_600_000, tz)]).toEqual([tz, begins]);
      expect([tz, bucketEnd('P1D', begins, tz)]).toEqual([tz, begins + 23 * 3_600_000]);
      expect([tz, bucketsIn('P1D', begins - 1, begins + 1, tz)]).toEqual([tz, 2]);
      expect([tz, bucketsIn('P1D', begins, begins + 23 * 3_600_000, tz)]).toEqual([tz, 1]);
    }
  });

  test('a zone is spelt as the database spells it, and what is none is refused', () => {
    expect(zoneName('europe/BERLIN')).toBe('Europe/Berlin');
    for (const wrong of ['', '+02:00', 'Berlin', 'Europe/Berlin; DROP', 'Mars/Olympus'])
      expect(zoneName(wrong)).toBeNull();
  });
});

describe('a cursor', () => {
  test('comes back as it went out, whatever the id holds', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.nat(), (call_id, offset) => {
        const position = { question: 'q', from: 1, to: 2, offset, call_id, started_at: '2026-07-01T00:00:00.123Z' };
        expect(encodeCursor(position)).toMatch(/^[A-Za-z0-9_-]+$/);
        expect(decodeCursor(encodeCursor(position))).toEqual(position);
      }),
    );
  });

  test('is refused for another question, and accepted for another limit', () => {
    const cursor = cursorAfter(windowFor({ group_by: 'region' }), { offset: 5 });
    expect(windowOf('/v1/usage', schema.parse({ group_by: 'region', cursor, limit: '7' }), now)).toMatchObject({
      position: { offset: 5 },
    });
    for (const [path, other] of [
      ['/v1/usage', {}],
      ['/v1/spend', { group_by: 'region' }],
    ] as const) {
      expect(windowOf(path, schema.parse({ ...other, cursor }), now)).toMatchObject({
        kind: 'refused',
        parameter: 'cursor',
      });
    }
  });

  test('that nobody made is no cursor, and no crash', () => {
    fc.assert(fc.property(fc.string(), (text) => decodeCursor(text) === null));
    // Of the right form and with an instant that is none: who made it by hand must not be told of a fault of the server.
    for (const more of [{ to: 9e15 }, { from: -9e15 }, { started_at: 'yesterday', call_id: 'x' }])
      expect(decodeCursor(encodeCursor({ question: 'q', from: 0, to: 1, ...more }))).toBeNull();
    expect(fingerprint('a')).not.toBe(fingerprint('b'));
  });
});

/** The length of Berlin's day around an instant. */
function hours(noon: string): number {
  const begin = bucketOf(Date.parse(noon), 'P1D', 'Europe/Berlin');
  return (bucketEnd('P1D', begin, 'Europe/Berlin') - begin) / 3_600_000;
}
