import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { decodeMessage, isSource } from '../../ingest/decode.ts';
import { noFields, type Event, type Fields } from '../../ingest/event.ts';
import type { Format } from '../../ingest/format.ts';
import { messageRows } from '../../ingest/rows.ts';
import { fixtures, messageAt, type Expected, type Fixture } from './fixtures.ts';

const all = fixtures();

/** Empty lists and maps are written anew for each event, so they are compared by what is in them. */
function isUnset(name: string, value: unknown): boolean {
  return JSON.stringify(value) === JSON.stringify(noFields[name as keyof Fields]);
}

/** An event without what is unset, as fixtures write it. */
function sparse(event: Event): Expected {
  if (event.kind === 'rejected' || event.kind === 'dropped') return event;
  const set = Object.entries(event.fields).filter(([name, value]) => !isUnset(name, value));
  return { ...event, fields: Object.fromEntries(set) };
}

function decoded(fixture: Fixture): Expected[] {
  return fixture.messages.flatMap((body, index) =>
    decodeMessage(messageAt(index, body)).map(({ event }) => sparse(event)),
  );
}

describe.each(all.map((fixture) => [fixture.path, fixture] as const))('%s', (path, fixture) => {
  test(`is read as its format means it: ${fixture.note}`, () => {
    expect(decoded(fixture)).toEqual(fixture.expected);
  });

  test('says where it is from, and lies in the folder of its decoder', () => {
    expect(fixture._meta.source).not.toBe('');
    expect(path.split('/')[0]).toBe(fixture.source);
  });

  test('lets no body, header, query string or foreign value into a field', () => {
    for (const [index, body] of fixture.messages.entries()) {
      for (const row of messageRows(messageAt(index, body)).rows) {
        // A rejected record keeps its bytes, in `body` alone.
        if (row.kind !== 'rejected') expect(row.content).not.toContain('SECRET');
      }
    }
  });
});

/** The ways that records of a decoder end in the fixtures. */
function kinds(source: string): string[] {
  return [...new Set(all.flatMap((fixture) => fixture.expected).flatMap((e) => (e.source === source ? [e.kind] : [])))];
}

/** The formats that the modules of ingest/sources export; a module without one is a part of another. */
async function formats(): Promise<Format[]> {
  const folder = new URL('../../ingest/sources/', import.meta.url);
  const modules = await Promise.all(
    readdirSync(folder).map((name) => import(new URL(name, folder).pathname) as Promise<Record<string, unknown>>),
  );
  return modules.flatMap((module) => Object.values(module)).filter(isFormat);
}

function isFormat(value: unknown): value is Format {
  return typeof value === 'object' && value !== null && 'source' in value && 'decode' in value;
}

test('every decoder is listed, and has an example of each way that a record of it can end', async () => {
  const sources = (await formats()).map((format) => format.source);
  expect(sources.length).toBeGreaterThan(0);
  for (const source of sources) {
    expect(isSource(source, []), `ingest/decode.ts does not list ${source}`).toBe(true);
    expect(kinds(source), `test/fixtures/${source} needs a record that is understood and one that is rejected`).toEqual(
      expect.arrayContaining([
        'rejected',
        expect.stringMatching(/^(call|gateway|usage|backend|lifecycle|metric|dropped)$/),
      ]),
    );
  }
});
