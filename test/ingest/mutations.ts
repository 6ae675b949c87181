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

type Change = readonly [at: number, mutate: Mutation];

const changes: fc.Arbitrary<Change[]> = fc.array(fc.tuple(fc.nat(), mutation), { minLength: 1, maxLength: 4 });

function changed(body: unknown, mutations: readonly Change[]): unknown {
  const copy = structuredClone({ body });
  for (const [at, mutate] of mutations) {
    const all = places(copy).slice(1);
    const place = all[at % Math.max(1, all.length)];
    if (place !== undefined) mutate(...place);
  }
  return copy.body;
}

/** One of these messages after a few changes at random places. */
function mutatedOf(bodies: readonly unknown[]): fc.Arbitrary<unknown> {
  return fc.tuple(fc.constantFrom(...bodies), changes).map(([body, mutations]) => changed(body, mutations));
}

const bodies = fixtures().flatMap((fixture) => fixture.messages.filter((body) => typeof body === 'object'));

/** A fixture's message after a few changes at random places. */
export const mutated: fc.Arbitrary<unknown> = mutatedOf(bodies);

/** Where to cut, in thousandths; most often nowhere. */
const sometimes = fc.oneof({ weight: 6, arbitrary: fc.constant(null) }, fc.nat({ max: 999 }));

/** The text of a message, sometimes cut off as a policy does it at 200 KB. */
export const mutatedText: fc.Arbitrary<string> = cutOff(mutated);

function cutOff(messages: fc.Arbitrary<unknown>): fc.Arbitrary<string> {
  return fc.tuple(messages, sometimes).map(([body, cut]) => {
    const text = typeof body === 'string' ? body : (JSON.stringify(body) ?? 'null');
    return cut === null ? text : text.slice(0, Math.floor((text.length * cut) / 1000));
  });
}

/** A message that is a text, of lines of JSON or none: characters are dropped, doubled or replaced. */
function mutatedLines(texts: readonly string[]): fc.Arbitrary<string> {
  const edit = fc.tuple(fc.nat(), fc.constantFrom('', '"', '{', ']', '\\', '\n', '0', ',', '\u0000', 'data: '));
  return fc.tuple(fc.constantFrom(...texts), fc.array(edit, { minLength: 1, maxLength: 4 })).map(([text, edits]) =>
    edits.reduce((now, [at, put]) => {
      const place = at % Math.max(1, now.length);
      return now.slice(0, place) + put + now.slice(place + 1);
    }, text),
  );
}

/** The texts of messages of one source, mutated and sometimes cut off. */
export function mutatedMessages(messages: readonly unknown[]): fc.Arbitrary<string> {
  const objects = messages.filter((body) => typeof body === 'object');
  const texts = messages.filter((body): body is string => typeof body === 'string' && body !== '');
  const ways = [
    ...(objects.length > 0 ? [{ weight: 9, arbitrary: cutOff(mutatedOf(objects)) }] : []),
    ...(texts.length > 0 ? [{ weight: 1, arbitrary: cutOff(mutatedLines(texts)) }] : []),
  ];
  return fc.oneof(...ways);
}
