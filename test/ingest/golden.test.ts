import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { decodeMessage } from '../../ingest/decode.ts';
import { noFields, type Event, type Fields } from '../../ingest/event.ts';
import { messageRows } from '../../ingest/rows.ts';
import { fixtures, messageAt, type Expected, type Fixture } from './fixtures.ts';

const all = fixtures();

/** An event without what is unset, as fixtures write it. */
function sparse(event: Event): Expected {
  if (event.kind === 'rejected' || event.kind === 'dropped') return event;
  const set = Object.entries(event.fields).filter(
    ([name, value]) => JSON.stringify(value) !== JSON.stringify(noFields[name as keyof Fields]),
  );
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

test('every decoder has an example of each way that a record of it can end', () => {
  const sources = new URL('../../ingest/sources/', import.meta.url);
  const decoders = readdirSync(sources)
    .filter((name) => / Format = \{/.test(readFileSync(new URL(name, sources), 'utf8')))
    .map((name) => name.replace('.ts', ''));
  expect(decoders.length).toBeGreaterThan(0);
  for (const source of decoders) {
    expect(kinds(source), `test/fixtures/${source} needs a record that is understood and one that is rejected`).toEqual(
      expect.arrayContaining([
        'rejected',
        expect.stringMatching(/^(call|gateway|usage|backend|lifecycle|metric|dropped)$/),
      ]),
    );
  }
});
