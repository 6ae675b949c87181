import fc from 'fast-check';
import { fixtures } from './fixtures.ts';

/** Values that a field may suddenly have: other types, edges of number types, and text that encodings choke on. */
const nasty: readonly unknown[] = [
  null,
  true,
  false,
  '',
  'NA',
  'null',
  'true',
  [],
  {},
  [[]],
  [1],
  { a: { b: 1 } },
  0,
  -0,
  -1,
  0.5,
  -0.4,
  1e308,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53 - 1,
  2 ** 53,
  999,
  1000,
  1e21,
  65_536,
  '0',
  '-1',
  '1.5',
  ' 7 ',
  '+7',
  '1e3',
  '0x10',
  '٣',
  '9007199254740991',
  '18446744073709551616',
  '-0',
  '007',
  '\ud800',
  'a\udc00b',
  '\u0000',
  'a\u0000b',
  '😀'.repeat(300),
  'x'.repeat(1024),
  'x'.repeat(5000),
  '\u2028',
  '\ufeff',
  '2026-02-30T00:00:00Z',
  '2026-08-20T09:15:31',
  '9999-12-31T23:59:59Z',
  '2026-08-20 09:15:31.4+23:59',
  'Z',
  'constructor',
  '__proto__',
  'GatewayLogs',
  'GATEWAYLLMLOGS',
  'gatemeter.call.v1',
  '{"correlationId":"c"}',
  "'; DROP",
];

const value = fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...nasty) }, fc.jsonValue({ maxDepth: 2 }), fc.double());

type Mutation = (parent: Record<string, unknown>, key: string) => void;

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  {
    weight: 4,
    arbitrary: value.map(
      (v): Mutation =>
        (parent, key) =>
          void (parent[key] = structuredClone(v)),
    ),
  },
  fc.constantFrom<Mutation>(
    (parent, key) => void delete parent[key],
    (parent, key) => rename(parent, key, key.toUpperCase()),
    (parent, key) => rename(parent, key, key.charAt(0).toUpperCase() + key.slice(1)),
    (parent, key) => void (parent[key] = [parent[key]]),
    (parent, key) => void (parent[key] = { [key]: parent[key] }),
    (parent, key) => void (parent[key] = JSON.stringify(parent[key] ?? null)),
    (parent, key) => void (parent[key] = String(parent[key])),
  ),
  value.map(
    (v): Mutation =>
      (parent, key) =>
        void (parent[key.toUpperCase()] = structuredClone(v)),
  ),
  fc.string({ unit: 'binary', maxLength: 40 }).map(
    (name): Mutation =>
      (parent, key) =>
        rename(parent, key, name),
  ),
);

function rename(parent: Record<string, unknown>, key: string, name: string): void {
  const entries = Object.entries(parent).map(([k, v]) => [k === key && !Array.isArray(parent) ? name : k, v] as const);
  for (const [k] of entries) delete parent[k];
  Object.assign(parent, Object.fromEntries(entries));
}

/** Every place of a JSON value that a mutation can change. */
function places(json: unknown): [parent: Record<string, unknown>, key: string][] {
  if (typeof json !== 'object' || json === null) return [];
  const parent = json as Record<string, unknown>;
  return Object.keys(parent).flatMap((key) => {
    const here: [typeof parent, string] = [parent, key];
    return [here].concat(places(parent[key]));
  });
}

const bodies = fixtures().flatMap((fixture) => fixture.messages.filter((body) => typeof body === 'object'));

/** A fixture's message after a few changes at random places. */
export const mutated: fc.Arbitrary<unknown> = fc
  .tuple(fc.constantFrom(...bodies), fc.array(fc.tuple(fc.nat(), mutation), { minLength: 1, maxLength: 4 }))
  .map(([body, mutations]) => {
    const copy = structuredClone({ body });
    for (const [at, mutate] of mutations) {
      const all = places(copy).slice(1);
      const place = all[at % Math.max(1, all.length)];
      if (place !== undefined) mutate(...place);
    }
    return copy.body;
  });

/** The text of a message, sometimes cut off as a policy does it at 200 KB. */
export const mutatedText: fc.Arbitrary<string> = fc
  .tuple(mutated, fc.option(fc.nat({ max: 999 }), { freq: 6 }))
  .map(([body, cut]) => {
    const text = JSON.stringify(body) ?? 'null';
    return cut === null ? text : text.slice(0, Math.floor((text.length * cut) / 1000));
  });
